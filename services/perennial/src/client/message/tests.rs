use proto::renewal::v1::{InstanceRegistration, binding, instance_registration::Billing};

use super::*;

const ROWS: &str = "
- instance_id: vm-1
  account_id: acme
  product_id: jd-vm
  region: cn-north-1
  labels: {team: web, spare: true}
  configuration: {flavor: g.s1.micro, bandwidth_mbps: 5}
  prepaid:
    start_time: 2018-08-02
    end_time: 2018-09-03T00:00:00+08:00
    anchor_day: 2
  binding: {parent_instance_id: vm-0, kind: optional}
- instance_id: vm-2
  trial: true
  postpaid: {}
";

fn read(text: &str) -> Result<Vec<InstanceRegistration>, Vec<String>> {
    read_rows(text, chrono_tz::Asia::Shanghai)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

#[test]
fn files_are_read_as_people_write_them() {
    let rows = read(ROWS).unwrap();
    let [first, second] = rows.as_slice() else { panic!("two rows, not {}", rows.len()) };

    let settings = &first.configuration.as_ref().unwrap().settings;
    let settings: Vec<_> = settings.iter().map(|s| (s.name.as_str(), s.value.as_str())).collect();
    assert_eq!(settings, [("flavor", "g.s1.micro"), ("bandwidth_mbps", "5")]);
    let Some(Billing::Prepaid(prepaid)) = &first.billing else { panic!("prepaid") };
    assert_eq!(prepaid.start_time.unwrap().seconds, 1_533_139_200);
    assert_eq!(prepaid.end_time.unwrap().seconds, 1_535_904_000);
    assert_eq!(first.binding.as_ref().unwrap().kind(), binding::Kind::Optional);
    assert_eq!(first.labels["spare"], "true");
    assert!(second.trial);
    assert!(matches!(second.billing, Some(Billing::Postpaid(_))));
}

#[test]
fn json_is_read_too_and_one_row_needs_no_list() {
    let rows = read(r#"{"instance_id": "vm-1", "postpaid": {}}"#).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(read("").unwrap(), []);
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let mistakes = read(
        "- instance_id: vm-1
  colour: red
  trial: perhaps
  prepaid: {start_time: soon, end_time: 2018-09-03}
- binding: {kind: LOOSE}
  labels: none
",
    )
    .unwrap_err();

    insta::assert_snapshot!(mistakes.join("\n"), @r"
    line 2: colour is not a field of this
    line 3: trial must be true or false
    line 4: prepaid.start_time must be a time such as 2026-01-31 or 2026-01-31T08:00:00+08:00
    line 5: binding.kind must be one of OPTIONAL, FORCED, STRONG
    line 6: labels must be a mapping
    ");
}

#[test]
fn a_file_that_is_not_yaml_says_where() {
    let mistakes = read("- a: [1\n- b: 2\n").unwrap_err();
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].starts_with("line "), "{mistakes:?}");
}

#[test]
fn messages_become_json_under_the_names_of_the_contract() {
    let mut rows =
        read("instance_id: vm-1\nprepaid: {start_time: 2018-08-02, end_time: 2018-09-03}").unwrap();
    let json = to_json(&rows.remove(0));
    insta::assert_snapshot!(format!("{json:#}"), @r#"
    {
      "account_id": "",
      "change_pending": false,
      "instance_id": "vm-1",
      "labels": {},
      "name": "",
      "one_time": false,
      "prepaid": {
        "end_time": "2018-09-02T16:00:00Z",
        "start_time": "2018-08-01T16:00:00Z"
      },
      "product_id": "",
      "region": "",
      "released": false,
      "room_type": "",
      "source_version": "0",
      "trial": false
    }
    "#);
}
