//! One clock for several processes: a file that says what time it is.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use kernel::{Env, env::Clock};

/// The variable that names the file of the clock.
pub const VARIABLE: &str = "PERENNIAL_TEST_CLOCK";

/// A clock that says what stands in a file.
#[derive(Debug)]
pub struct FileClock(PathBuf);

impl FileClock {
    /// The clock in the file at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Sets the clock in the file at `path` for all who look at it.
    pub fn set(path: &Path, now: DateTime<Utc>) {
        let next = path.with_extension("next");
        fs::write(&next, now.timestamp_micros().to_string()).expect("the folder can be written");
        fs::rename(next, path).expect("the folder can be written");
    }
}

impl Clock for FileClock {
    fn now(&self) -> DateTime<Utc> {
        let text = fs::read_to_string(&self.0).expect("the test keeps the file");
        let micros = text.parse().expect("the test writes microseconds");
        DateTime::from_timestamp_micros(micros).expect("the test writes real instants")
    }
}

/// The world of this process: the clock in the file that [`VARIABLE`] names, else the real one.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "only tests set it, for the binary under test")]
pub fn of_this_process() -> Env {
    match std::env::var(VARIABLE) {
        Ok(path) => Env::with_clock(Arc::new(FileClock::new(path.into()))),
        Err(_) => Env::system(),
    }
}
