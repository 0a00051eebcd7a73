use chrono::TimeDelta;
use kernel::ids::IntentId;
use rule_engine::voucher::Coverage;

use super::*;
use crate::{
    domain::PaymentRefusal,
    tests::{acme, channel, charge, id, noon},
};

const AMOUNT: i64 = 40;

fn intent() -> Intent {
    let expires = noon() + TimeDelta::minutes(30);
    Intent { id: IntentId(id(9)), channel: channel("sandbox"), amount: AMOUNT, expires }
}

fn verdict(outcome: Outcome, news: News, late: TimeDelta) -> Verdict {
    let intent = intent();
    let payment = Payment::without_channel(&charge(1, 100), outcome);
    judge(&payment, &intent, news, noon() + late)
}

// W-4: money is never lost, and what ended never begins again.
#[test]
fn every_news_of_every_state_has_its_verdict() {
    let pending = || Outcome::Pending(Coverage::default());
    let succeeded = || Outcome::Succeeded(Coverage::default());
    let refused = || Outcome::Refused(PaymentRefusal::wallet_not_found(&acme()));
    let in_time = TimeDelta::minutes(30) - TimeDelta::microseconds(1);
    let late = TimeDelta::minutes(30);
    let to_cash = Verdict::ToCash;
    for (outcome, news, after, expected) in [
        (pending(), News::Succeeded(AMOUNT), in_time, Verdict::Capture),
        (pending(), News::Succeeded(AMOUNT), late, Verdict::TooLate),
        (pending(), News::Succeeded(AMOUNT - 1), in_time, to_cash(ToCash::AmountMismatch)),
        (pending(), News::Succeeded(AMOUNT + 1), in_time, to_cash(ToCash::AmountMismatch)),
        (pending(), News::Succeeded(AMOUNT + 1), late, Verdict::TooLate),
        (pending(), News::Failed, in_time, Verdict::Release),
        (pending(), News::Failed, late, Verdict::Release),
        (pending(), News::Unknown, late, Verdict::Nothing),
        (succeeded(), News::Succeeded(AMOUNT), in_time, to_cash(ToCash::PaidTwice)),
        (succeeded(), News::Succeeded(1), late, to_cash(ToCash::PaidTwice)),
        (succeeded(), News::Failed, in_time, Verdict::Contradiction),
        (succeeded(), News::Unknown, in_time, Verdict::Nothing),
        (Outcome::Voided, News::Succeeded(AMOUNT), in_time, to_cash(ToCash::PaidTooLate)),
        (Outcome::Voided, News::Succeeded(1), late, to_cash(ToCash::PaidTooLate)),
        (Outcome::Voided, News::Failed, in_time, Verdict::Nothing),
        (Outcome::Voided, News::Unknown, in_time, Verdict::Nothing),
        (refused(), News::Succeeded(AMOUNT), in_time, to_cash(ToCash::PaidTooLate)),
    ] {
        assert_eq!(verdict(outcome.clone(), news, after), expected, "{outcome:?} {news:?}");
    }
}

#[test]
fn every_reason_has_a_code_of_its_own() {
    let codes: std::collections::BTreeSet<_> = ToCash::ALL.map(ToCash::reason).into();
    assert_eq!(codes.len(), ToCash::ALL.len());
}
