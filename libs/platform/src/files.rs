//! Files that are read again when they change: certificates, keys and tokens, which others renew.

use std::{
    fmt, fs,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use anyhow::Context as _;

/// How often it is looked whether a file has changed.
const INTERVAL: Duration = Duration::from_secs(5);

/// What is made of some files together. Cloning is cheap, and clones see the same.
pub struct Watched<T>(Arc<Inner<T>>);

/// Makes something of what files hold.
type Make<T> = dyn Fn(&[Vec<u8>]) -> anyhow::Result<T> + Send + Sync;

struct Inner<T> {
    paths: Vec<PathBuf>,
    make: Box<Make<T>>,
    current: RwLock<Current<T>>,
}

struct Current<T> {
    /// What the files held, whether or not anything could be made of it.
    seen: Vec<Vec<u8>>,
    value: Arc<T>,
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in such files is secret.
        f.debug_tuple("Watched").field(&self.0.paths).finish()
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the files at `paths` and has `make` make something of what they hold, in their order; every
    /// five seconds again, until the last clone is gone, where one of them holds something else by
    /// then. What cannot be read or used any more is logged, and the last good value stays.
    pub fn start(
        paths: Vec<PathBuf>,
        make: impl Fn(&[Vec<u8>]) -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let seen = read(&paths)?;
        let value = Arc::new(make(&seen).with_context(|| format!("in {}", names(&paths)))?);
        let current = RwLock::new(Current { seen, value });
        let inner = Arc::new(Inner { paths, make: Box::new(make), current });
        if !inner.paths.is_empty() {
            tokio::spawn(watch(Arc::downgrade(&inner)));
        }
        Ok(Self(inner))
    }

    /// What the files hold.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current.value)
    }

    /// Reads the files now.
    #[cfg(test)]
    pub(crate) fn look(&self) {
        self.0.look();
    }
}

impl<T> Inner<T> {
    fn look(&self) {
        let files = names(&self.paths);
        let held = match read(&self.paths) {
            Ok(held) => held,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(files, error, "what was read before stays in use");
                return;
            }
        };
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if current.seen == held {
            return;
        }
        drop(current);
        let made = (self.make)(&held);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.seen = held;
        match made {
            Ok(value) => {
                current.value = Arc::new(value);
                tracing::info!(files, "what has changed is in use");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(files, error, "what has changed cannot be used");
            }
        }
    }
}

async fn watch<T: Send + Sync + 'static>(inner: Weak<Inner<T>>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        // Small files, and seldom: not worth a thread.
        inner.look();
    }
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    let read = |path: &PathBuf| {
        fs::read(path).with_context(|| format!("could not read {}", path.display()))
    };
    paths.iter().map(read).collect()
}

fn names(paths: &[PathBuf]) -> String {
    let names = paths.iter().map(|path| path.display().to_string());
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
