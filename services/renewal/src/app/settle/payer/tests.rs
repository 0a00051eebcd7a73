use platform::together::Queue;
use proto::{convert::timestamp, wallet::v1::PayableItem};

use super::*;
use crate::tests::{
    cloud::at,
    purse::{Purse, Trouble},
};

/// A charge of one yuan, at so many minutes past nine.
fn ask(payment: &str, minute: u32) -> ChargeRequest {
    let payable = Some(kernel::Money::new(100, kernel::Currency::Cny).into());
    let charge = Charge {
        payment_id: payment.to_owned(),
        items: vec![PayableItem { payable, ..PayableItem::default() }],
        ..Charge::default()
    };
    let as_of = timestamp(at(&format!("2026-03-01 09:{minute:02}")));
    ChargeRequest { charge: Some(charge), as_of: Some(as_of) }
}

fn purse(cash: i64) -> Arc<Purse> {
    let purse = Arc::new(Purse::default());
    purse.put(cash);
    purse
}

// O-8: a payment is judged at its own instant.
#[tokio::test]
async fn payments_of_one_instant_are_one_call_and_each_is_told_its_own() {
    let purse = purse(1_000);
    let asks = [ask("a", 1), ask("b", 2), ask("c", 1)];
    let paid = Payer::new(Arc::clone(&purse) as _).together(&asks).await.unwrap();
    let told = paid.iter().map(|paid| (paid.payment_id.as_str(), paid.as_of));
    let asked = [("a", asks[0].as_of), ("b", asks[1].as_of), ("c", asks[0].as_of)];
    assert_eq!(told.collect::<Vec<_>>(), asked);
    assert_eq!(purse.asked(), [ask("b", 2)], "the others came in a call for many");
    assert_eq!(purse.cash(), 700);
}

// O-3: a payment id that comes with other content is its own caller's trouble.
#[tokio::test]
async fn whoever_is_refused_is_refused_alone() {
    let purse = purse(1_000);
    let queue = Queue::start(Payer::new(Arc::clone(&purse) as _));
    queue.ask(ask("a", 1)).await.unwrap();
    let mut other = ask("a", 1);
    other.charge.as_mut().unwrap().account_id = "other".to_owned();
    let (one, other, two) =
        tokio::join!(queue.ask(ask("b", 1)), queue.ask(other), queue.ask(ask("c", 1)));
    assert_eq!((one.unwrap().payment_id, two.unwrap().payment_id), ("b".into(), "c".into()));
    assert_eq!(other.unwrap_err().status.code(), Code::InvalidArgument);
    assert_eq!(purse.cash(), 700);
}

// O-4: what is left open is asked for again under the same ids.
#[tokio::test]
async fn an_answer_that_is_lost_leaves_all_open_and_takes_nothing_twice() {
    let purse = purse(1_000);
    let queue = Queue::start(Payer::new(Arc::clone(&purse) as _));
    purse.fail([Trouble::AnswerLost]);
    let lost = tokio::join!(queue.ask(ask("a", 1)), queue.ask(ask("b", 1)));
    assert!(lost.0.unwrap_err().is_open() && lost.1.unwrap_err().is_open());
    let paid = tokio::join!(queue.ask(ask("a", 1)), queue.ask(ask("b", 1)));
    assert!(paid.0.is_ok() && paid.1.is_ok());
    assert_eq!(purse.cash(), 800);
}
