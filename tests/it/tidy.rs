//! The workspace's own rules, checked like everything else.

mod contract;
mod events;
mod rules;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Who may depend on whom, among our crates. A crate that is missing here, or an arrow that is,
/// fails the test: changing the architecture is a decision.
const ARROWS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("rule-engine", &["kernel"]),
    ("proto", &["kernel"]),
    ("platform", &["kernel"]),
    ("outbox", &["kernel", "platform"]),
    ("catalog", SERVICE),
    ("renewal", SERVICE),
    ("wallet", SERVICE),
    ("scheduler", SERVICE),
    ("perennial", ALL),
    ("tests", ALL),
];

/// What a service may use: no other service.
const SERVICE: &[&str] = &["kernel", "rule-engine", "proto", "platform", "outbox"];

/// What those may use that put the suite together.
const ALL: &[&str] = &[
    "kernel",
    "rule-engine",
    "proto",
    "platform",
    "outbox",
    "catalog",
    "renewal",
    "wallet",
    "scheduler",
    "perennial",
];

/// What decides must not be able to wait, call or store.
const PURE: [&str; 2] = ["kernel", "rule-engine"];
const IMPURE: [&str; 6] = ["tokio", "tonic", "sea-orm", "sqlx", "hyper", "clap"];

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn crates_depend_only_where_the_architecture_says() {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version=1", "--offline"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();

    let names: BTreeSet<_> =
        packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, allowed.keys().copied().collect(), "a crate is missing in the table");
    for package in packages {
        let from = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            let ours = names.contains(to) && !dependency["path"].is_null();
            assert!(!ours || allowed[from].contains(&to), "{from} must not know {to}");
        }
    }
}

#[test]
fn what_decides_cannot_wait_call_or_store() {
    for crate_name in PURE {
        let tree =
            cargo(&["tree", "--offline", "-p", crate_name, "-e", "normal", "--prefix", "none"]);
        for line in tree.lines() {
            let name = line.split(' ').next().unwrap();
            assert!(!IMPURE.contains(&name), "{crate_name} has {name} below it");
        }
    }
}

#[test]
fn top_level_folders_are_what_the_architecture_names() {
    let tracked = Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    let tracked = String::from_utf8(tracked.stdout).unwrap();
    let folders: BTreeSet<_> = tracked
        .lines()
        .filter_map(|path| path.split_once('/'))
        .map(|(folder, _)| folder)
        .filter(|folder| !folder.starts_with('.'))
        .collect();
    let allowed = BTreeSet::from(["proto", "services", "libs", "helm", "tests"]);
    assert!(folders.is_subset(&allowed), "{folders:?}");
}

/// Every file with one of these `extensions` below `folders`, with its path inside the repository.
fn files(folders: &[&str], extensions: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), extensions, &mut found);
    }
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            (path, text)
        })
        .collect()
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            collect(&path, extensions, found);
        } else if extension.is_some_and(|extension| extensions.contains(&extension)) {
            found.push(path);
        }
    }
}

/// Whether a file holds nothing but tests.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/it/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// A file's text before its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// Words of `text` in `UPPER_SNAKE_CASE` with at least one underscore.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(move |letter| !word(letter)).filter(|word| {
        let plain =
            |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
        word.contains('_')
            && word.chars().all(plain)
            && !word.starts_with('_')
            && !word.ends_with('_')
    })
}
