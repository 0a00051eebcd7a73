//! Automatic renewals: how attempts were decided.

use chrono_tz::Tz;
use proto::{
    renewal::v1::{Attempt, CountAttemptsResponse, UnsettledAttempt, attempt::Outcome},
    r#type::v1::Date,
};

use super::{
    show,
    table::{Look, Table, look},
};

/// How attempts were decided, and when what failed is tried again.
pub fn attempts(attempts: &[Attempt], zone: Tz) -> String {
    let mut table = Table::new(&["DATE", "INSTANCE", "OUTCOME", "WHY", ">MISSING", "NEXT ATTEMPT"]);
    for attempt in attempts {
        let outcome = show::word(attempt.outcome().as_str_name(), "OUTCOME_");
        let kind = match attempt.outcome() {
            Outcome::Renewed => Look::Good,
            Outcome::Failed | Outcome::Missed => Look::Bad,
            _ => Look::Notable,
        };
        table.row([
            dated(attempt.date.as_ref(), attempt.retry),
            attempt.instance_id.clone(),
            look(&outcome, kind),
            show::or_nothing(&attempt.reason),
            show::money(attempt.missing.as_ref()),
            show::instant(attempt.next_attempt_time.as_ref(), zone),
        ]);
    }
    table.text()
}

/// What of a day's attempts was decided once, and what was not.
pub fn count(count: &CountAttemptsResponse, zone: Tz) -> String {
    let mut outcomes: Vec<_> = count.outcomes.iter().collect();
    outcomes.sort_unstable();
    let outcomes: Vec<_> =
        outcomes.iter().map(|(outcome, number)| format!("{number} {outcome}")).collect();
    let told =
        if outcomes.is_empty() { String::new() } else { format!(": {}", outcomes.join(", ")) };
    let kind = if count.due == count.decided { Look::Good } else { Look::Bad };
    let told = format!("{} of {} decided once{told}", count.decided, count.due);
    let mut table = Table::new(&["INSTANCE", "RETRY", "DUE SINCE", ">DECISIONS", "WAITS FOR"]);
    for one in &count.others {
        let UnsettledAttempt { instance_id, retry, due_time, decisions, .. } = one;
        table.row([
            instance_id.clone(),
            retry.to_string(),
            show::instant(due_time.as_ref(), zone),
            decisions.to_string(),
            show::word(one.waits_for().as_str_name(), "WAITS_FOR_"),
        ]);
    }
    let others = if table.is_empty() { String::new() } else { table.text() };
    look(&told, kind) + "\n" + &others
}

/// `2026-03-10`, or `2026-03-10 #2` for its second retry.
fn dated(date: Option<&Date>, retry: i32) -> String {
    let Some(Date { year, month, day }) = date else { return show::NOTHING.to_owned() };
    let date = format!("{year:04}-{month:02}-{day:02}");
    if retry == 0 { date } else { format!("{date} #{retry}") }
}

#[cfg(test)]
mod tests;
