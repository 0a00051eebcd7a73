//! Every rule has a place in the code and a test that keeps it.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, is_test};

/// One row of `tests/rules.tsv`.
struct Row {
    rule: String,
    keeper: Keeper,
}

enum Keeper {
    /// A test: its file and its name.
    Test { file: String, name: String },
    /// What brings the rule.
    Later,
}

fn rows() -> Vec<Row> {
    let text = include_str!("../../rules.tsv");
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let cells: Vec<_> = line.split('\t').collect();
            let keeper = match cells[1..] {
                [later] if later.starts_with("later: ") => Keeper::Later,
                [file, name] => Keeper::Test { file: file.to_owned(), name: name.to_owned() },
                _ => panic!("neither `rule, file, test` nor `rule, later: what brings it`: {line}"),
            };
            Row { rule: cells[0].to_owned(), keeper }
        })
        .collect()
}

/// The rule ids in `text`: a family's letter, a hyphen, a number.
fn ids(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let is_id = |word: &&str| {
        word.split_once('-').is_some_and(|(family, number)| {
            family.len() == 1
                && "TLPIBUARCWVMO".contains(family)
                && !number.is_empty()
                && number.len() <= 2
                && number.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    words.filter(is_id).map(str::to_owned).collect()
}

/// The ids that doc comments of the code name.
fn documented() -> BTreeSet<String> {
    let mut documented = BTreeSet::new();
    for (path, text) in files(&["libs", "services"], &["rs"]) {
        if is_test(&path) {
            continue;
        }
        let docs = text.lines().map(str::trim_start);
        let docs = docs.filter(|line| line.starts_with("///") || line.starts_with("//!"));
        documented.extend(docs.flat_map(ids));
    }
    documented
}

/// The ids that tests name.
fn tested() -> BTreeSet<String> {
    let mut tested = BTreeSet::new();
    for (path, text) in files(&["libs", "services", "tests/it"], &["rs"]) {
        if is_test(&path) {
            tested.extend(ids(&text));
        } else if let Some((_, tests)) = text.split_once("#[cfg(test)]\nmod tests {") {
            tested.extend(ids(tests));
        }
    }
    tested
}

#[test]
fn every_rule_is_named_in_the_code_and_in_a_test() {
    let (documented, tested) = (documented(), tested());
    let mut missing = Vec::new();
    for row in rows() {
        if let Keeper::Test { .. } = row.keeper {
            if !documented.contains(&row.rule) {
                missing.push(format!("{} stands in no doc comment", row.rule));
            }
            if !tested.contains(&row.rule) {
                missing.push(format!("{} stands in no test", row.rule));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_rule_is_kept_by_a_test_that_exists() {
    let sources: BTreeMap<_, _> =
        files(&["libs", "services", "tests/it"], &["rs"]).into_iter().collect();
    let mut missing = Vec::new();
    for Row { rule, keeper } in rows() {
        let Keeper::Test { file, name } = keeper else { continue };
        let exists = sources.get(&file).is_some_and(|text| text.contains(&format!("fn {name}(")));
        if !exists {
            missing.push(format!("{rule}: no test {name} in {file}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_rule_stands_once_in_the_table() {
    let mut seen = BTreeSet::new();
    for row in rows() {
        assert!(seen.insert(row.rule.clone()), "{} stands twice", row.rule);
    }
    let unknown: Vec<_> =
        documented().union(&tested()).filter(|id| !seen.contains(*id)).cloned().collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
}
