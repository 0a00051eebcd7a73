//! Errors to gRPC statuses, the same way in every service.

use std::{collections::HashMap, error::Error, iter, time::Duration};

use tonic::{Code, Response, Status, metadata::MetadataValue};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Names every service's errors in `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "perennial";

/// Reason of a request with bad fields, all of which are named in its `BadRequest`.
pub const INVALID_REQUEST: &str = "INVALID_REQUEST";

/// Reason of a call that lost a race, or met another call at work: repeat it as a whole.
pub const BUSY: &str = "BUSY";

/// Reason of a call that needs another service, or a database, which did not answer: repeat the same
/// call.
pub const SERVICE_UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

/// Reason of a failure that is ours; the log has the causes.
pub const INTERNAL: &str = "INTERNAL";

/// Metadata key that marks the answer to a repeated call (O-3).
pub const REPLAYED_KEY: &str = "idempotent-replayed";

/// When to try again what is not there, or is at its limit.
pub const LATER: Duration = Duration::from_secs(1);

/// The most text in the details of a status, in bytes. Details and message travel in the trailers,
/// and clients refuse a whole answer whose trailers are above 8 KiB or so.
const MOST_DETAILS: usize = 3_500;

/// What each text in the details takes besides itself, in bytes.
const OVERHEAD: usize = 4;

/// The longest message, in bytes.
const LONGEST_MESSAGE: usize = 800;

/// The longest value of the metadata, in bytes.
const LONGEST_VALUE: usize = 1_000;

/// The longest name of a field, and the longest description, in bytes.
const LONGEST_TEXT: usize = 200;

/// An error that may cross the wire.
pub trait ApiError: Error {
    /// What the caller should do about it.
    fn code(&self) -> Code;

    /// What happened, for programs: stable, `UPPER_SNAKE_CASE`, unique in the API. Where several
    /// things are wrong, the first by precedence.
    fn reason(&self) -> &'static str;

    /// The rule that says so, such as `L-1`.
    fn rule(&self) -> Option<&'static str> {
        None
    }

    /// The values that a program needs in order to act.
    fn metadata(&self) -> HashMap<String, String> {
        HashMap::new()
    }

    /// Everything that is wrong, where that is more than [`ApiError::reason`] can say.
    fn violations(&self) -> Vec<Violation> {
        Vec::new()
    }

    /// When to try again; by default soon after a lost race, and [`LATER`] at a limit, or where
    /// something is not there.
    fn retry_after(&self) -> Option<Duration> {
        match self.code() {
            Code::Aborted => Some(Duration::from_millis(100)),
            Code::ResourceExhausted | Code::Unavailable => Some(LATER),
            _ => None,
        }
    }
}

/// One of several reasons why a call was refused; travels in `google.rpc.PreconditionFailure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What happened, for programs.
    pub reason: String,
    /// What it happened to: an instance id, for example.
    pub subject: String,
    /// What happened, for people, with the rule id.
    pub description: String,
}

/// The status that tells a caller of `error`.
///
/// Callers learn nothing of our own failures but that they happened: those are logged here, once,
/// with their whole chain of causes. Of violations only as many are told, the first first, as fit
/// into the trailers of an answer.
pub fn status_of(error: &dyn ApiError) -> Status {
    let code = error.code();
    let message = match code {
        Code::Internal | Code::Unknown | Code::DataLoss => {
            tracing::error!(reason = error.reason(), error = %chain(error), "request failed");
            "internal error".to_owned()
        }
        Code::Unavailable => {
            tracing::error!(reason = error.reason(), error = %chain(error), "request failed");
            "not available at the moment; repeat the call".to_owned()
        }
        _ => error.to_string(),
    };
    let mut metadata = error.metadata();
    if let Some(rule) = error.rule() {
        metadata.insert("rule".to_owned(), rule.to_owned());
    }
    let metadata: HashMap<_, _> =
        metadata.into_iter().map(|(key, value)| (key, cut_list(value))).collect();
    let mut told: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    let mut details = ErrorDetails::new();
    details.set_error_info(error.reason(), ERROR_DOMAIN, metadata);
    for Violation { reason, subject, description } in error.violations() {
        let [subject, description] = [subject, description].map(|text| cut(text, LONGEST_TEXT));
        told += reason.len() + subject.len() + description.len() + 3 * OVERHEAD;
        if told > MOST_DETAILS {
            break;
        }
        details.add_precondition_failure_violation(reason, subject, description);
    }
    if let Some(delay) = error.retry_after() {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code, cut(message, LONGEST_MESSAGE), details)
}

/// `text`, or as much of it as fits into so many bytes.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

/// `value`, or as many members of a list with commas as fit.
fn cut_list(mut value: String) -> String {
    if value.len() > LONGEST_VALUE {
        value.truncate(value.floor_char_boundary(LONGEST_VALUE));
        value.truncate(value.rfind(',').unwrap_or(value.len()));
    }
    value
}

/// `error` and its causes on one line, outermost first.
fn chain(error: &dyn ApiError) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    iter::once(error.to_string())
        .chain(causes.map(ToString::to_string))
        .collect::<Vec<_>>()
        .join(": ")
}

