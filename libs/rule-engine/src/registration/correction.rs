//! An expiry that was wrong, put right.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::{
    calendar::{DayOfMonth, check_end, last_day, local, told},
    check,
    instance::Instance,
    profile::Boundary,
    reason::{Reason, Refusal},
    term::{Term, anchor_leads_to},
};

/// How an expiry is put right (I-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// It is right already.
    Nothing,
    /// A term of kind `ADJUSTMENT` is appended, without a price.
    Adjustment(Term),
    /// The last live term is marked as shortened to this one.
    Shortened(Term),
}

/// How the expiry of `instance` becomes `end`, given its last live term (I-2). No term is edited:
/// a later end appends one, an earlier one marks the last as shortened.
///
/// The anchor stays where it leads to the new end (T-6): by its last day in `zone`, and of an `EXACT`
/// product (`boundary`) by its own date, too. Else it becomes the last day, or the own date of an
/// `EXACT` end, from which its months are counted (T-5). The members of a strong group are corrected
/// together, by the caller (B-4).
///
/// Refused: `OPEN_ORDER_EXISTS` (an order was priced with the expiry), `NO_EXPIRY` for a postpaid
/// instance, `DATE_TOO_EARLY` for an end at or before the start of the last term,
/// `DATE_OUT_OF_RANGE` (T-8).
///
/// ```
/// # use std::sync::Arc;
/// # use rule_engine::{instance::*, profile::{AccountSettings, ProductProfile}, term::Lease};
/// # let profile: ProductProfile = serde_json::from_str(r#"{
/// #     "durations": ["1m", "1y"], "policies": ["MANUAL", "AUTO", "NOT_RENEW"],
/// #     "auto_schedule": {"days_before": 7, "time": "08:00", "stop": "UNTIL_EXPIRY"},
/// #     "late_start": "RENEWAL_DATE", "grace_days": 0, "retention_days": 7,
/// #     "money_policy": {"name": "n", "version": 1, "rounding": "HALF_UP"}
/// # }"#)?;
/// # let settings: AccountSettings =
/// #     serde_json::from_str(r#"{"zone": "Asia/Shanghai", "currency": "CNY"}"#)?;
/// # let mut world = World::new(Account { id: "a".parse()?, settings, frozen: false });
/// # world.profiles.insert("p".parse()?, Arc::new(profile));
/// # for (id, end, day) in [
/// #     ("vm", "2024-06-21T00:00:00+08:00", 20), ("disk", "2024-06-21T00:00:00+08:00", 20),
/// # ] {
/// #     let billing = Billing::Prepaid(Lease { end: end.parse()?, anchor: day.try_into()? });
/// #     let (account, product, region) = ("a".parse()?, "p".parse()?, "r".parse()?);
/// #     let one = Instance::new(id.parse()?, account, product, region, billing);
/// #     world.instances.insert(one.id.clone(), one);
/// # }
/// use rule_engine::{profile::Boundary, registration::{Correction, correct_expiry}, term::Term};
/// # let zone = chrono_tz::Asia::Shanghai;
/// let vm = &world.instances[&"vm".parse()?];
/// let (start, end) = ("2024-05-21T00:00:00+08:00".parse()?, vm.expiry().unwrap());
/// let last = Term { start, end, anchor: 20.try_into()? };
/// let corrected = correct_expiry(
///     vm, Some(last), "2024-06-11T00:00:00+08:00".parse()?, Boundary::EndOfDay, zone,
/// )?;
/// // Nothing is edited: the term is marked as cut, and ends on another day from now on.
/// let Correction::Shortened(term) = corrected else { panic!("it ends earlier") };
/// assert_eq!((term.start, term.anchor.get()), (last.start, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn correct_expiry(
    instance: &Instance,
    last_term: Option<Term>,
    end: DateTime<Utc>,
    boundary: Boundary,
    zone: Tz,
) -> Result<Correction, Refusal> {
    let id = &instance.id;
    if let Some(refusal) = check::held_refusal(instance, None) {
        return Err(refusal);
    }
    let (Some(lease), Some(last)) = (instance.billing.lease(), last_term) else {
        let message = format!("{id} is postpaid: it has no expiry.");
        return Err(Refusal::new(Reason::NoExpiry, message));
    };
    if check_end(zone, end).is_err() {
        let message = format!("{} is outside of the years 1970 to 9999.", told(zone, end));
        return Err(Refusal::new(Reason::DateOutOfRange, message));
    }
    let day = match boundary {
        Boundary::EndOfDay => last_day(zone, end),
        Boundary::Exact => local(zone, end).date(),
    };
    let stays = anchor_leads_to(lease.anchor, boundary, zone, end);
    let anchor = if stays { lease.anchor } else { DayOfMonth::of(day) };
    if end == lease.end {
        Ok(Correction::Nothing)
    } else if end > lease.end {
        Ok(Correction::Adjustment(Term { start: lease.end, end, anchor }))
    } else if end > last.start {
        Ok(Correction::Shortened(Term { start: last.start, end, anchor }))
    } else {
        let start = told(zone, last.start);
        let message = format!("The last term of {id} begins at {start}; it is all that is cut.");
        let refusal = Refusal::new(Reason::DateTooEarly, message);
        Err(refusal.with("earliest_after", last.start.to_rfc3339()))
    }
}

#[cfg(test)]
mod tests;
