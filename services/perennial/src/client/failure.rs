//! How a command ends, and what it says when it does not end well.

use std::{collections::BTreeMap, fmt::Write as _, process::ExitCode};

use platform::status;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::message::Mistake;
use crate::{
    output::Unwritten,
    text::table::{Look, look},
};

/// What `--help` says of exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    refused: the rules say no, the audit has found something off, or reconcile something to do;
       or a server or a backup failed: the message says why
  2    usage: a flag, a file or a field of the request is wrong
  3    unavailable: the service cannot be reached or is busy; try again
  4    done in part: the answer says what was refused of it
  5    not audited: a database is not there, or is of an older schema
  6    reconciled, but for what somebody has to see to: the table says what
  74   the answer could not be written (141: nobody read it any more)";

/// How a command ended that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All of it.
    Whole,
    /// A part of it: the answer says what was refused of the rest.
    Part,
    /// Nothing of it: the answer is a refusal.
    Refused,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A service said no, or could not be reached.
    #[error("{0}")]
    Call(Box<Status>),
    /// The command cannot be meant as it was typed.
    #[error("{0}")]
    Usage(String),
    /// A file has mistakes.
    #[error("{0} has mistakes")]
    File(String, Vec<Mistake>),
    /// The answer could not be written.
    #[error("{0}")]
    Unwritten(#[from] Unwritten),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl Done {
    /// Refused if `refused`, or else all of it.
    pub fn unless(refused: bool) -> Self {
        if refused { Self::Refused } else { Self::Whole }
    }

    /// What became of a batch, of each of whose rows `refused` tells whether it was refused.
    pub fn all(refused: impl IntoIterator<Item = bool>) -> Self {
        let (mut some_refused, mut some_done) = (false, false);
        for refused in refused {
            some_refused |= refused;
            some_done |= !refused;
        }
        match (some_refused, some_done) {
            (false, _) => Self::Whole,
            (true, true) => Self::Part,
            (true, false) => Self::Refused,
        }
    }

    /// The exit code: see [`EXIT_CODES`].
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Refused => 1,
            Self::Part => 4,
        }
    }
}

impl Failure {
    /// The exit code: see [`EXIT_CODES`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::File(..) => 2,
            Self::Unwritten(error) => error.exit_code(),
            Self::Call(status) => match status.code() {
                Code::InvalidArgument => 2,
                Code::NotFound
                | Code::FailedPrecondition
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::OutOfRange => 1,
                // Reading it anew would help, and repeating it would not.
                Code::Aborted if status::reason(status).as_deref() == Some("ETAG_STALE") => 1,
                _ => 3,
            },
        }
    }

    /// Whether the call may have been done all the same, so that only a repeat under the same
    /// request id is safe (O-3).
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Call(_)) && self.exit_code() == 3
    }

    /// Whether nobody needs to be told.
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::Unwritten(error) if error.is_quiet())
    }

    /// What went wrong, for people: reason, sentence, every bad field, every further reason, the
    /// values that help to act, and the request id `repeat` under which to repeat it.
    pub fn text(&self, repeat: Option<&str>) -> String {
        let mut text = self.sentences();
        if let Some(id) = repeat {
            let _ = writeln!(text, "It may have been done. To repeat it safely: --request-id {id}");
        }
        text
    }

    fn sentences(&self) -> String {
        match self {
            Self::Unwritten(error) if error.is_quiet() => String::new(),
            Self::Unwritten(error) => format!("{} {error}\n", look("error:", Look::Bad)),
            Self::Usage(what) => format!("{} {what}\n", look("error:", Look::Bad)),
            Self::File(name, mistakes) => {
                let mut text = format!("{} {name} has mistakes\n", look("error:", Look::Bad));
                for mistake in mistakes {
                    let _ = writeln!(text, "  {mistake}");
                }
                text
            }
            Self::Call(status) => call_text(status),
        }
    }

    /// What went wrong, for programs, and the request id `repeat` under which to repeat it.
    pub fn json(&self, repeat: Option<&str>) -> serde_json::Value {
        let mut told = self.values();
        if let Some(id) = repeat {
            told["error"]["requestId"] = id.into();
        }
        told
    }

    fn values(&self) -> serde_json::Value {
        match self {
            Self::Unwritten(error) => {
                json!({ "error": { "reason": "UNWRITTEN", "message": error.to_string() } })
            }
            Self::Usage(what) => json!({ "error": { "reason": "USAGE", "message": what } }),
            Self::File(name, mistakes) => {
                let fields = mistakes.iter().map(|m| json!({ "line": m.line, "what": m.what }));
                let message = format!("{name} has mistakes");
                json!({ "error": {
                    "reason": "USAGE", "message": message, "fields": fields.collect::<Vec<_>>(),
                } })
            }
            Self::Call(status) => call_json(status),
        }
    }
}

impl From<Done> for ExitCode {
    fn from(done: Done) -> Self {
        done.exit_code().into()
    }
}

fn call_text(status: &Status) -> String {
    let reason = status::reason(status).unwrap_or_else(|| format!("{:?}", status.code()));
    let mut text = format!("{} {}\n", look(&format!("{reason}:"), Look::Bad), status.message());
    if status.code() == Code::Unavailable && status::reason(status).is_none() {
        text += "  nothing answers there: is the suite running (perennial serve), and is --address right?\n";
    }
    for (field, what) in status::bad_fields(status) {
        let _ = writeln!(text, "  {field} {what}");
    }
    for violation in status::violations(status) {
        let status::Violation { reason, subject, description } = violation;
        let _ = writeln!(text, "  {subject}: {}: {description}", look(&reason, Look::Bad));
    }
    for (name, value) in metadata(status) {
        let _ = writeln!(text, "  {} {value}", look(&format!("{name}:"), Look::Quiet));
    }
    text
}

fn call_json(status: &Status) -> serde_json::Value {
    let fields = status::bad_fields(status);
    let fields = fields.iter().map(|(field, what)| json!({ "field": field, "what": what }));
    let violations = status::violations(status);
    let refusals = violations.iter().map(|violation| {
        json!({
            "reason": violation.reason,
            "subject": violation.subject,
            "message": violation.description,
        })
    });
    json!({ "error": {
        "code": format!("{:?}", status.code()),
        "reason": status::reason(status),
        "message": status.message(),
        "fields": fields.collect::<Vec<_>>(),
        "refusals": refusals.collect::<Vec<_>>(),
        "metadata": metadata(status),
    } })
}

/// The error's values by name, in the order of their names.
fn metadata(status: &Status) -> BTreeMap<String, String> {
    let info = status.get_details_error_info();
    info.into_iter().flat_map(|info| info.metadata).collect()
}

#[cfg(test)]
mod tests;
