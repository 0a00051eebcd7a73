//! What the process says: answers on standard output, everything else on standard error. Either may
//! be closed at any time, by `head` for example, and that is no reason to panic.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// The exit code where an answer could not be written.
pub const UNWRITTEN: u8 = 74;

/// The exit code where nobody reads the answer any more: what a shell tells of a process that
/// `SIGPIPE` has ended.
pub const READER_GONE: u8 = 141;

/// An answer could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write to standard output")]
pub struct Unwritten(#[from] io::Error);

impl Unwritten {
    /// How the process ends: as other tools do where the reader has gone.
    pub fn exit_code(&self) -> u8 {
        if self.is_quiet() { READER_GONE } else { UNWRITTEN }
    }

    /// Whether nobody needs to be told: who has closed standard output knows.
    pub fn is_quiet(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Writes `text` to standard output, in colour on a terminal.
pub fn print(text: impl Display) -> Result<(), Unwritten> {
    let mut out = anstream::stdout();
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Writes `text` to standard error, in colour on a terminal, if anybody reads it.
pub fn complain(text: impl Display) {
    // There is nobody left to be told that nobody reads.
    let _ = write!(anstream::stderr(), "{text}");
}