/// What is wrong with a request's fields, every field at once; of very many, the first.
///
/// ```
/// use platform::status::{BadRequest, reason};
///
/// let mut bad = BadRequest::default();
/// let count = bad.field("count", "x".parse::<u32>());
/// let name = bad.field("name", "jd".parse::<String>());
/// assert_eq!((count, name), (None, Some("jd".to_owned())));
/// assert_eq!(reason(&bad.into_status()).as_deref(), Some("INVALID_REQUEST"));
/// ```
#[derive(Debug, Default)]
pub struct BadRequest {
    details: ErrorDetails,
    reason: Option<&'static str>,
    /// Bytes of what was noted.
    noted: usize,
    /// How many were noted after the most that an answer can tell.
    untold: usize,
}

impl BadRequest {
    /// Keeps `result`'s value, or notes what is wrong with `field` (a path such as
    /// `items[3].amount`).
    pub fn field<T, E: ToString>(
        &mut self,
        field: impl Into<String>,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.note(field, error.to_string())).ok()
    }

    /// Notes what is wrong with `field`: the rest of a sentence that begins with its name.
    pub fn note(&mut self, field: impl Into<String>, description: impl Into<String>) {
        let field = cut(field.into(), LONGEST_TEXT);
        let description = cut(description.into(), LONGEST_TEXT);
        self.noted += field.len() + description.len() + 2 * OVERHEAD;
        if self.noted > MOST_DETAILS {
            self.untold += 1;
        } else {
            self.details.add_bad_request_violation(field, description);
        }
    }

    /// Says which reason the status gives, where the contract names one for a bad field; the first
    /// that is set stays.
    pub fn because(&mut self, reason: &'static str) {
        self.reason.get_or_insert(reason);
    }

    /// Whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.details.bad_request().is_none_or(|bad| bad.field_violations.is_empty())
    }

    /// Fails if anything was noted.
    pub fn finish(self) -> Result<(), Status> {
        if self.is_empty() { Ok(()) } else { Err(self.into_status()) }
    }

    /// The status that lists what was noted.
    #[must_use]
    pub fn into_status(mut self) -> Status {
        let reason = self.reason.unwrap_or(INVALID_REQUEST);
        self.details.set_error_info(reason, ERROR_DOMAIN, HashMap::new());
        let fields = self.details.bad_request().map(|bad| {
            let fields = bad.field_violations.iter();
            fields.map(|v| format!("{} {}", v.field, v.description)).collect::<Vec<_>>().join("; ")
        });
        let message = format!("the request is invalid: {}", fields.unwrap_or_default());
        let mut message = cut(message, LONGEST_MESSAGE);
        if self.untold > 0 {
            message = format!("{message} (and {} more)", self.untold);
        }
        Status::with_error_details(Code::InvalidArgument, message, self.details)
    }
}

/// The answer to a call that makes or moves something once (O-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed<T> {
    /// This call did it.
    First(T),
    /// An earlier call with the same request id did it, and this is its answer.
    Again(T),
}

impl<T> Replayed<T> {
    /// The answer, whichever call did the work.
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            Self::First(value) | Self::Again(value) => value,
        }
    }

    /// The answer put through `op`, still marked.
    pub fn map<U>(self, op: impl FnOnce(T) -> U) -> Replayed<U> {
        match self {
            Self::First(value) => Replayed::First(op(value)),
            Self::Again(value) => Replayed::Again(op(value)),
        }
    }

    /// The response, with `idempotent-replayed: true` in its metadata where it is a repeat.
    pub fn into_response(self) -> Response<T> {
        match self {
            Self::First(value) => Response::new(value),
            Self::Again(value) => {
                let mut response = Response::new(value);
                let yes = MetadataValue::from_static("true");
                response.metadata_mut().insert(REPLAYED_KEY, yes);
                response
            }
        }
    }
}

/// Whether `response` answers a repeated call with what the first one did (O-3).
#[must_use]
pub fn is_replayed<T>(response: &Response<T>) -> bool {
    response.metadata().get(REPLAYED_KEY).is_some_and(|value| value == "true")
}

/// The reason that one of our services gave in `status`, if one of them did.
#[must_use]
pub fn reason(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == ERROR_DOMAIN).then_some(info.reason)
}

/// The value named `key` in `status`'s error metadata.
#[must_use]
pub fn metadata(status: &Status, key: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.remove(key)
}

/// Every reason that `status` gives, the first by precedence first.
#[must_use]
pub fn violations(status: &Status) -> Vec<Violation> {
    let failure = status.get_details_precondition_failure();
    let violations = failure.into_iter().flat_map(|failure| failure.violations);
    violations
        .map(|violation| Violation {
            reason: violation.r#type,
            subject: violation.subject,
            description: violation.description,
        })
        .collect()
}

/// The fields that `status` says are bad, each with what is wrong with it.
#[must_use]
pub fn bad_fields(status: &Status) -> Vec<(String, String)> {
    let bad = status.get_details_bad_request();
    let violations = bad.into_iter().flat_map(|bad| bad.field_violations);
    violations.map(|violation| (violation.field, violation.description)).collect()
}

#[cfg(test)]
mod tests;
