//! The contract against the code and the tests.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use rule_engine::reason::Reason;

use super::{codes, files, is_test, without_tests};

/// Reasons of calls that do not exist yet; the contract must not promise them.
const LATER: [&str; 2] = ["HOLD_CLOSED", "AMOUNT_EXCEEDS_REMAINDER"];

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap()
}

#[test]
fn every_call_is_made_by_some_test() {
    let tests: String =
        files(&["tests/it", "tests/src"], &["rs"]).into_iter().map(|(_, text)| text).collect();
    let mut untested = Vec::new();
    for file in descriptors().file {
        for service in &file.service {
            for method in &service.method {
                let call = format!(".{}(", snake(method.name()));
                if !tests.contains(&call) {
                    untested.push(format!("{}.{}", service.name(), method.name()));
                }
            }
        }
    }
    assert!(untested.is_empty(), "no test makes these calls: {untested:#?}");
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[test]
fn every_message_and_call_of_the_contract_is_commented() {
    for file in descriptors().file.iter().filter(|file| file.package().starts_with("perennial")) {
        let comments = file.source_code_info.as_ref().unwrap();
        let commented = |path: &[i32]| {
            comments
                .location
                .iter()
                .any(|place| place.path == path && !place.leading_comments().trim().is_empty())
        };
        for (index, message) in (0..).zip(&file.message_type) {
            assert!(commented(&[4, index]), "{} has no comment", message.name());
        }
        for (index, service) in (0..).zip(&file.service) {
            for (call, method) in (0..).zip(&service.method) {
                assert!(commented(&[6, index, 2, call]), "{} has no comment", method.name());
            }
        }
    }
}

/// Reasons that the code can give.
fn given() -> BTreeSet<String> {
    let mut given: BTreeSet<_> =
        Reason::ALL.iter().map(|reason| reason.code().to_owned()).collect();
    for (path, text) in files(&["libs/platform/src", "libs/outbox/src", "services"], &["rs"]) {
        if is_test(&path) {
            continue;
        }
        given.extend(reason_functions(without_tests(&text)).flat_map(literals).map(str::to_owned));
        given.extend(named_reasons(&text).map(str::to_owned));
    }
    given
}

/// Reasons that are constants of their own name.
fn named_reasons(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("pub const ")?.split_once(": &str = ")?;
        (value == format!("\"{name}\";")).then_some(name)
    })
}

/// The codes that stand between quotes in `text`.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2).flat_map(codes)
}

/// The bodies of the functions that say a reason.
fn reason_functions(text: &str) -> impl Iterator<Item = &str> {
    let signatures = text.match_indices("-> &'static str {\n");
    signatures.filter_map(|(at, arrow)| {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let signature = &text[line..at];
        let indent = signature.len() - signature.trim_start().len();
        let body = &text[at + arrow.len()..];
        // rustfmt closes a function at the indentation that it began at.
        let end = body.find(&format!("\n{}}}\n", &signature[..indent]))?;
        (signature.contains("fn ") && signature.contains("reason")).then(|| &body[..end])
    })
}

/// The contract's comments.
fn comments() -> String {
    let comment = |line: &str| line.trim().strip_prefix("//").map(|text| format!("{text}\n"));
    files(&["proto"], &["proto"])
        .iter()
        .flat_map(|(_, text)| text.lines().filter_map(comment).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_reason_of_the_code_stands_in_the_contract() {
    let comments = comments();
    let promised: BTreeSet<_> = codes(&comments).collect();
    let missing: Vec<_> = given()
        .into_iter()
        .filter(|reason| reason.contains('_') || !comments.contains(reason.as_str()))
        .filter(|reason| !promised.contains(reason.as_str()) && !LATER.contains(&reason.as_str()))
        // Any call may fail through our own fault; no contract promises it.
        .filter(|reason| reason != platform::status::INTERNAL)
        .collect();
    assert!(missing.is_empty(), "the contract does not say: {missing:#?}");
}

#[test]
fn every_reason_of_the_contract_is_one_that_the_code_can_give() {
    let given = given();
    let mut unknown = BTreeSet::new();
    for line in comments().lines() {
        // `- CODE, REASON, REASON: when`
        let Some(error) = line.trim().strip_prefix("- ") else { continue };
        let listed = error.split(':').next().unwrap_or(error);
        let mut words = listed.split(", ");
        if words.next().is_none_or(|code| code.chars().any(|letter| letter.is_ascii_lowercase())) {
            continue;
        }
        let reasons = words.flat_map(codes).map(str::to_owned);
        unknown.extend(reasons.filter(|reason| !given.contains(reason)));
    }
    assert!(unknown.is_empty(), "no code gives: {unknown:#?}");
}

#[test]
fn reasons_that_are_not_given_yet_are_not_promised() {
    let comments = comments();
    let promised: BTreeSet<_> = codes(&comments).collect();
    for reason in LATER {
        let known = Reason::ALL.iter().any(|known| known.code() == reason);
        assert!(known, "{reason} is no reason");
        assert!(!promised.contains(reason), "{reason} is promised: take it off the list");
    }
}

#[test]
fn every_reason_of_the_contract_is_refused_in_a_journey() {
    let comments = comments();
    let promised: BTreeSet<_> = codes(&comments).map(str::to_owned).collect();
    let is_promised =
        |reason: &String| promised.contains(reason) || comments.contains(&format!(", {reason}: "));
    let mut journeys = String::new();
    for (path, text) in files(&["tests/it"], &["rs"]) {
        if !path.contains("/tidy") {
            journeys += &text;
        }
    }
    let untested: Vec<_> = given()
        .into_iter()
        .filter(is_promised)
        .filter(|reason| !journeys.contains(&format!("\"{reason}\"")))
        .collect();
    assert!(untested.is_empty(), "no journey is refused with: {untested:#?}");
}
