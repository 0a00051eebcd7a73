//! The first half of step 7, whoever asks for it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::ids::{InstanceId, RefundId};
use proto::{
    renewal::{internal::v1::OrderRefund, v1 as pb},
    wallet::v1::RefundDestination,
};
use sea_orm::DatabaseTransaction;

use super::{Back, Orders};
use crate::{
    app::{deliver::entitlement::changes, failure::OrderError, preview::Facts, rules::Catalogue},
    domain::order::{State, backoff},
    store::{
        deliveries::{
            self,
            outcome::{self, End},
        },
        events,
        orders::{self, Order},
    },
};

/// What is to be given back of an order.
pub struct Begun<'w> {
    /// The items.
    pub items: &'w BTreeSet<InstanceId>,
    /// Where the channel's part goes.
    pub destination: RefundDestination,
    /// Why the console of the product will not deliver it; none: somebody asked for the refund.
    pub refused: Option<pb::Refusal>,
}

impl Orders {
    /// Makes the instances what they were, has their consoles told, and turns the order, which is
    /// locked, `REFUNDING`; answers with the id of the refund.
    pub(super) async fn begin_refund(
        &self,
        transaction: &DatabaseTransaction,
        order: &mut Order,
        back: &Back,
        begun: Begun<'_>,
        (facts, catalogue, now): (&Facts, &Catalogue, DateTime<Utc>),
    ) -> Result<RefundId, OrderError> {
        let refund = order.next_refund();
        back.save(transaction, order, refund, (facts, catalogue, now)).await?;
        let ids: Vec<_> = begun.items.iter().cloned().collect();
        let end = if begun.refused.is_some() { End::Refused } else { End::Withdrawn };
        outcome::end(transaction, (&order.account, order.id), &ids, end, now).await?;
        let changed = back.items.iter().map(|one| (&one.instance, one.version + 2));
        deliveries::note(transaction, &changes(catalogue, changed), now).await?;
        events::record(transaction, &self.env, now, back.told(order, refund)).await?;
        order.snapshot.refunds.push(OrderRefund {
            refund_id: refund.to_string(),
            instance_ids: ids.iter().map(ToString::to_string).collect(),
            destination: begun.destination.into(),
            made_manual_ids: back.made_manual.iter().map(ToString::to_string).collect(),
            refund: None,
            refused: begun.refused,
        });
        order.state = State::Refunding;
        order.refund_id = Some(refund);
        order.attempts = 0;
        order.next_attempt_at = Some(now + backoff(0));
        if orders::save(transaction, order).await? { Ok(refund) } else { Err(OrderError::Busy) }
    }
}
