use chrono_tz::Asia::{Shanghai, Tokyo};

use super::*;
use crate::{
    fixtures::{add, add_postpaid, at, bind, end, get, id, order, reasons, world},
    instance::{BindingKind, OpenOrder},
    policy::PolicyState,
};

fn row(version: u64) -> Registration {
    Registration {
        id: id("vm"),
        account: "a".parse().unwrap(),
        product: "vm".parse().unwrap(),
        region: "r".parse().unwrap(),
        name: "web".to_owned(),
        labels: BTreeMap::new(),
        room_type: None,
        configuration: [("flavor", "small"), ("zone", "A")].into_iter().collect(),
        billing: prepaid("2024-05-21 00:00", "2024-06-20"),
        trial: false,
        one_time: false,
        change_pending: false,
        released: false,
        binding: None,
        source_version: version,
    }
}

fn prepaid(start: &str, last_day: &str) -> RegisteredBilling {
    RegisteredBilling::Prepaid { start: at(start), end: end(last_day), anchor: None }
}

fn known() -> Instance {
    register(row(1), Boundary::EndOfDay, Shanghai).unwrap().instance
}

fn priced(name: &str) -> bool {
    name == "flavor"
}

/// What a row does: what changed of the instance it knows, or the reasons.
fn repeated(row: Registration, known: &Instance) -> String {
    match repeat(row, known, priced) {
        Err(refusals) => reasons(&refusals),
        Ok(Repeated::Unchanged) => "unchanged".to_owned(),
        Ok(Repeated::Updated { cancels: Some(order), .. }) => format!("updated, cancels {order}"),
        Ok(Repeated::Updated { .. }) => "updated".to_owned(),
    }
}

// I-1, T-6: the start's local day if the last day fits it, else the last day's own.
#[test]
fn the_first_term_has_an_anchor() {
    for (start, last_day, given, expected) in [
        ("2018-08-02 10:00", "2019-02-02", None, 2),
        ("2024-01-31 10:00", "2024-02-29", None, 31),
        ("2024-01-30 10:00", "2024-02-29", None, 30),
        ("2024-05-21 00:00", "2024-06-20", None, 20),
        ("2024-01-31 10:00", "2024-02-29", Some(29), 29),
    ] {
        let anchor = given.map(|day: u32| day.try_into().unwrap());
        let billing = RegisteredBilling::Prepaid { start: at(start), end: end(last_day), anchor };
        let registered =
            register(Registration { billing, ..row(1) }, Boundary::EndOfDay, Shanghai).unwrap();
        let term = registered.first_term.unwrap();
        assert_eq!(term.anchor.get(), expected, "{start} {last_day}");
        assert_eq!(registered.instance.billing, Billing::Prepaid(term.lease()));
        assert_eq!(registered.instance.first_start, Some(at(start)));
        assert_eq!(registered.instance.policy, PolicyState::Manual);
    }
}

#[test]
fn a_postpaid_instance_has_no_term() {
    let row = Registration { billing: RegisteredBilling::Postpaid, ..row(1) };
    let registered = register(row, Boundary::EndOfDay, Shanghai).unwrap();
    assert_eq!(registered.first_term, None);
    assert_eq!(registered.instance.billing, Billing::Postpaid);
}

// T-8, in pairs.
#[test]
fn a_first_term_lies_in_the_years_1970_to_9999_and_ends_after_it_starts() {
    for (start, last_day, good) in [
        ("1970-01-02 00:00", "1970-01-02", true),
        ("1969-12-31 23:59", "1970-01-02", false),
        ("2024-01-01 00:00", "9999-12-31", true),
        ("2024-01-02 00:00", "2024-01-01", false),
    ] {
        let row = Registration { billing: prepaid(start, last_day), ..row(1) };
        let registered = register(row, Boundary::EndOfDay, Shanghai);
        assert_eq!(registered.is_ok(), good, "{start} {last_day}");
        if let Err(refusal) = registered {
            assert_eq!(refusal.reason, Reason::DateOutOfRange);
        }
    }
}

// I-1: a late repeat is a no-op, whatever it says.
#[test]
fn a_row_that_is_not_newer_does_nothing() {
    let known = known();
    for (version, expected) in [(0, "unchanged"), (1, "unchanged"), (2, "updated")] {
        assert_eq!(repeated(row(version), &known), expected, "{version}");
    }
    let wrong = Registration { region: "x".parse().unwrap(), ..row(1) };
    assert_eq!(repeated(wrong, &known), "unchanged");
}

// I-1
#[test]
fn a_newer_row_says_what_the_console_owns_and_nothing_else() {
    let mut known = known();
    known.policy = PolicyState::NotRenew;
    let new = Registration {
        name: "db".to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "x".to_owned())]),
        room_type: Some("public".to_owned()),
        configuration: [("flavor", "large")].into_iter().collect(),
        trial: true,
        change_pending: true,
        released: true,
        binding: Some(Binding { parent: id("other"), kind: BindingKind::Forced }),
        ..row(2)
    };
    let Ok(Repeated::Updated { instance, cancels: None }) = repeat(new.clone(), &known, priced)
    else {
        panic!("it is updated");
    };
    assert_eq!((&instance.name, &instance.labels), (&new.name, &new.labels));
    assert_eq!(instance.room_type, new.room_type);
    assert_eq!((&instance.configuration, &instance.binding), (&new.configuration, &new.binding));
    assert!(instance.trial && instance.change_pending && instance.released);
    assert_eq!((instance.billing, instance.policy), (known.billing, known.policy));
    assert_eq!(instance.source_version, 2);
}

