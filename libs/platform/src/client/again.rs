//! Which calls are made again, and what an error leaves open.

use std::{error::Error as _, time::Duration};

use tokio::time::{Instant, sleep};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    context::time_left,
    status::{ERROR_DOMAIN, INTERNAL, LATER, SERVICE_UNAVAILABLE, reason},
};

/// For how long a safe call is made again: a process is replaced in less.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause after the first attempt of a safe call; it doubles after each.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause: who waits for a process to start goes on soon after it has.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// Makes a call that is safe to repeat (a read, or a call whose repeat changes nothing), again while
/// nobody answers it: for five seconds, with a growing pause, and for no more than half of the time
/// that whoever waits for it still has: they want to be told where it was in vain. Each attempt goes to
/// the next of the service's addresses.
///
/// What the service itself has answered is not asked again, also where it is that something does not
/// work: it has tried, and where one service calls the next, attempts would multiply.
pub async fn safe<T, Call>(mut call: impl FnMut() -> Call) -> Result<T, Status>
where
    Call: Future<Output = Result<T, Status>>,
{
    let patience = time_left().map_or(PATIENCE, |left| PATIENCE.min(left / 2));
    let (end, mut pause) = (Instant::now() + patience, FIRST_PAUSE);
    loop {
        let result = call().await;
        let in_time = Instant::now() + pause < end;
        if !(result.as_ref().is_err_and(was_not_answered) && in_time) {
            return result;
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Whether the service is away, and somebody on the way to it says so, or the connection broke.
fn was_not_answered(status: &Status) -> bool {
    let is_away = matches!(status.code(), Code::Unavailable | Code::Cancelled);
    (is_away || is_broken(status)) && reason(status).is_none()
}

/// Whether nobody has sent `status`: it stands for an error of the connection. A server that stops drops
/// calls that come too late for it; depending on how far they had come this looks like an error of the
/// protocol.
fn is_broken(status: &Status) -> bool {
    status.source().is_some()
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
        Code::Internal | Code::Unknown if !is_broken(&status) => (Code::Internal, INTERNAL),
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
