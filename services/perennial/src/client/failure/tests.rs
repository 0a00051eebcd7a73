use anstream::adapter::strip_str;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::*;

fn refused() -> Failure {
    let mut details = ErrorDetails::new();
    let metadata = [("durations".to_owned(), "1m 1y".to_owned())];
    details.set_error_info("TERM_NOT_OFFERED", status::ERROR_DOMAIN, metadata);
    details.add_precondition_failure_violation("TERM_NOT_OFFERED", "disk-1", "not sold (T-1)");
    details.add_bad_request_violation("items[0]", "must be something else");
    let code = Code::FailedPrecondition;
    Status::with_error_details(code, "disk-1 is not sold for 3 years", details).into()
}

#[test]
fn an_error_says_reason_sentence_fields_and_values() {
    insta::assert_snapshot!(strip_str(&refused().text(None)), @r"
    TERM_NOT_OFFERED: disk-1 is not sold for 3 years
      items[0] must be something else
      disk-1: TERM_NOT_OFFERED: not sold (T-1)
      durations: 1m 1y
    ");
    insta::assert_snapshot!(refused().json(None), @r#"{"error":{"code":"FailedPrecondition","fields":[{"field":"items[0]","what":"must be something else"}],"message":"disk-1 is not sold for 3 years","metadata":{"durations":"1m 1y"},"reason":"TERM_NOT_OFFERED","refusals":[{"message":"not sold (T-1)","reason":"TERM_NOT_OFFERED","subject":"disk-1"}]}}"#);
}

#[test]
fn a_file_lists_its_mistakes() {
    let mistakes = vec![Mistake { line: 3, what: "trial must be true or false".to_owned() }];
    let failure = Failure::File("rows.yaml".to_owned(), mistakes);
    insta::assert_snapshot!(strip_str(&failure.text(None)), @r"
    error: rows.yaml has mistakes
      line 3: trial must be true or false
    ");
}

#[test]
fn exit_codes_are_those_of_the_manual() {
    let call = |code| Failure::from(Status::new(code, "")).exit_code();
    assert_eq!(Done::unless(false).exit_code(), 0);
    assert_eq!(Done::unless(true).exit_code(), 1);
    for (rows, code) in [(&[][..], 0), (&[false], 0), (&[true], 1), (&[true, false], 4)] {
        assert_eq!(Done::all(rows.iter().copied()).exit_code(), code, "{rows:?}");
    }
    let unwritten = |kind: std::io::ErrorKind| Unwritten::from(std::io::Error::from(kind));
    let gone = Failure::from(unwritten(std::io::ErrorKind::BrokenPipe));
    assert_eq!((gone.exit_code(), gone.text(None).as_str()), (141, ""));
    assert_eq!(Failure::from(unwritten(std::io::ErrorKind::StorageFull)).exit_code(), 74);
    assert_eq!(refused().exit_code(), 1);
    assert_eq!(call(Code::NotFound), 1);
    assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
    assert_eq!(call(Code::InvalidArgument), 2);
    for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Aborted, Code::Internal] {
        assert_eq!(call(code), 3, "{code:?}");
    }
}

fn stale() -> Failure {
    let details = ErrorDetails::with_error_info("ETAG_STALE", status::ERROR_DOMAIN, []);
    Status::with_error_details(Code::Aborted, "acme has changed since", details).into()
}

// Read it anew: repeating it does not help.
#[test]
fn a_stale_etag_is_a_refusal_and_another_lost_race_is_not() {
    assert_eq!(stale().exit_code(), 1);
    assert!(!stale().is_open());
    assert!(Failure::from(Status::aborted("busy")).is_open());
}

// O-3
#[test]
fn what_may_have_been_done_says_under_which_id_to_repeat_it() {
    let open = Failure::from(Status::new(Code::DeadlineExceeded, "no answer in time"));
    insta::assert_snapshot!(strip_str(&open.text(Some("0190"))), @r"
    DeadlineExceeded: no answer in time
    It may have been done. To repeat it safely: --request-id 0190
    ");
    assert_eq!(open.json(Some("0190"))["error"]["requestId"], "0190");
    assert!(open.json(None)["error"].get("requestId").is_none());
}
