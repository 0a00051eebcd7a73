//! Budgets and habits of the source.

use super::{files, is_test, without_tests};

/// Lines of a file without its tests.
const FILE: usize = 400;

/// Lines of code of a function.
const FUNCTION: usize = 60;

/// Lines of code of nine functions in ten.
const MOST_FUNCTIONS: usize = 25;

#[test]
fn no_file_is_longer_than_its_budget() {
    let long: Vec<_> = files(&["libs", "services", "tests"], &["rs"])
        .into_iter()
        // Unit tests are not counted; the files of the suite are.
        .filter(|(path, _)| path.starts_with("tests/") || !is_test(path))
        .map(|(path, text)| (without_tests(&text).lines().count(), path))
        .filter(|(lines, _)| *lines > FILE)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn functions_are_short_and_most_are_shorter() {
    let mut functions = Vec::new();
    for (path, text) in files(&["libs", "services", "tests"], &["rs"]) {
        if !is_test(&path) {
            functions.extend(lengths(without_tests(&text)).map(|length| (length, path.clone())));
        }
    }
    let long: Vec<_> = functions.iter().filter(|(length, _)| *length > FUNCTION).collect();
    assert!(long.is_empty(), "{long:#?}");
    let short = functions.iter().filter(|(length, _)| *length <= MOST_FUNCTIONS).count();
    let share = short * 100 / functions.len().max(1);
    assert!(share >= 90, "only {share} % of the functions have at most {MOST_FUNCTIONS} lines");
}

/// Lines of code in each function's braces, read off the indentation that rustfmt gives.
fn lengths(text: &str) -> impl Iterator<Item = usize> {
    let lines: Vec<_> = text.lines().collect();
    let starts: Vec<_> = (0..lines.len()).filter(|&at| is_function(lines[at])).collect();
    starts.into_iter().map(move |start| {
        let indent = lines[start].len() - lines[start].trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        let body = lines[start + 1..].iter().take_while(|line| ***line != *end);
        body.filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count()
    })
}

fn is_function(line: &str) -> bool {
    let words = line.trim_start().split(' ');
    let mut rest = words
        .skip_while(|word| ["pub", "pub(crate)", "pub(super)", "async", "const"].contains(word));
    // One line long, or only declared: nothing to count.
    rest.next() == Some("fn") && !line.ends_with(';') && !line.ends_with('}')
}

#[test]
fn functions_are_measured() {
    let text = "impl X {\n    pub async fn one(\n        a: u8,\n    ) {\n        // why\n        a\n    }\n}\nfn two() {}\n";
    assert_eq!(lengths(text).collect::<Vec<_>>(), [3]);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mute: Vec<_> = files(&["libs", "services", "tests"], &["rs"])
        .into_iter()
        // A row says by its name what it is; the module above says it of all of them.
        .filter(|(path, _)| !path.ends_with("/tests.rs") && !path.contains("/store/entity/"))
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert!(mute.is_empty(), "no `//!` at the head of {mute:#?}");
}

#[test]
fn every_library_documents_what_is_public() {
    for (path, text) in files(&["libs"], &["rs"]) {
        if path.ends_with("src/lib.rs") {
            assert!(text.contains("#![warn(missing_docs)]"), "{path}");
            assert!(text.contains("**Invariant:**"), "{path} says nothing that it never does");
        }
    }
}

#[test]
fn modules_are_named_after_their_files() {
    for (path, _) in files(&["libs", "services", "tests"], &["rs"]) {
        assert!(!path.ends_with("/mod.rs"), "{path}");
    }
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let pattern = format!("#[{}(", "allow");
    for (path, text) in files(&["libs", "services", "tests"], &["rs"]) {
        assert!(!text.contains(&pattern), "{path}");
        for (at, _) in text.match_indices(&format!("#[{}(", "expect")) {
            let end = text[at..].find(")]").unwrap_or_default();
            assert!(
                text[at..at + end].contains("reason"),
                "{path}: an expectation without a reason"
            );
        }
    }
}

#[test]
fn statuses_are_made_in_one_place() {
    let makers =
        ["internal", "invalid_argument", "not_found", "failed_precondition", "unavailable"];
    for (path, text) in files(&["libs", "services"], &["rs"]) {
        if is_test(&path) || path.starts_with("libs/platform/") {
            continue;
        }
        for maker in makers {
            let call = format!("Status::{maker}(");
            assert!(!without_tests(&text).contains(&call), "{path} has {call}");
        }
    }
}

/// What a part of a service must not know: `grpc` knows `app`, which knows `store` and `domain`.
const INNER: [(&str, &[&str]); 3] = [
    ("app", &["grpc", "mount"]),
    ("store", &["app", "grpc", "mount", "remote"]),
    ("domain", &["app", "grpc", "mount", "remote", "store"]),
];

#[test]
fn parts_of_a_service_know_only_what_lies_below_them() {
    for (path, text) in files(&["services"], &["rs"]) {
        let part = path.split("/src/").nth(1).and_then(|rest| rest.split(['/', '.']).next());
        let Some((_, above)) = INNER.iter().find(|(name, _)| Some(*name) == part) else { continue };
        if is_test(&path) {
            continue;
        }
        for line in without_tests(&text).lines().filter(|line| !line.trim().starts_with("//")) {
            for other in *above {
                let path_of = format!("{other}::");
                let mut found = line.match_indices(&path_of).map(|(at, _)| &line[..at]);
                let word = |last: char| last.is_alphanumeric() || last == '_';
                let knows = found.any(|before| !before.ends_with(word));
                assert!(!knows, "{path} knows {other}: {line}");
            }
        }
    }
}

#[test]
fn nothing_names_the_machine_that_it_was_written_on() {
    let folders = ["libs", "services", "tests", "proto", "helm"];
    for (path, text) in files(&folders, &["rs", "md", "proto", "toml", "yaml", "sh"]) {
        for place in [["/wo", "rk/"].concat(), ["/tm", "p/w/"].concat(), ["/ro", "ot/"].concat()] {
            assert!(!text.contains(&place), "{path} names {place}");
        }
    }
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest = std::fs::read_to_string(super::root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]\n").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let mut before = "";
    for line in section.lines() {
        let ours = line.contains("path = ");
        let said = before.starts_with('#');
        assert!(
            line.is_empty() || line.starts_with('#') || ours || said,
            "nobody says why: {line}"
        );
        before = line;
    }
}
