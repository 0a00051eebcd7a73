//! What came of telling a console several states at once.

use chrono::{DateTime, Utc};
use kernel::ids::ProductId;
use platform::{
    database::retry,
    fault::{self, Fault},
};
use tonic::{Code, Status};

use super::Deliveries;
use crate::{
    app::failure::OrderError,
    domain::delivery::{LATE, backoff, failures, pause},
    store::{
        StoreError,
        deliveries::{
            Due,
            consoles::Silence,
            outcome::{self, Failed, Told},
        },
        events::{self, Event, kinds},
        values,
    },
};

/// The longest answer that is kept, in characters.
const MAX_WORDS: usize = 200;

/// Why something was not acknowledged.
#[derive(Debug)]
pub enum Answer {
    /// The console will never do it: the version that it was told, and why.
    Refused(i64, String),
    /// It did not work; `heard`: the console has answered.
    Failed { why: String, heard: bool },
}

/// A state that is to be told again.
#[derive(Debug)]
pub struct Failure {
    /// What was due.
    pub due: Due,
    /// Why it did not work.
    pub why: String,
    /// Whether the console has answered.
    pub heard: bool,
}

/// What came of telling a console several states at once.
#[derive(Debug, Default)]
pub struct Round {
    /// Acknowledged, each with the version that was told.
    pub acknowledged: Vec<Told>,
    /// Refused for good, each with the version that was told, and why.
    pub refused: Vec<(Due, i64, String)>,
    /// To be told again.
    pub failed: Vec<Failure>,
}

impl Round {
    /// Sorts answers: the version that was acknowledged, or why none was.
    pub fn of(answers: Vec<(Due, Result<i64, Answer>)>) -> Self {
        let mut round = Self::default();
        for (due, answer) in answers {
            match answer {
                Ok(version) => {
                    let Due { account, id, .. } = due;
                    round.acknowledged.push(Told { account_id: account, id, version });
                }
                Err(Answer::Refused(version, why)) => round.refused.push((due, version, why)),
                Err(Answer::Failed { why, heard }) => {
                    round.failed.push(Failure { due, why, heard });
                }
            }
        }
        round
    }

    /// How many calls the console has not answered at all.
    pub fn unheard(&self) -> u32 {
        let unheard = self.failed.iter().filter(|failure| !failure.heard).count();
        u32::try_from(unheard).unwrap_or(u32::MAX)
    }
}

/// What a console means by `status`, which it was told the state of this version.
pub fn answered(version: i64, status: &Status) -> Answer {
    let words = status.message().chars().filter(|letter| !letter.is_control());
    let words: String = words.take(MAX_WORDS).collect();
    if status.code() == Code::FailedPrecondition {
        return Answer::Refused(version, words);
    }
    // All others say that the console is there, but cannot do this.
    let heard = !matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::ResourceExhausted
    );
    Answer::Failed { why: format!("{:?}: {words}", status.code()), heard }
}

/// Nobody can be told: there is no instance, or nobody knows where its console is.
pub fn nobody(why: &str) -> Answer {
    Answer::Failed { why: why.to_owned(), heard: true }
}

/// The console of `product` has not answered `calls` calls, and none before them if it was silent
/// `before`. Alerts once it is silent for too long.
pub fn silence(
    product: &ProductId,
    before: Option<&Silence>,
    calls: u32,
    now: DateTime<Utc>,
) -> Silence {
    let failed = before.map_or(0, |before| before.failures);
    let failed = failures(failed, i32::try_from(calls).unwrap_or(i32::MAX));
    let since = before.map_or(now, |before| before.since);
    let alerted = before.is_some_and(|before| before.alerted);
    let late = now - since >= LATE;
    if late && !alerted {
        tracing::error!(product.id = %product, %since, "a console does not answer");
    }
    let retry_at = pause(failed).map(|pause| now + pause);
    Silence { failures: failed, since, retry_at, alerted: alerted || late }
}

impl Deliveries {
    /// Whatever waited for what was acknowledged waits no more.
    pub(super) async fn acknowledge(&self, told: &[Told]) -> Result<(), OrderError> {
        fault::point(Fault::AfterDelivery);
        retry(|| self.try_acknowledge(told)).await?;
        fault::point(Fault::AfterDelivered);
        Ok(())
    }

    async fn try_acknowledge(&self, told: &[Told]) -> Result<(), StoreError> {
        let now = self.orders.env.now();
        let transaction = self.orders.store.begin().await?;
        let completed = outcome::acknowledge(&transaction, told, now).await?;
        let events = completed.into_iter();
        let events =
            events.map(|(account, id)| Event::new(kinds::ORDER_COMPLETED, account).of_order(id));
        events::record(&transaction, &self.orders.env, now, events.collect()).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Has what failed told again after a while, and alerts of what waits for too long.
    pub(super) async fn fail(&self, failed: &[Failure]) -> Result<(), StoreError> {
        let now = self.orders.env.now();
        let late = |due: &Due| now - due.since >= LATE;
        let row = |Failure { due, why, .. }: &Failure| Failed {
            account_id: due.account.clone(),
            id: due.id.clone(),
            version: due.version,
            attempts: due.attempts,
            next_attempt_at: values::micros(now + backoff(due.attempts)),
            alerted: due.alerted || late(due),
            error: why.clone(),
        };
        let alerts = failed.iter().filter(|failure| late(&failure.due) && !failure.due.alerted);
        let alerts: Vec<_> = alerts.collect();
        let transaction = self.orders.store.begin().await?;
        outcome::fail(&transaction, &failed.iter().map(row).collect::<Vec<_>>()).await?;
        let events = alerts.iter().map(|Failure { due, why, .. }| {
            Event::new(kinds::INSTANCE_DELIVERY_LATE, due.account.clone())
                .of_instance(due.id.clone(), due.version)
                .with("since", due.since.to_rfc3339())
                .with("error", why)
        });
        events::record(&transaction, &self.orders.env, now, events.collect()).await?;
        transaction.commit().await?;
        for Failure { due: Due { account, id, since, .. }, why, .. } in alerts {
            tracing::error!(
                account.id = %account, instance.id = %id, %since, error = why,
                "a console does not know what an instance is entitled to"
            );
        }
        Ok(())
    }
}
