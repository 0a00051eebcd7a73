//! From text to a tree of nodes with their lines.

use std::collections::HashSet;

use marked_yaml::{LoadError, LoaderOptions, Marker, Node, parse_yaml_with_options};

use super::reader::{Mistakes, Noted};

/// The longest line. Nesting grows by at least one column a level, so this also bounds how deep the
/// parser recurses.
const MAX_LINE: usize = 400;

/// How deep brackets and braces may be nested.
const MAX_BRACKETS: usize = 32;

/// The most fields given twice that are named, one by one.
const MAX_DUPLICATES: usize = 100;

/// A document's nodes.
#[derive(Debug)]
pub struct Tree {
    /// The mapping at the top.
    pub root: Node,
    /// Names that stand in for fields that are there a second time; each has been noted.
    pub stand_ins: HashSet<String>,
}

/// Reads `text`, noting what is no YAML and every field that is there twice. Anchors, aliases and
/// tags are refused: a price is what is written beside it.
pub fn parse(text: &str, mistakes: &Mistakes) -> Result<Tree, Noted> {
    check_nesting(text, mistakes)?;
    let mut text = text.to_owned();
    let mut stand_ins = HashSet::new();
    loop {
        let options = LoaderOptions::default().error_on_duplicate_keys(true);
        let error = match parse_yaml_with_options(0, &text, options) {
            Ok(root) => return Ok(Tree { root, stand_ins }),
            Err(error) => error,
        };
        let LoadError::DuplicateKey(twice) = error else {
            return Err(note(&error, mistakes));
        };
        let (key, first) = (&twice.key, twice.prev_key.span().start().map_or(0, Marker::line));
        let line = key.span().start().map_or(1, Marker::line);
        let noted =
            mistakes.note(line, format!("{} is there twice, first in line {first}", key.as_str()));
        // The loader stops at the first; another name for this one lets it find the next.
        let stand_in = format!("duplicate-{}", stand_ins.len());
        let at = key.span().start().map_or(0, Marker::character);
        if stand_ins.len() == MAX_DUPLICATES {
            return Err(noted);
        }
        text = renamed(&text, at, key.as_str(), &stand_in).ok_or(noted)?;
        stand_ins.insert(stand_in);
    }
}

/// `text` with `name` at the character `at` replaced by `other`; nothing if it is not there.
fn renamed(text: &str, at: usize, name: &str, other: &str) -> Option<String> {
    let (start, first) = text.char_indices().nth(at)?;
    let quotes = usize::from(matches!(first, '"' | '\''));
    let end = start + name.len() + 2 * quotes;
    if text.get(start + quotes..end - quotes)? != name {
        return None;
    }
    Some(format!("{}{other}{}", &text[..start], &text[end..]))
}

fn check_nesting(text: &str, mistakes: &Mistakes) -> Result<(), Noted> {
    let mut depth = 0_usize;
    for (at, line) in text.lines().enumerate() {
        if line.len() > MAX_LINE {
            return Err(mistakes.note(at + 1, format!("a line has at most {MAX_LINE} bytes")));
        }
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_BRACKETS {
                return Err(mistakes.note(at + 1, "brackets are nested too deep"));
            }
        }
    }
    Ok(())
}

fn note(error: &LoadError, mistakes: &Mistakes) -> Noted {
    let (marker, problem) = match error {
        LoadError::TopLevelMustBeMapping(marker) | LoadError::TopLevelMustBeSequence(marker) => {
            (marker, "the document must be a mapping".to_owned())
        }
        LoadError::UnexpectedAnchor(marker) => (marker, "anchors are not allowed".to_owned()),
        LoadError::UnexpectedTag(marker) => (marker, "tags are not allowed".to_owned()),
        LoadError::MappingKeyMustBeScalar(marker) => {
            (marker, "the name of a field must be plain text".to_owned())
        }
        LoadError::ScanError(marker, error) => (marker, error.info().to_owned()),
        LoadError::DuplicateKey(twice) => {
            let line = twice.key.span().start().map_or(1, Marker::line);
            return mistakes.note(line, "a field is there twice");
        }
    };
    mistakes.note(marker.line(), problem)
}
