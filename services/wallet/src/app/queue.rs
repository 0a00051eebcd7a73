//! Single payments taken together: one transaction for all that came while the one before it ran.
//!
//! It is the same code path as for many payments in one call, and the statements and the commit
//! are shared by those that wait.

use std::{collections::BTreeSet, mem, sync::Arc};

use platform::status::Replayed;
use tokio::sync::{mpsc, oneshot};

use super::{WalletError, charge::Till};
use crate::domain::{Charge, Payment};

/// How many may wait for their turn; more wait for a place.
const MOST_WAITING: usize = 1_024;

/// How many are taken together at the most.
const MOST_TOGETHER: usize = 128;

type Answer = Result<Replayed<Payment>, WalletError>;

/// A payment that waits for its turn, and who waits for its outcome.
#[derive(Debug)]
struct Waiting {
    charge: Charge,
    answer: oneshot::Sender<Answer>,
}

/// The way to the task that takes single payments. Clones lead to the same task.
#[derive(Debug, Clone)]
pub struct Queue(mpsc::Sender<Waiting>);

impl Queue {
    /// Starts the task; it ends with the last clone.
    pub fn start(till: Till) -> Self {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        tokio::spawn(run(till, receiver));
        Self(sender)
    }

    /// Takes a payment when its turn comes. It is taken even if the caller no longer waits.
    pub async fn charge(&self, charge: Charge) -> Answer {
        let (answer, outcome) = oneshot::channel();
        let waiting = Waiting { charge, answer };
        self.0.send(waiting).await.map_err(|_| WalletError::NoOutcome)?;
        outcome.await.unwrap_or(Err(WalletError::NoOutcome))
    }
}

async fn run(till: Till, mut incoming: mpsc::Receiver<Waiting>) {
    let mut come = Vec::new();
    while incoming.recv_many(&mut come, MOST_TOGETHER).await > 0 {
        for round in rounds(mem::take(&mut come)) {
            // In a task of its own, so that a bug fails one round and not all payments after it.
            let taken = tokio::spawn(take(till.clone(), round)).await;
            if let Err(error) = taken {
                tracing::error!(%error, "taking payments failed");
            }
        }
    }
}

/// Parts what has come so that no payment id stands twice in one round.
fn rounds(come: Vec<Waiting>) -> Vec<Vec<Waiting>> {
    let mut rounds: Vec<(BTreeSet<_>, Vec<Waiting>)> = Vec::new();
    for waiting in come {
        let id = waiting.charge.payment;
        let free = rounds.iter().position(|(ids, _)| !ids.contains(&id));
        let place = free.unwrap_or_else(|| {
            rounds.push(<_>::default());
            rounds.len() - 1
        });
        let (ids, round) = &mut rounds[place];
        ids.insert(id);
        round.push(waiting);
    }
    rounds.into_iter().map(|(_, round)| round).collect()
}

/// Takes the payments of a round together; one that is at fault fails alone.
async fn take(till: Till, round: Vec<Waiting>) {
    let (charges, answers): (Vec<_>, Vec<_>) =
        round.into_iter().map(|waiting| (waiting.charge, waiting.answer)).unzip();
    match till.charge(&charges).await {
        Ok(payments) => {
            for (answer, payment) in answers.into_iter().zip(payments) {
                // Nobody may be waiting any more, and that is fine: the outcome is stored.
                answer.send(Ok(payment)).ok();
            }
        }
        Err(WalletError::Reused(_) | WalletError::ClockSkew) if charges.len() > 1 => {
            for (charge, answer) in charges.into_iter().zip(answers) {
                let payment = till.charge(&[charge]).await;
                let payment = payment.and_then(|mut one| one.pop().ok_or(WalletError::NoOutcome));
                answer.send(payment).ok();
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for answer in answers {
                answer.send(Err(WalletError::Together(Arc::clone(&error)))).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests;
