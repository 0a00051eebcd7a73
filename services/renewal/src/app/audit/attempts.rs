//! Attempts to renew: what came due was decided.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use platform::audit::{Finding, MOST};

use crate::{
    app::{
        automatic::proof::{Pages, Unsettled, WaitsFor, unsettled},
        rules::Catalogue,
    },
    store::{Store, StoreError},
};

/// How long an attempt may be due before it is decided.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// Attempts that should be decided and are not, [`MOST`] at the most. Those of a parked account wait,
/// and what is being paid ends as its payment does.
pub async fn findings(
    store: &Store,
    catalogue: &Arc<Catalogue>,
    now: DateTime<Utc>,
) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let mut pages = Pages::of(None);
    while let Some(keys) = pages.next(store).await? {
        let found = unsettled(store, &keys, catalogue, now).await?;
        findings.extend(found.iter().filter_map(|one| finding(one, now)));
        if findings.len() >= MOST {
            break;
        }
    }
    findings.truncate(MOST);
    Ok(findings)
}

fn finding(one: &Unsettled, now: DateTime<Utc>) -> Option<Finding> {
    let identity = &one.identity;
    let subject = format!("{}/{}", identity.account, identity.root);
    let (date, retry) = (identity.date, identity.kind.number());
    match (one.waits_for, one.since) {
        (WaitsFor::Sweep, Some(since)) if now - since > LONGEST_WAIT => Some(Finding {
            invariant: "an attempt that came due is decided within an hour (A-2, A-6)",
            subject,
            found: format!("attempt {date}/{retry} is due since {since} and undecided"),
        }),
        (WaitsFor::Nothing, _) => Some(Finding {
            invariant: "what counts as decided has its decision (A-2)",
            subject,
            found: format!("attempt {date}/{retry} has {} decisions", one.decisions),
        }),
        _ => None,
    }
}
