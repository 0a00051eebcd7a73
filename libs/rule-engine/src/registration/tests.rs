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
        Ok(Repeated::Contradicts(fields)) => format!("contradicts {}", fields.join(" ")),
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
        if let Err(error) = registered {
            let NotRegistered::Refused(refusal) = error else { panic!("{error}") };
            assert_eq!(refusal.reason, Reason::DateOutOfRange);
        }
    }
}

// I-1, T-6: an anchor leads to the end, or the row is wrong.
#[test]
fn an_anchor_that_does_not_lead_to_the_end_is_refused() {
    use Boundary::{EndOfDay, Exact};
    for (boundary, end, good, bad) in [
        // In the middle of a month only the day itself.
        (EndOfDay, "2024-06-21 00:00", vec![20], vec![1, 19, 21, 31]),
        // The last of a short month is where every later day is clamped to.
        (EndOfDay, "2023-03-01 00:00", vec![28, 29, 30, 31], vec![1, 27]),
        (EndOfDay, "2024-03-01 00:00", vec![29, 30, 31], vec![1, 28]),
        (EndOfDay, "2024-02-29 00:00", vec![28], vec![27, 29, 31]),
        (EndOfDay, "2024-05-01 00:00", vec![30, 31], vec![1, 29]),
        (EndOfDay, "2024-06-01 00:00", vec![31], vec![1, 30]),
        // By the end's own local date.
        (Exact, "2024-06-21 10:30", vec![21], vec![20, 22]),
        (Exact, "2023-02-28 10:30", vec![28, 29, 31], vec![27, 1]),
        (Exact, "2024-02-28 10:30", vec![28], vec![27, 29, 31]),
        // At midnight it is also the end of the day before (U-2).
        (Exact, "2024-06-21 00:00", vec![20, 21], vec![19, 22]),
        (Exact, "2024-03-01 00:00", vec![1, 29, 30, 31], vec![2, 28]),
    ] {
        for (day, fits) in
            good.iter().map(|day| (day, true)).chain(bad.iter().map(|day| (day, false)))
        {
            let anchor: DayOfMonth = u32::try_from(*day).unwrap().try_into().unwrap();
            let billing = RegisteredBilling::Prepaid {
                start: at("2023-01-01 00:00"),
                end: at(end),
                anchor: Some(anchor),
            };
            let registered = register(Registration { billing, ..row(1) }, boundary, Shanghai);
            let anchors = registered.map(|one| one.first_term.unwrap().anchor);
            let ends_on = last_day(Shanghai, at(end));
            let expected = if fits {
                Ok(anchor)
            } else {
                Err(NotRegistered::AnchorMissesEnd { anchor, ends_on })
            };
            assert_eq!(anchors, expected, "{boundary:?} {end} {day}");
        }
    }
}

// I-1, T-5, T-6: where the rules read differently, the day before counts: an exact end at midnight
// is the end of that day, unless the term began on the date of its end.
#[test]
fn an_exact_end_at_midnight_is_anchored_by_its_last_day() {
    for (start, end, expected) in [
        ("2024-05-10 10:30", "2024-06-21 00:00", 20),
        ("2024-05-20 10:30", "2024-06-21 00:00", 20),
        ("2024-05-21 00:00", "2024-06-21 00:00", 21),
        ("2024-01-31 00:00", "2024-03-01 00:00", 31),
        ("2024-01-10 00:00", "2024-03-01 00:00", 29),
    ] {
        let billing = RegisteredBilling::Prepaid { start: at(start), end: at(end), anchor: None };
        let row = Registration { billing, ..row(1) };
        let term = register(row, Boundary::Exact, Shanghai).unwrap().first_term.unwrap();
        assert_eq!(term.anchor.get(), expected, "{start} {end}");
    }
}

// I-1: a late repeat is a no-op, whatever it says.
#[test]
fn a_row_that_is_older_does_nothing() {
    let known = Instance { source_version: 2, ..known() };
    for (version, expected) in
        [(0, "unchanged"), (1, "unchanged"), (2, "unchanged"), (3, "updated")]
    {
        assert_eq!(repeated(row(version), &known), expected, "{version}");
    }
    let wrong = Registration { region: "x".parse().unwrap(), ..row(1) };
    assert_eq!(repeated(wrong, &known), "unchanged");
}

// I-1: two words cannot have one number, not even 0.
#[test]
fn a_row_of_the_same_version_says_the_same() {
    for version in [0, 7] {
        let known = Instance { source_version: version, ..known() };
        assert_eq!(repeated(row(version), &known), "unchanged");
        let renamed = Registration { name: "db".to_owned(), trial: true, ..row(version) };
        assert_eq!(repeated(renamed, &known), "contradicts name trial");
        let elsewhere = Registration { region: "x".parse().unwrap(), ..row(version) };
        assert_eq!(repeated(elsewhere, &known), "INSTANCE_IMMUTABLE_FIELD");
        let large = [("flavor", "large"), ("zone", "A")];
        let resized = Registration { configuration: large.into_iter().collect(), ..row(version) };
        assert_eq!(repeated(resized, &known), "contradicts configuration");
        // C-2, I-2: the expiry is Perennial's, and what it sold with it.
        let lease = crate::term::Lease { end: end("2024-07-20"), ..known.billing.lease().unwrap() };
        let renewed = Instance {
            billing: Billing::Prepaid(lease),
            configuration: large.into_iter().collect(),
            ..known
        };
        assert_eq!(repeated(row(version), &renewed), "unchanged");
    }
}

// B-4, B-5: bindings lead to a primary.
#[test]
fn nothing_is_bound_to_itself() {
    use BindingKind::{Forced, Optional, Strong};
    let instance = |name: &str, kind, parent: &str| {
        let mut one = Instance { id: id(name), ..known() };
        one.binding = Some(Binding { parent: id(parent), kind });
        (id(name), one)
    };
    let refused = |rows: &[_], others: &[_]| {
        let map = |all: &[(InstanceId, Instance)]| all.iter().cloned().collect();
        let found = bound_in_circles(&map(rows), &map(others));
        found.keys().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let [ab, bc, ca] =
        [instance("a", Forced, "b"), instance("b", Strong, "c"), instance("c", Forced, "a")];
    assert_eq!(refused(&[instance("a", Forced, "a")], &[]), "a");
    assert_eq!(refused(&[ab.clone(), bc.clone()], &[]), "");
    assert_eq!(refused(&[ab.clone(), bc.clone(), ca.clone()], &[]), "a b c");
    assert_eq!(refused(std::slice::from_ref(&ca), &[ab.clone(), bc.clone()]), "c");
    // What hangs on a circle is no part of it; a row that opens one is none either.
    assert_eq!(refused(&[instance("d", Forced, "a")], &[ab.clone(), bc.clone(), ca.clone()]), "");
    assert_eq!(refused(&[instance("c", Forced, "d")], &[ab.clone(), bc.clone(), ca]), "");
    // Where one of them is only ticked, there is a primary.
    assert_eq!(refused(&[instance("c", Optional, "a")], &[ab, bc]), "");
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
