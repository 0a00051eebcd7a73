//! Which calls are made again, and what an error leaves open.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    context::time_left,
    status::{ERROR_DOMAIN, INTERNAL, LATER, SERVICE_UNAVAILABLE, reason},
};

/// How often a safe call is made in all: over some three seconds, in which a process is replaced.
const ATTEMPTS: u32 = 7;

/// The pause after the first attempt of a safe call; it doubles after each.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Makes a call that is safe to repeat (a read, or a call whose repeat changes nothing), again
/// while the service is unavailable: seven times at most, with a growing pause, and not when nobody
/// waits for the answer any more. A connection that a stopping service drops before a word was said
/// ends the call as cancelled. Each attempt goes to the next of the service's addresses.
///
/// What the service itself has answered is not asked again, also where it is that something does not
/// work: it has tried, and where one service calls the next, attempts would multiply.
pub async fn safe<T, Call>(mut call: impl FnMut() -> Call) -> Result<T, Status>
where
    Call: Future<Output = Result<T, Status>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        let result = call().await;
        let in_time = time_left().is_none_or(|left| left > pause);
        if !(result.as_ref().is_err_and(was_not_answered) && in_time) {
            return result;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    call().await
}

/// Whether the service is away, and somebody on the way to it says so.
fn was_not_answered(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled) && reason(status).is_none()
}

/// Whether `status` leaves open what the call did: it timed out, its connection broke, or it lost
/// a race. It is to be repeated with the same ids; it is not an answer.
#[must_use]
pub fn is_open(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::Unknown
        | Code::Internal
        | Code::ResourceExhausted => true,
        _ => reason(status).is_none(),
    }
}

/// What stands for an answer of `service` that cannot be used, and `why`: it leaves open what the
/// call did.
#[must_use]
pub fn no_answer(service: &str, why: &str) -> Status {
    Status::with_error_details(Code::Unavailable, why, details_of(SERVICE_UNAVAILABLE, service))
}

/// What a caller of ours is told when `service` answered us with `status`: a refusal as it is, and
/// of all else only that the service does not work.
#[must_use]
pub fn pass_on(service: &str, status: Status) -> Status {
    if !is_open(&status) || status.code() == Code::Aborted {
        return status;
    }
    let (code, reason) = match status.code() {
        Code::Internal | Code::Unknown => (Code::Internal, INTERNAL),
        code if code == Code::ResourceExhausted => (code, SERVICE_UNAVAILABLE),
        _ => (Code::Unavailable, SERVICE_UNAVAILABLE),
    };
    tracing::warn!(peer.service = service, error = %status, "a call to another service failed");
    let details = details_of(reason, service);
    let message = match code {
        Code::Internal => "internal error".to_owned(),
        _ => format!("the {service} service is not available; repeat the call"),
    };
    Status::with_error_details(code, message, details)
}

/// What is said of a `service` that does not work: which it is, and when to come again.
fn details_of(reason: &str, service: &str) -> ErrorDetails {
    let metadata = [("service".to_owned(), service.to_owned())];
    let mut details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata);
    if reason == SERVICE_UNAVAILABLE {
        details.set_retry_info(Some(LATER));
    }
    details
}

#[cfg(test)]
mod tests;
