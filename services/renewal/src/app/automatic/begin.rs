//! The first transaction of a page: claims and orders of what is to be charged, and what is decided
//! without money.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use kernel::ids::OrderId;
use platform::database::retry;

use super::{
    super::{Orders, failure::OrderError, rules::Catalogue},
    Swept,
    caps::Parking,
    decide::{Decided, Sorted, Unit},
    rows::{
        Deciding, SUPERSEDED, Starting, deciding, note_of, starting, superseded, told_of,
        told_of_parking,
    },
};
use crate::{
    domain::{attempt::Outcome, order::payment_id},
    store::{
        StoreError,
        automatic::{
            self, Note, Versions,
            begin::{self, Known},
        },
        bulk::{self, Claim, InstanceVersion},
        events::{self, Event},
        orders::{self, Order},
    },
};

/// How often a page is begun anew because attempts of it turn out to be known.
const ROUNDS: usize = 3;

/// An attempt whose order is `PAYING`.
#[derive(Debug)]
pub struct Begun {
    /// What is renewed.
    pub unit: Unit,
    /// The order.
    pub order: Order,
    /// By which rules.
    pub catalogue: Arc<Catalogue>,
}

/// What is about to be written.
struct Batch {
    starting: Vec<Starting>,
    deciding: Vec<Deciding>,
    notes: Vec<Note>,
    parked: Vec<Parking>,
}

/// What was written.
struct Written {
    /// The orders whose attempts have begun.
    begun: HashSet<OrderId>,
    /// The places of the decisions that stand.
    decided: Vec<usize>,
}

impl Orders {
    /// Begins what was sorted out, in the order in which money is to be taken. What somebody else has
    /// changed meanwhile is not begun: it is looked at again.
    pub(super) async fn begin_page(
        &self,
        sorted: Sorted,
        swept: &mut Swept,
        now: DateTime<Utc>,
    ) -> Result<Vec<Begun>, OrderError> {
        let catalogue = sorted.catalogue;
        let mut batch = Batch {
            starting: sorted.priced.into_iter().map(|one| starting(one, &catalogue, now)).collect(),
            deciding: sorted
                .decided
                .into_iter()
                .map(|one| deciding(one, &catalogue, now))
                .collect(),
            notes: sorted.notes,
            parked: sorted.parked,
        };
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        for _ in 0..ROUNDS {
            let written = retry(|| self.write(&batch, now)).await?;
            if let Some(written) = written {
                for place in &written.decided {
                    let Decided { outcome, why, unit } = &batch.deciding[*place].decided;
                    self.note(swept, *outcome, why.reason.code());
                    if *outcome == Outcome::Missed {
                        let attempt = &unit.identity;
                        tracing::error!(%attempt, "an automatic renewal was missed");
                    }
                }
                for Parking { account, until, why, first } in &batch.parked {
                    tracing::error!(
                        account.id = %account, %until, why, instance.id = %first.0,
                        expiry = %first.1,
                        "an account is parked: nothing of it is renewed by itself any more today"
                    );
                }
                let begun = batch.starting.into_iter();
                let begun = begun.filter(|one| written.begun.contains(&one.order.id));
                return Ok(begun
                    .map(|Starting { tried, order, .. }| {
                        let catalogue = Arc::clone(&catalogue);
                        Begun { unit: tried.unit, order, catalogue }
                    })
                    .collect());
            }
            let ids = batch.orders().map(|order| order.id).collect::<Vec<_>>();
            let known = begin::known(self.store.reader(), &ids).await?;
            batch.learn(&known, &catalogue, now);
        }
        Err(OrderError::Busy)
    }

