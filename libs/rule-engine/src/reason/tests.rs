use std::collections::BTreeSet;

use super::*;

#[test]
fn every_code_names_its_reason() {
    for reason in Reason::ALL {
        assert_eq!(reason.code().parse(), Ok(*reason));
        assert_eq!(Reason::try_from(String::from(*reason)), Ok(*reason));
    }
    for unknown in ["", "term_too_long", "TERM_TOO_LONG ", "NONE"] {
        assert_eq!(unknown.parse::<Reason>(), Err(UnknownReason), "{unknown:?}");
    }
}

#[test]
fn codes_are_distinct_and_each_has_a_rule() {
    let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    assert!(Reason::ALL.iter().all(|reason| !reason.rule().is_empty()));
}

#[test]
fn a_code_is_its_name_in_capitals() {
    for reason in Reason::ALL {
        let name = format!("{reason:?}").to_uppercase();
        assert_eq!(reason.code().replace('_', ""), name);
    }
}

// Section 5: "Where one must be chosen, it is the first in this order."
#[test]
fn the_order_of_precedence_is_that_of_the_table() {
    let table = "INSTANCE_NOT_FOUND DUPLICATE_INSTANCE TOO_MANY_INSTANCES PRODUCT_NOT_RENEWABLE \
        TRIAL_INSTANCE ONE_TIME_INSTANCE POSTPAID_NOT_CONVERTIBLE INSTANCE_RELEASED \
        RENEWAL_WINDOW_CLOSED ACCOUNT_FROZEN OPEN_ORDER_EXISTS CHANGE_PENDING \
        GROUP_MUST_RENEW_TOGETHER GROUP_NOT_IN_BATCH TERM_NOT_OFFERED TERM_TOO_LONG \
        TERM_ALREADY_OVER CHANGE_NOT_OFFERED UNIFY_NOT_OFFERED STANDARD_DATE_NOT_SET \
        UNIFIED_WITH_EXPIRED DATE_TOO_EARLY ALREADY_COVERED";
    let order: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).take(23).collect();
    assert_eq!(order.join(" "), table);
    assert!(Reason::ALL.is_sorted());
}

#[test]
fn refusals_sort_by_precedence_and_read_as_their_sentence() {
    let late = Refusal::new(Reason::TermTooLong, "A.").with_all("durations", ["1m", "1y"]);
    let early = Refusal::new(Reason::InstanceNotFound, "Z.");
    let mut both = vec![late.clone(), early.clone()];
    both.sort();
    assert_eq!(both, [early, late.clone()]);
    assert_eq!(late.to_string(), "A.");
    assert_eq!(late.metadata["durations"], "1m,1y");
}
