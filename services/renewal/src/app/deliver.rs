//! Telling consoles what their instances are entitled to (step 5, O-5).

pub mod entitlement;
mod round;

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::future::{join_all, try_join_all};
use kernel::ids::ProductId;
use platform::database::retry;
use proto::provisioner::v1::ApplyEntitlementRequest;

use self::round::{Answer, Failure, Round};
use super::{Orders, failure::OrderError, rules::Catalogue};
use crate::store::{
    deliveries::{
        self, TAKEN_FOR,
        consoles::{self, Silence},
    },
    instances::Loaded,
};

/// After how long a sweep takes nothing more: its caller waits for it, and a slow console can be told
/// the rest by the next one.
const LONG: TimeDelta = TimeDelta::seconds(15);

/// How many calls one console gets at once.
const AT_ONCE: u32 = 8;

/// The consoles of products.
#[async_trait]
pub trait Consoles: fmt::Debug + Send + Sync {
    /// Tells the console at `address` a state of an instance.
    async fn apply(
        &self,
        address: &str,
        request: ApplyEntitlementRequest,
    ) -> Result<(), tonic::Status>;
}

/// What a sweep came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// How many instances were taken.
    pub taken: u32,
    /// How many of them were acknowledged, or refused for good.
    pub done: u32,
    /// Whether more may be due.
    pub more: bool,
}

/// Tells consoles.
#[derive(Debug, Clone)]
pub struct Deliveries {
    orders: Orders,
    consoles: Arc<dyn Consoles>,
}

/// Where the console of a product is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Desk {
    /// The catalog does not know the product.
    Unknown,
    /// The product has none, or none any more: the events are the notice.
    Nowhere,
    /// At this address.
    At(String),
}

impl Desk {
    fn of(product: &ProductId, catalogue: &Catalogue) -> Self {
        match catalogue.product(product).map(|product| product.profile.provisioner.clone()) {
            None => Self::Unknown,
            Some(None) => Self::Nowhere,
            Some(Some(address)) => Self::At(address),
        }
    }
}

impl Deliveries {
    /// Tells `consoles` of what `orders` changed.
    #[must_use]
    pub const fn new(orders: Orders, consoles: Arc<dyn Consoles>) -> Self {
        Self { orders, consoles }
    }

    /// Tells the consoles of at most `limit` instances of each product that are due. Consoles are
    /// told side by side, each up to [`AT_ONCE`] at once, and what one of them answers is kept at
    /// once: one that is slow holds up nobody but itself.
    pub async fn deliver(&self, limit: u32) -> Result<Delivered, OrderError> {
        let reader = self.orders.store.reader();
        let products = deliveries::products(reader).await?;
        if products.is_empty() {
            return Ok(Delivered::default());
        }
        let catalogue = self.orders.rules.current().await?;
        let silent = consoles::silent(reader).await?;
        let mut desks: BTreeMap<Desk, Vec<ProductId>> = BTreeMap::new();
        for product in products {
            desks.entry(Desk::of(&product, &catalogue)).or_default().push(product);
        }
        let silent = &silent;
        let desks = desks.iter().map(|(desk, products)| async move {
            let mut all = Vec::with_capacity(products.len());
            for product in products {
                let silence = silent.get(product.as_str()).cloned();
                all.push(self.deliver_product(product, desk, silence, limit).await?);
            }
            Ok::<_, OrderError>(all)
        });
        let mut sum = Delivered::default();
        for delivered in try_join_all(desks).await?.into_iter().flatten() {
            sum.taken += delivered.taken;
            sum.done += delivered.done;
            sum.more |= delivered.more;
        }
        Ok(sum)
    }

    /// Tells the console of one product, [`AT_ONCE`] instances at a time; one that is paused is tried
    /// with one instance once its pause is over, and told the rest if it answers.
    async fn deliver_product(
        &self,
        product: &ProductId,
        desk: &Desk,
        mut silence: Option<Silence>,
        limit: u32,
    ) -> Result<Delivered, OrderError> {
        let writer = self.orders.store.database().writer();
        let mut sum = Delivered::default();
        let started = self.orders.env.now();
        while sum.taken < limit && self.orders.env.now() - started < LONG {
            let now = self.orders.env.now();
            let paused = silence.as_ref().is_some_and(|silence| silence.retry_at.is_some());
            if paused && !consoles::probe(writer, product, now, now + TAKEN_FOR).await? {
                return Ok(sum);
            }
            let most = if paused { 1 } else { AT_ONCE.min(limit - sum.taken) };
            let due = deliveries::take(writer, product, now, most).await?;
            let taken = u32::try_from(due.len()).unwrap_or(u32::MAX);
            let round = self.round(due, desk).await?;
            let unheard = round.unheard();
            sum.taken += taken;
            sum.done += self.keep(round).await?;
            silence = self.listen(product, silence, unheard, taken).await?;
            if taken < most || silence.as_ref().is_some_and(|one| one.retry_at.is_some()) {
                return Ok(sum);
            }
        }
        sum.more = true;
        Ok(sum)
    }

    /// Tells all of `due` at once.
    async fn round(&self, due: Vec<deliveries::Due>, desk: &Desk) -> Result<Round, OrderError> {
        let loaded = entitlement::load(self.orders.store.reader(), &due).await?;
        let told = due.into_iter().map(|due| {
            let one = loaded.get(&(due.account.clone(), due.id.clone()));
            async move {
                let answer = self.tell(one, desk).await;
                (due, answer)
            }
        });
        Ok(Round::of(join_all(told).await))
    }

    /// Tells the state of an instance: the version that was acknowledged.
    async fn tell(&self, one: Option<&Loaded>, desk: &Desk) -> Result<i64, Answer> {
        let one = one.ok_or_else(|| round::nobody("the instance is not there"))?;
        let version = one.version;
        match desk {
            Desk::Unknown => Err(round::nobody("the catalog does not know the product")),
            Desk::Nowhere => Ok(version),
            Desk::At(address) => {
                let answer = self.consoles.apply(address, entitlement::message(one)).await;
                answer.map(|()| version).map_err(|status| round::answered(version, &status))
            }
        }
    }

    /// Notes whether the console has answered: none of `unheard` calls out of `taken`, or some.
    async fn listen(
        &self,
        product: &ProductId,
        before: Option<Silence>,
        unheard: u32,
        taken: u32,
    ) -> Result<Option<Silence>, OrderError> {
        let writer = self.orders.store.database().writer();
        if unheard < taken || taken == 0 {
            if before.is_some() && taken > 0 {
                consoles::answer(writer, product).await?;
            }
            return Ok(before.filter(|_| taken == 0));
        }
        let now = self.orders.env.now();
        let silence = round::silence(product, before.as_ref(), unheard, now);
        consoles::fall_silent(writer, product, &silence).await?;
        Ok(Some(silence))
    }

    /// Keeps what became of a round, and answers how much of it has come to an end.
    async fn keep(&self, round: Round) -> Result<u32, OrderError> {
        let Round { acknowledged, refused, mut failed } = round;
        let mut done = acknowledged.len();
        if !acknowledged.is_empty() {
            self.acknowledge(&acknowledged).await?;
        }
        for (due, version, why) in refused {
            match self.orders.refuse(&due, version, &why).await {
                Ok(()) => done += 1,
                // Something else works on the order or its instances: the console is asked again.
                Err(error) => {
                    let why = format!("refused ({why}), and {error}");
                    failed.push(Failure { due, why, heard: true });
                }
            }
        }
        if !failed.is_empty() {
            retry(|| self.fail(&failed)).await?;
        }
        Ok(u32::try_from(done).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests;
