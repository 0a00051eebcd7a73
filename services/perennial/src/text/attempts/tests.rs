use chrono_tz::Asia::Shanghai;
use proto::renewal::v1::unsettled_attempt::WaitsFor;

use super::*;

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn attempts_are_told_with_what_comes_next() {
    let date = Some(Date { year: 2026, month: 3, day: 10 });
    let failed =
        Attempt {
            instance_id: "eip-1".to_owned(),
            date,
            retry: 1,
            outcome: Outcome::Failed.into(),
            reason: "INSUFFICIENT_FUNDS".to_owned(),
            missing: kernel::Currency::Cny.to_string().parse().ok().map(|code: String| {
                proto::r#type::v1::Money { minor_units: 500, currency_code: code }
            }),
            next_attempt_time: Some(prost_types::Timestamp { seconds: 1_773_154_800, nanos: 0 }),
            ..Attempt::default()
        };
    let outcome = Outcome::Renewed.into();
    let renewed = Attempt { instance_id: "eip-2".to_owned(), date, outcome, ..Attempt::default() };
    insta::assert_snapshot!(plain(&attempts(&[failed, renewed], Shanghai)), @"
    DATE           INSTANCE  OUTCOME  WHY                  MISSING  NEXT ATTEMPT
    2026-03-10 #1  eip-1     FAILED   INSUFFICIENT_FUNDS  CNY 5.00  2026-03-10 23:00:00
    2026-03-10     eip-2     RENEWED  -                          -  -
    ");
}

//
#[test]
fn what_was_not_decided_once_stands_below_the_count() {
    let other = UnsettledAttempt {
        instance_id: "eip-1".to_owned(),
        decisions: 2,
        waits_for: WaitsFor::Nothing.into(),
        ..UnsettledAttempt::default()
    };
    let outcomes = [("RENEWED".to_owned(), 2), ("FAILED".to_owned(), 1)];
    let mut all = CountAttemptsResponse {
        due: 3,
        decided: 3,
        outcomes: outcomes.into(),
        ..CountAttemptsResponse::default()
    };
    assert_eq!(plain(&count(&all, Shanghai)), "3 of 3 decided once: 1 FAILED, 2 RENEWED\n");
    all.due = 4;
    all.others.push(other);
    insta::assert_snapshot!(plain(&count(&all, Shanghai)), @"
    3 of 4 decided once: 1 FAILED, 2 RENEWED
    INSTANCE  RETRY  DUE SINCE  DECISIONS  WAITS FOR
    eip-1     0      -                  2  NOTHING
    ");
    assert_eq!(plain(&count(&CountAttemptsResponse::default(), Shanghai)), "0 of 0 decided once\n");
}
