use super::*;

#[derive(Debug, thiserror::Error)]
enum Sample {
    #[error("the window closed on day 7")]
    Refused,
    #[error("somebody was faster")]
    Lost,
    #[error("the disk said no")]
    Broken(#[source] std::io::Error),
}

impl ApiError for Sample {
    fn code(&self) -> Code {
        match self {
            Self::Refused => Code::FailedPrecondition,
            Self::Lost => Code::Aborted,
            Self::Broken(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "RENEWAL_WINDOW_CLOSED",
            Self::Lost => BUSY,
            Self::Broken(_) => INTERNAL,
        }
    }

    fn rule(&self) -> Option<&'static str> {
        matches!(self, Self::Refused).then_some("L-1")
    }

    fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([("instance".to_owned(), "i-1".to_owned())])
    }

    fn violations(&self) -> Vec<Violation> {
        let one = |reason: &str| Violation {
            reason: reason.to_owned(),
            subject: "i-1".to_owned(),
            description: "why".to_owned(),
        };
        match self {
            Self::Refused => vec![one("RENEWAL_WINDOW_CLOSED"), one("ACCOUNT_FROZEN")],
            _ => Vec::new(),
        }
    }
}

#[test]
fn a_refusal_carries_its_reason_its_rule_and_all_the_others() {
    let status = status_of(&Sample::Refused);

    assert_eq!(status.message(), "the window closed on day 7");
    assert_eq!(reason(&status).as_deref(), Some("RENEWAL_WINDOW_CLOSED"));
    assert_eq!(metadata(&status, "rule").as_deref(), Some("L-1"));
    assert_eq!(metadata(&status, "instance").as_deref(), Some("i-1"));
    let all: Vec<_> = violations(&status).into_iter().map(|violation| violation.reason).collect();
    assert_eq!(all, ["RENEWAL_WINDOW_CLOSED", "ACCOUNT_FROZEN"]);
    assert!(status.get_details_retry_info().is_none());
}

#[test]
fn who_lost_a_race_is_told_when_to_try_again() {
    let retry = status_of(&Sample::Lost).get_details_retry_info().unwrap();
    assert_eq!(retry.retry_delay, Some(Duration::from_millis(100)));
}

#[test]
fn nobody_learns_of_our_own_failures_but_that_they_happened() {
    let status = status_of(&Sample::Broken(std::io::Error::other("secret path")));
    assert_eq!(status.message(), "internal error");
    assert!(!format!("{status:?}").contains("secret"));
}

#[test]
fn every_bad_field_is_reported_at_once() {
    let mut bad = BadRequest::default();
    assert!(bad.is_empty());
    bad.note("count", "must be positive");
    assert_eq!(bad.field("id", "x".parse::<i32>()), None);

    let status = bad.finish().unwrap_err();

    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(reason(&status).as_deref(), Some(INVALID_REQUEST));
    let fields: Vec<_> = bad_fields(&status).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["count", "id"]);
}

#[test]
fn a_bad_field_with_a_reason_of_its_own_gives_the_first() {
    let mut bad = BadRequest::default();
    bad.note("start_date", "is beyond 9999");
    bad.because("DATE_OUT_OF_RANGE");
    bad.because("AMOUNT_TOO_LARGE");
    assert_eq!(reason(&bad.into_status()).as_deref(), Some("DATE_OUT_OF_RANGE"));
}

#[test]
fn nothing_noted_is_no_error() {
    assert!(BadRequest::default().finish().is_ok());
}

// O-3
#[test]
fn only_a_repeat_is_marked_as_one() {
    assert!(!is_replayed(&Replayed::First(1).into_response()));
    let again = Replayed::Again(1).map(|n| n + 1).into_response();
    assert!(is_replayed(&again));
    assert_eq!(again.into_inner(), 2);
}

#[test]
fn a_reason_of_another_domain_is_none_of_ours() {
    let details = ErrorDetails::with_error_info("R", "elsewhere", HashMap::new());
    assert_eq!(reason(&Status::with_error_details(Code::Internal, "", details)), None);
    assert_eq!(reason(&Status::internal("plain")), None);
}

#[test]
fn very_many_bad_fields_fit_into_one_answer() {
    let mut bad = BadRequest::default();
    for index in 0..10_000 {
        bad.note(format!("items[{index}].{}", "é".repeat(1 << 10)), "x".repeat(1 << 20));
    }
    assert!(!bad.is_empty());
    let status = bad.into_status();
    let fields = bad_fields(&status);
    assert!(fields[0].0.starts_with("items[0].") && fields.len() >= 8, "{fields:?}");
    assert!(status.message().ends_with(&format!("(and {} more)", 10_000 - fields.len())));
    assert!(status.details().len() * 4 / 3 + status.message().len() < 8 * 1024);
}

/// An error of a thousand instances.
#[derive(Debug, thiserror::Error)]
#[error("{}", "no".repeat(10_000))]
struct Many;

impl ApiError for Many {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "ACCOUNT_FROZEN"
    }

    fn metadata(&self) -> HashMap<String, String> {
        let ids: Vec<_> = (0..1000).map(|number| format!("i-{number}")).collect();
        HashMap::from([("instances".to_owned(), ids.join(","))])
    }

    fn violations(&self) -> Vec<Violation> {
        let violation = |number| Violation {
            reason: "ACCOUNT_FROZEN".to_owned(),
            subject: format!("i-{number}"),
            description: "the account is frozen".to_owned(),
        };
        (0..1000).map(violation).collect()
    }
}

#[test]
fn very_many_reasons_fit_into_one_answer() {
    let status = status_of(&Many);
    assert!(violations(&status).len() >= 40);
    let instances = metadata(&status, "instances").unwrap();
    assert!(instances.starts_with("i-0,i-1,") && instances.len() <= 1_000);
    assert!(instances.split(',').all(|id| id.len() >= 3), "no id is cut in two: {instances}");
    assert!(status.details().len() * 4 / 3 + status.message().len() < 8 * 1024);
}
