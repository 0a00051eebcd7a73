//! Looking on while a run goes on.

use std::{sync::Arc, time::Duration};

use futures::Stream;
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep, timeout},
};

use super::{Scheduler, SchedulerError};
use crate::domain::{Run, RunId};

/// How soon after one step the next is told, unless it is the last.
const PAUSE: Duration = Duration::from_millis(200);

/// How often to look at a run that another scheduler carries out.
const LOOK: Duration = Duration::from_secs(1);

/// Where somebody who looks on is.
struct Watcher {
    scheduler: Arc<Scheduler>,
    id: RunId,
    moved: Receiver<()>,
    told: Option<(Run, Instant)>,
}

impl Scheduler {
    /// The run `id` as it is now, and again when it has got further, until it has ended. Nothing is
    /// kept for those who read slowly: they are told the next step that they have time for.
    pub async fn watch(
        self: &Arc<Self>,
        id: RunId,
    ) -> Result<impl Stream<Item = Result<Run, SchedulerError>> + use<>, SchedulerError> {
        // Whoever looks on from the first step must not miss the second.
        let moved = self.moved.subscribe();
        let run = self.run(&id).await?;
        let watcher = Watcher { scheduler: Arc::clone(self), id, moved, told: None };
        let first = (Some(run), watcher);
        Ok(futures::stream::try_unfold(first, |(first, mut watcher)| async move {
            let run = match first {
                Some(run) => Some(run),
                None => watcher.next().await?,
            };
            let Some(run) = run else { return Ok(None) };
            watcher.told = Some((run.clone(), Instant::now()));
            Ok(Some((run, (None, watcher))))
        }))
    }
}

impl Watcher {
    /// The run when it has got further than what was told of it; none where it had ended.
    async fn next(&mut self) -> Result<Option<Run>, SchedulerError> {
        let Some((told, when)) = &self.told else { return Ok(None) };
        if told.state().has_ended() {
            return Ok(None);
        }
        loop {
            if timeout(LOOK, self.moved.changed()).await.is_ok_and(|moved| moved.is_err()) {
                return Ok(None);
            }
            let run = self.scheduler.run(&self.id).await?;
            if run == *told {
                continue;
            }
            if !run.state().has_ended() && when.elapsed() < PAUSE {
                sleep(PAUSE.saturating_sub(when.elapsed())).await;
                return Ok(Some(self.scheduler.run(&self.id).await?));
            }
            return Ok(Some(run));
        }
    }
}
