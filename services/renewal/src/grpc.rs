//! Messages to commands, results to messages, errors to statuses.

pub mod accounts;
pub mod bill;
pub mod events;
pub mod forecast;
pub mod instances;
pub mod orders;
pub mod sweep;
pub mod webhooks;

use proto::renewal::v1 as pb;

use crate::app::error::RowRefusal;

/// Why a row is left as it was, on the wire.
#[must_use]
pub fn row_refusal_message(refusal: RowRefusal) -> pb::Refusal {
    pb::Refusal {
        reason: refusal.reason.to_owned(),
        rule_id: refusal.rule.to_owned(),
        message: refusal.message,
        metadata: refusal.metadata,
    }
}
