use kernel::Currency::{Cny, Usd};

use super::*;
use crate::tests::{channel, noon, secret};

const GOOD: &str = "
channels:
  - name: sandbox
    currencies: [CNY, USD]
    intent_minutes: 30
    secrets:
      - file: first
      - file: second
  - name: other
    currencies: [CNY]
    intent_minutes: 5
    secrets: [{ file: first }]
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
    std::fs::write(folder.path().join("first"), text).unwrap();
    std::fs::write(folder.path().join("second"), text.replace('M', "N")).unwrap();
    folder
}

// W-4
#[test]
fn channels_have_currencies_a_time_and_one_or_two_secrets() {
    let folder = folder();
    let channels = read(GOOD, folder.path()).unwrap();
    let sandbox = channels.get(&channel("sandbox")).unwrap();
    assert_eq!(sandbox.currencies, [Cny, Usd]);
    assert_eq!((sandbox.secrets.len(), &sandbox.secrets[0]), (2, &secret()));
    assert_eq!(channels.get(&channel("other")).unwrap().secrets, [secret()]);
    assert!(channels.get(&channel("third")).is_none());

    let expires = |minutes| sandbox.expires(noon(), noon() + TimeDelta::minutes(minutes));
    assert_eq!(expires(29), noon() + TimeDelta::minutes(29));
    assert_eq!(expires(31), noon() + TimeDelta::minutes(30));

    let file = folder.path().join("channels.yaml");
    std::fs::write(&file, GOOD).unwrap();
    assert_eq!(load(Some(&file)).unwrap().len(), 2);
    assert_eq!(load(None).unwrap().len(), 0);
    let error = load(Some(&folder.path().join("missing"))).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn a_mistake_is_named_with_its_channel() {
    let folder = folder();
    for (from, to, told) in [
        ("name: other", "name: sandbox", "two channels have one name"),
        ("name: other", "name: o o", "name"),
        ("[CNY]", "[]", "at least one"),
        ("[CNY]", "[yuan]", "currencies"),
        ("intent_minutes: 5", "intent_minutes: 0", "intent_minutes: must be 1 to 43200"),
        ("intent_minutes: 5", "intent_minutes: 43201", "intent_minutes: must be 1 to 43200"),
        ("intent_minutes: 5", "minutes: 5", "minutes"),
        ("[{ file: first }]", "[]", "there must be 1 to 2"),
        ("file: second", "file: second\n      - file: first", "there must be 1 to 2"),
        ("{ file: first }", "{ file: first, env: X }", "either env or file"),
        ("{ file: first }", "{ file: third }", "third"),
        ("{ file: first }", "{ env: PERENNIAL_NO_SUCH_SECRET }", "is not set"),
        ("{ file: first }", "{ env: PATH }", "must be whsec_"),
    ] {
        let error = read(&GOOD.replace(from, to), folder.path()).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(told), "{to}: {error}");
    }
}
