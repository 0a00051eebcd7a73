//! The table of event types against the code.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, is_test, root, without_tests};

/// What events of the renewal service are about.
const ABOUT: [&str; 3] = ["account.", "instance.", "order."];

/// Where the types of events are listed.
const KINDS: &str = "services/renewal/src/store/events.rs";

/// Between quotes in `text`, what is called like a type of event.
fn types(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|word| {
        let rest = ABOUT.iter().find_map(|about| word.strip_prefix(about));
        let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain))
    })
}

/// The lines of `text` that are not comments.
fn code(text: &str) -> String {
    let lines = without_tests(text).lines();
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_type_of_event_is_raised_listed_and_stands_in_the_table() {
    let told = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = told.split("\n## Events\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: Vec<_> = rows.map(str::to_owned).collect();

    let (mut raised, mut listed) = (BTreeSet::new(), BTreeSet::new());
    for (path, text) in files(&["services/renewal/src"], &["rs"]) {
        let text = code(&text);
        if path == KINDS {
            let named = text.lines().filter_map(|line| {
                let (name, value) =
                    line.trim().strip_prefix("pub const ")?.split_once(": &str = ")?;
                Some((name.to_owned(), types(value).next()?.to_owned()))
            });
            let named: BTreeMap<_, _> = named.collect();
            let all = text.split("pub const ALL").nth(1).unwrap().split("];").next().unwrap();
            let words = all.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
            listed.extend(words.filter_map(|word| named.get(word).cloned()));
            listed.extend(types(all).map(str::to_owned));
            raised.extend(named.into_values());
        } else if !is_test(&path) {
            raised.extend(types(&text).map(str::to_owned));
        }
    }

    assert_eq!(documented.len(), documented.iter().collect::<BTreeSet<_>>().len(), "one row each");
    let documented: BTreeSet<_> = documented.into_iter().collect();
    assert_eq!(documented, raised, "the table of ARCHITECTURE.md, and what is raised");
    assert_eq!(listed, raised, "`kinds::ALL`, and what is raised");
}
