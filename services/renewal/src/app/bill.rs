//! Bills, snapshots and refusals as messages: what an order stores is what people are told.

use proto::renewal::v1 as pb;
use rule_engine::reason::Refusal;

/// A refusal as people and programs are told it.
#[must_use]
pub fn refusal_message(refusal: Refusal) -> pb::Refusal {
    pb::Refusal {
        reason: refusal.reason.code().to_owned(),
        rule_id: refusal.reason.rule().to_owned(),
        message: refusal.message,
        metadata: refusal.metadata,
    }
}
