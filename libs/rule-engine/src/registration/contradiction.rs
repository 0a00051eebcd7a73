//! The same word of a console, said twice in different ways.

use super::{RegisteredBilling, Registration};
use crate::instance::Instance;

/// The fields in which `row` says something else than the word with the same `source_version` that
/// `known` stands by (I-1).
///
/// The billing is none of them, for Perennial owns it from the first word on; and where it has moved
/// since, the configuration may have come from a renewal with change, and does not count either
/// (C-2).
pub(super) fn contradicted_fields(row: &Registration, known: &Instance) -> Vec<&'static str> {
    let said = match row.billing {
        RegisteredBilling::Prepaid { end, .. } => Some(end),
        RegisteredBilling::Postpaid => None,
    };
    let own_configuration = said == known.expiry();
    let fields = [
        ("name", row.name != known.name),
        ("labels", row.labels != known.labels),
        ("room_type", row.room_type != known.room_type),
        ("configuration", own_configuration && row.configuration != known.configuration),
        ("trial", row.trial != known.trial),
        ("one_time", row.one_time != known.one_time),
        ("change_pending", row.change_pending != known.change_pending),
        ("released", row.released != known.released),
        ("binding", row.binding != known.binding),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
