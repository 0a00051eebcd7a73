//! Taking payments.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{
    Env,
    ids::{AccountId, PaymentId},
};
use platform::{
    database::retry,
    fault::{Fault, point},
    status::Replayed,
    together::Work,
};
use rule_engine::voucher::VoucherChoice;

use super::WalletError;
use crate::{
    domain::{Channels, Charge, Outcome, Payment, PaymentRefusal, Purse, skewed},
    store::{Known, Store, Unit, VouchersWanted},
};

/// Takes payments, and calls them off.
#[derive(Debug, Clone)]
pub struct Till {
    pub(super) store: Store,
    pub(super) env: Env,
    pub(super) channels: Arc<Channels>,
}

impl Till {
    pub fn new(store: Store, env: Env, channels: Arc<Channels>) -> Self {
        Self { store, env, channels }
    }

    /// Takes payments in their order, each the whole of it or nothing (A-3, A-5, V-3), all in one
    /// transaction. The outcomes stand in the order of the charges; one that is stored already is
    /// answered as it was stored (O-3).
    pub async fn charge(&self, charges: &[Charge]) -> Result<Vec<Replayed<Payment>>, WalletError> {
        let now = self.env.now();
        // Nearly all payments are new, so the first attempt does not ask which of them are known:
        // if the database says that one is, nothing is committed and the next attempt asks. It
        // asks at once where the caller's instant is old, because then only known ones are answered.
        let ask = AtomicBool::new(charges.iter().any(|charge| skewed(charge.bill.as_of, now)));
        retry(|| async {
            let result = self.try_charge(charges, now, ask.load(Relaxed)).await;
            if matches!(result, Err(WalletError::LostRace)) {
                ask.store(true, Relaxed);
            }
            result
        })
        .await
    }

    async fn try_charge(
        &self,
        charges: &[Charge],
        now: DateTime<Utc>,
        ask: bool,
    ) -> Result<Vec<Replayed<Payment>>, WalletError> {
        let unit = self.store.begin().await?;
        let accounts = charges.iter().map(|charge| charge.account.clone()).collect();
        let mut purses = unit.lock(&accounts, &vouchers_wanted(charges), now).await?;
        let known = if ask { known(&unit, charges, now).await? } else { HashMap::new() };

        let outcomes = decide(charges, &known, &mut purses);
        let new: Vec<_> = charges.iter().zip(&outcomes).filter(|(_, it)| is_new(it)).collect();
        let new: Vec<_> =
            new.into_iter().map(|(charge, it)| (charge, it.clone().into_inner().outcome)).collect();
        if !unit.add_payments(&new, now).await? {
            return Err(WalletError::LostRace);
        }
        unit.save(purses.values()).await?;
        unit.commit_for(&outcomes.iter().map(is_new).collect::<Vec<_>>()).await?;
        point(Fault::AfterCharge);
        Ok(outcomes)
    }
}

/// Single payments share a transaction with those that are asked for at the same time: the same
/// code path as for many payments in one call.
#[async_trait]
impl Work for Till {
    type Ask = Charge;
    type Answer = Replayed<Payment>;
    type Error = WalletError;
    type Key = PaymentId;

    const NAME: &'static str = "charges";

    fn keys(charge: &Charge) -> Vec<PaymentId> {
        vec![charge.payment]
    }

    async fn together(&self, charges: &[Charge]) -> Result<Vec<Replayed<Payment>>, WalletError> {
        self.charge(charges).await
    }
}

fn is_new(outcome: &Replayed<Payment>) -> bool {
    matches!(outcome, Replayed::First(_))
}

/// The vouchers that could pay any of `charges`.
pub(super) fn vouchers_wanted(charges: &[Charge]) -> VouchersWanted {
    let mut wanted = VouchersWanted::default();
    let paying = charges.iter().filter(|charge| charge.choice.allows_vouchers());
    wanted.since = paying.clone().map(|charge| charge.bill.as_of).min().unwrap_or_default();
    for charge in paying {
        if let VoucherChoice::Named { ids, .. } = &charge.choice {
            wanted.named.extend(ids.iter().map(|&id| (charge.account.clone(), id)));
        } else {
            wanted.accounts.insert(charge.account.clone());
        }
    }
    wanted
}

/// The payments among `charges` that are stored. Fails if one of them was asked for with other
/// content (O-3), or if one that is not stored is asked for at an instant too far from `now`.
pub(super) async fn known(
    unit: &Unit,
    charges: &[Charge],
    now: DateTime<Utc>,
) -> Result<HashMap<PaymentId, Payment>, WalletError> {
    let ids: BTreeSet<_> = charges.iter().map(|charge| charge.payment).collect();
    let stored = unit.payments(&ids.into_iter().collect::<Vec<_>>()).await?;
    for charge in charges {
        match stored.get(&charge.payment) {
            None if skewed(charge.bill.as_of, now) => return Err(WalletError::ClockSkew),
            // The order was made anew: it asks for what it costs now, and goes on with another payment.
            Some(Known { payment, .. })
                if payment.withdrawn && payment.account == charge.account => {}
            Some(Known { digest: Some(digest), .. }) if !charge.digest.matches(digest) => {
                return Err(WalletError::Reused(format!("payment id {}", charge.payment)));
            }
            Some(Known { payment, digest: None }) if payment.account != charge.account => {
                return Err(WalletError::Reused(format!("payment id {}", charge.payment)));
            }
            _ => {}
        }
    }
    Ok(stored.into_iter().map(|(id, known)| (id, known.payment)).collect())
}

/// The outcome of each charge, in order, taken from `purses`.
fn decide(
    charges: &[Charge],
    known: &HashMap<PaymentId, Payment>,
    purses: &mut BTreeMap<AccountId, Purse>,
) -> Vec<Replayed<Payment>> {
    let outcome = |charge: &Charge| {
        if let Some(payment) = known.get(&charge.payment) {
            return Replayed::Again(payment.clone());
        }
        let outcome = match purses.get_mut(&charge.account) {
            Some(purse) => purse.charge(charge),
            None => Outcome::Refused(PaymentRefusal::wallet_not_found(&charge.account)),
        };
        Replayed::First(Payment::without_channel(charge, outcome))
    };
    charges.iter().map(outcome).collect()
}

#[cfg(test)]
mod tests;