    /// One transaction. None if an attempt has a row already, which its instances did not tell.
    async fn write(
        &self,
        batch: &Batch,
        now: DateTime<Utc>,
    ) -> Result<Option<Written>, StoreError> {
        let transaction = self.store.begin().await?;
        let mut told = Vec::new();
        let (ready, freed) = batch.make_room(&transaction, now, &mut told).await?;
        let claims = ready.iter().flat_map(|one| claims_of(one, &freed)).collect::<Vec<_>>();
        let claims: Vec<_> = claims
            .iter()
            .map(|(order, instance)| Claim {
                account_id: &order.account,
                order_id: order.id,
                instance,
            })
            .collect();
        let mut begun = HashSet::new();
        if !claims.is_empty() {
            begun = bulk::claim(&transaction, &claims).await?;
        }
        let decisions = batch.deciding.iter().map(|one| one.note.clone());
        let notes: Vec<_> = decisions.chain(batch.notes.iter().cloned()).collect();
        let versions = automatic::note(&transaction, &notes).await?;
        let parked = batch.parked.iter().map(|one| (&one.account, one.until, one.why.as_str()));
        automatic::caps::park(&transaction, &parked.collect::<Vec<_>>()).await?;
        told.extend(batch.parked.iter().map(told_of_parking));
        let stands = |one: &Deciding| {
            let key = (one.note.account_id.to_string(), one.note.id.to_string());
            versions.get(&key).copied()
        };
        let claimed = ready.iter().filter(|one| begun.contains(&one.order.id));
        let mut rows: Vec<&Order> = claimed.map(|one| &one.order).collect();
        let mut decided = Vec::new();
        for (place, one) in batch.deciding.iter().enumerate() {
            let Some(version) = stands(one) else { continue };
            if let Some(order) = &one.order {
                rows.push(order);
                told.push(told_of(&one.decided, order, version));
                decided.push(place);
            }
        }
        if !orders::insert::attempted(&transaction, &rows).await? {
            return Ok(None);
        }
        events::record(&transaction, &self.env, now, told).await?;
        transaction.commit().await?;
        Ok(Some(Written { begun, decided }))
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        let Self { starting, deciding, notes, parked } = self;
        starting.is_empty() && deciding.is_empty() && notes.is_empty() && parked.is_empty()
    }

    fn orders(&self) -> impl Iterator<Item = &Order> {
        let starting = self.starting.iter().map(|one| &one.order);
        starting.chain(self.deciding.iter().filter_map(|one| one.order.as_ref()))
    }

    /// Calls unpaid orders off that are in the way, and answers which attempts have room, with
    /// the versions that instances have since.
    async fn make_room(
        &self,
        transaction: &sea_orm::DatabaseTransaction,
        now: DateTime<Utc>,
        told: &mut Vec<Event>,
    ) -> Result<(Vec<&Starting>, Versions), StoreError> {
        let ids = self.starting.iter().flat_map(|one| one.tried.superseded.iter().copied());
        let mut ids: Vec<_> = ids.collect();
        if ids.is_empty() {
            return Ok((self.starting.iter().collect(), Versions::new()));
        }
        ids.sort_unstable();
        ids.dedup();
        let why = superseded();
        let (cancelled, freed) = begin::supersede(transaction, &ids, &why, now).await?;
        let mut met = BTreeSet::new();
        for one in &self.starting {
            for id in one.tried.superseded.iter().filter(|id| cancelled.contains(id)) {
                if met.insert(*id) {
                    let event = Event::new("order.cancelled", one.order.account.clone());
                    told.push(event.of_order(*id).with("reason", SUPERSEDED));
                }
            }
        }
        let has_room =
            |one: &&Starting| one.tried.superseded.iter().all(|id| cancelled.contains(id));
        Ok((self.starting.iter().filter(has_room).collect(), freed))
    }

    /// Takes account of attempts that have rows: what was decided is only noted, what is being paid is
    /// left alone, and what was called off undecided begins anew with another payment.
    fn learn(
        &mut self,
        known: &HashMap<OrderId, Known>,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) {
        for one in std::mem::take(&mut self.starting) {
            let Starting { tried, mut order, claims } = one;
            match known.get(&order.id) {
                Some(Known { outcome: Some(Outcome::Void), version, pay_number }) => {
                    order.version = version + 1;
                    order.pay_number = pay_number + 1;
                    order.payment_id = Some(payment_id(order.id, order.pay_number));
                    self.starting.push(Starting { tried, order, claims });
                }
                Some(Known { outcome: Some(_), .. }) => {
                    self.notes.push(note_of(&tried.unit, catalogue, now).0);
                }
                Some(Known { outcome: None, .. }) => {}
                None => self.starting.push(Starting { tried, order, claims }),
            }
        }
        for one in &mut self.deciding {
            let Some(order) = &mut one.order else { continue };
            match known.get(&order.id) {
                Some(Known { outcome: Some(Outcome::Void), version, pay_number }) => {
                    order.version = version + 1;
                    order.pay_number = *pay_number;
                }
                Some(_) => one.order = None,
                None => {}
            }
        }
    }
}

/// The claims of an attempt, at the versions that its instances have since room was made for it.
fn claims_of<'o>(one: &'o Starting, freed: &Versions) -> Vec<(&'o Order, InstanceVersion)> {
    let account = one.order.account.to_string();
    let claims = one.claims.iter().map(|claim| {
        let since = freed.get(&(account.clone(), claim.id.clone()));
        (
            &one.order,
            InstanceVersion { id: claim.id.clone(), version: *since.unwrap_or(&claim.version) },
        )
    });
    claims.collect()
}
