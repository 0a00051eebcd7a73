use std::collections::HashMap;

use super::*;
use crate::{context::Context, identity::Caller};

fn refusal() -> Status {
    let details = ErrorDetails::with_error_info("ORDER_NOT_PAYABLE", ERROR_DOMAIN, HashMap::new());
    Status::with_error_details(Code::FailedPrecondition, "paid", details)
}

/// What a call ends with whose connection broke.
fn broken() -> Status {
    Status::from_error(Box::new(std::io::Error::other("the connection is gone")))
}

#[test]
fn a_refusal_is_an_answer_and_a_broken_connection_is_none() {
    assert!(!is_open(&refusal()));
    for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::Aborted] {
        assert!(is_open(&Status::new(code, "")));
    }
    assert!(is_open(&no_answer("wallet", "the answer is empty")));
    // A proxy's answer, not our service's.
    assert!(is_open(&Status::not_found("no such path")));
}

#[test]
fn refusals_are_passed_on_and_failures_are_not() {
    let same = pass_on("wallet", refusal());
    assert_eq!(reason(&same).as_deref(), Some("ORDER_NOT_PAYABLE"));

    let down = pass_on("wallet", Status::deadline_exceeded("10.0.0.7 did not answer"));
    assert_eq!(down.code(), Code::Unavailable);
    assert_eq!(reason(&down).as_deref(), Some(SERVICE_UNAVAILABLE));
    assert!(!down.message().contains("10.0.0.7"));

    let wrong = pass_on("wallet", Status::internal("secret"));
    assert_eq!((wrong.code(), wrong.message()), (Code::Internal, "internal error"));
    assert_eq!(pass_on("wallet", broken()).code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn only_what_nobody_answered_is_called_again_and_not_for_ever() {
    for (status, attempts) in [
        // After 50 ms, 100, 200 and 400, then each 800 ms.
        (Status::unavailable(""), 10),
        (Status::cancelled(""), 10),
        (broken(), 10),
        (Status::failed_precondition(""), 1),
        (Status::unknown("a proxy's answer"), 1),
        // The service is there, and says that it cannot do it.
        (no_answer("wallet", "its database is away"), 1),
    ] {
        let mut made = 0;
        let result = safe(|| {
            made += 1;
            let status = status.clone();
            async move { Err::<(), _>(status) }
        })
        .await;
        assert_eq!(result.unwrap_err().code(), status.code());
        assert_eq!(made, attempts, "{status:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_again_for_whom_nobody_waits_any_more() {
    let context = Context {
        caller: Caller::everybody(),
        deadline: Instant::now() + Duration::from_millis(240),
        call: None,
    };
    let mut made = 0;
    let calls = safe(|| {
        made += 1;
        async move { Err::<(), _>(Status::unavailable("")) }
    });
    let result = context.scope(calls).await;
    assert_eq!(result.unwrap_err().code(), Code::Unavailable);
    // At once, and after 50 ms; 100 ms more would be more than half of the time.
    assert_eq!(made, 2);
}

#[tokio::test(start_paused = true)]
async fn what_took_its_time_to_fail_is_not_called_again() {
    let mut made = 0;
    let result = safe(|| {
        made += 1;
        async move {
            sleep(PATIENCE).await;
            Err::<(), _>(Status::cancelled("timeout expired"))
        }
    });
    assert_eq!(result.await.unwrap_err().code(), Code::Cancelled);
    assert_eq!(made, 1);
}