// I-1: account, product and region are fixed.
#[test]
fn fixed_fields_stay() {
    let known = known();
    let elsewhere = Registration { region: "x".parse().unwrap(), ..row(2) };
    assert_eq!(repeated(elsewhere.clone(), &known), "INSTANCE_IMMUTABLE_FIELD");
    let both = Registration { product: "disk".parse().unwrap(), ..elsewhere };
    let refusals = repeat(both, &known, priced).unwrap_err();
    assert_eq!(refusals[0].metadata["fields"], "product_id,region");
    let stolen = Registration { account: "b".parse().unwrap(), ..row(0) };
    assert_eq!(repeated(stolen, &known), "INSTANCE_IMMUTABLE_FIELD INSTANCE_ID_TAKEN");
}

// I-2
#[test]
fn a_repeat_never_edits_a_term() {
    let known = known();
    let longer = Registration { billing: prepaid("2024-05-21 00:00", "2024-07-20"), ..row(2) };
    assert_eq!(repeated(longer, &known), "EXPIRY_CONFLICT");
    let metered = Registration { billing: RegisteredBilling::Postpaid, ..row(2) };
    assert_eq!(repeated(metered.clone(), &known), "EXPIRY_CONFLICT");
    let postpaid = Instance { billing: Billing::Postpaid, ..known };
    assert_eq!(repeated(row(2), &postpaid), "EXPIRY_CONFLICT");
    assert_eq!(repeated(metered, &postpaid), "updated");
}

// I-1, I-2: configuration and binding only while no order is open; what is priced cancels an unpaid
// one.
#[test]
fn an_open_order_holds_configuration_and_binding() {
    let renamed = Registration { name: "db".to_owned(), ..row(2) };
    let described = Registration {
        configuration: [("flavor", "small"), ("zone", "B")].into_iter().collect(),
        ..row(2)
    };
    let resized =
        Registration { configuration: [("flavor", "large")].into_iter().collect(), ..row(2) };
    let bound = Registration {
        binding: Some(Binding { parent: id("x"), kind: BindingKind::Optional }),
        ..row(2)
    };
    let cancels = format!("updated, cancels {}", order(7));
    for (unpaid, row, expected) in [
        (true, &renamed, "updated"),
        (true, &described, "updated"),
        (true, &resized, &cancels),
        (true, &bound, "OPEN_ORDER_EXISTS"),
        (false, &renamed, "updated"),
        (false, &described, "OPEN_ORDER_EXISTS"),
        (false, &resized, "OPEN_ORDER_EXISTS"),
        (false, &bound, "OPEN_ORDER_EXISTS"),
    ] {
        let open_order = Some(OpenOrder { id: order(7), unpaid });
        let held = Instance { open_order, ..known() };
        assert_eq!(repeated(row.clone(), &held), expected, "{unpaid} {row:?}");
        assert!(matches!(repeated(row.clone(), &known()).as_str(), "updated"));
    }
}

// B-4: members with different ends or billing modes, in any order, new or known.
#[test]
fn a_strong_group_ends_at_one_instant() {
    let mut rows = world();
    for (name, last_day) in
        [("kec", "2024-06-20"), ("ebs", "2024-06-20"), ("kes", "2024-06-21"), ("one", "2024-01-01")]
    {
        add(&mut rows, name, "kec", last_day);
    }
    add_postpaid(&mut rows, "eip", "kec");
    for (child, kind) in [
        ("ebs", BindingKind::Strong),
        ("kes", BindingKind::Optional),
        ("one", BindingKind::Forced),
        ("eip", BindingKind::Forced),
    ] {
        bind(&mut rows, child, kind, "kec");
    }
    let none = BTreeMap::new();
    let refused = |rows: &BTreeMap<InstanceId, Instance>, others| {
        let found = group_mismatches(rows, others);
        let names = found.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert!(found.values().all(|one| one.reason == Reason::GroupExpiryMismatch));
        names.join(" ")
    };
    assert_eq!(refused(&rows.instances, &none), "");
    bind(&mut rows, "kes", BindingKind::Strong, "kec");
    assert_eq!(refused(&rows.instances, &none), "kec kes");
    get(&mut rows, "kes").billing = Billing::Postpaid;
    assert_eq!(refused(&rows.instances, &none), "kec kes");
    // Only rows are refused, also where the parent, or the child, is known already.
    let mut others = rows.instances.clone();
    let kes = BTreeMap::from([(id("kes"), others.remove(&id("kes")).unwrap())]);
    assert_eq!(refused(&kes, &others), "kes");
    assert_eq!(refused(&others, &kes), "kec");
}

// T-4, in pairs.
#[test]
fn zone_and_currency_are_fixed_with_the_first_instance() {
    let account = world().account;
    for (zone, currency, fixed) in [
        (Shanghai, Currency::Cny, false),
        (Tokyo, Currency::Cny, true),
        (Shanghai, Currency::Usd, true),
    ] {
        assert!(check_zone(&account, zone, currency, false).is_ok());
        let refused = check_zone(&account, zone, currency, true).err().map(|one| one.reason);
        assert_eq!(refused, fixed.then_some(Reason::AccountZoneFixed));
    }
}
