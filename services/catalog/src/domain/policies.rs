//! Money policies: what a name and a version stand for is one thing, in all catalogs and at all times (M-9).

use std::collections::BTreeMap;

use kernel::ids::ProductId;
use rule_engine::profile::MoneyPolicy;
use serde::Serialize;

use super::document::{Document, Lines, Mistake};

/// Every product of `document` whose money policy stands for something else than the same name and version
/// do with another product, or did before: quotes and orders name nothing but these two. `known` are those
/// of all catalogs so far.
pub fn contradictions<'a>(
    known: impl Iterator<Item = (&'a ProductId, &'a MoneyPolicy)>,
    document: &'a Document,
    lines: &Lines,
) -> Vec<Mistake> {
    let mut meanings = BTreeMap::new();
    for (product, policy) in known {
        meanings.entry((policy.name.as_str(), policy.version)).or_insert((product, policy));
    }
    let mut mistakes = Vec::new();
    for (product, &line) in document.products.iter().zip(&lines.products) {
        let policy = &product.profile.money_policy;
        let key = (policy.name.as_str(), policy.version);
        let (other, meaning) = *meanings.entry(key).or_insert((&product.id, policy));
        if meaning != policy {
            let problem = format!(
                "{}: the money policy {} of version {} is {} here, and {} with {other}; count its version up (M-9)",
                product.id,
                policy.name,
                policy.version,
                told(policy),
                told(meaning),
            );
            mistakes.push(Mistake { line, problem });
        }
    }
    mistakes
}

/// What a policy stands for, for people.
fn told(policy: &MoneyPolicy) -> String {
    let MoneyPolicy { rounding, odd_days, divisor, .. } = policy;
    format!("{}, {}, divisor {divisor}", word(rounding), word(odd_days))
}

/// A word as it stands in documents.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
