//! Reads nodes into values and notes every mistake, not only the first.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashSet},
    str::FromStr,
};

use chrono::{DateTime, Datelike as _, NaiveTime, SubsecRound as _, Utc};
use marked_yaml::{Marker, Node, types::MarkedMappingNode};
use rust_decimal::Decimal;
use serde::{Deserialize, de::IntoDeserializer as _};

use super::{Mistake, tree::Tree};

/// The longest text of a field, in bytes.
const MAX_TEXT: usize = 256;

/// The most mistakes that are kept: more help nobody.
const MAX_MISTAKES: usize = 1_000;

/// What is wrong with a document so far.
#[derive(Debug, Default)]
pub struct Mistakes {
    all: RefCell<Vec<Mistake>>,
    /// The paths of what could not be read.
    unread: RefCell<BTreeSet<String>>,
}

/// A mistake has been noted; what it is in the way of has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted;

impl Mistakes {
    /// Keeps what is wrong in `line`.
    pub fn note(&self, line: usize, problem: impl Into<String>) -> Noted {
        let mut all = self.all.borrow_mut();
        if all.len() < MAX_MISTAKES {
            all.push(Mistake { line, problem: problem.into() });
        }
        Noted
    }

    /// All of them, by line.
    pub fn sorted(self) -> Vec<Mistake> {
        let mut all = self.all.into_inner();
        all.sort();
        all.dedup();
        all
    }

    fn not_read(&self, path: String) {
        self.unread.borrow_mut().insert(path);
    }

    /// Whether the value at `path` was read, whole: nothing above it and nothing in it failed.
    pub fn is_read(&self, path: &str) -> bool {
        let unread = self.unread.borrow();
        let mut around =
            path.match_indices(['.', '[']).map(|(at, _)| &path[..at]).chain(["", path]);
        let mut inside = unread.range(path.to_owned()..).map_while(|each| each.strip_prefix(path));
        !around.any(|each| unread.contains(each))
            && !inside.any(|rest| rest.starts_with(['.', '[']))
    }
}

/// A node, and what it is called.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    node: &'a Node,
    line: usize,
    path: String,
    stand_ins: &'a HashSet<String>,
    mistakes: &'a Mistakes,
}

impl<'a> Place<'a> {
    /// The whole document.
    pub fn top(tree: &'a Tree, mistakes: &'a Mistakes) -> Self {
        let Tree { root: node, stand_ins } = tree;
        Self { node, line: 1, path: String::new(), stand_ins, mistakes }
    }

    fn child(&self, node: &'a Node, line: usize, path: String) -> Self {
        Self { node, line, path, ..self.clone() }
    }

    /// What is wrong with its document so far.
    pub fn mistakes(&self) -> &'a Mistakes {
        self.mistakes
    }

    /// The line that it begins in.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Notes that the node is not what it should be.
    pub fn wrong(&self, problem: impl std::fmt::Display) -> Noted {
        self.mistakes.not_read(self.path.clone());
        self.note(problem)
    }

    fn note(&self, problem: impl std::fmt::Display) -> Noted {
        let path = if self.path.is_empty() { "the document" } else { &self.path };
        self.mistakes.note(self.line, format!("{path} {problem}"))
    }

    /// The path of what is at `path` below the node.
    fn below(&self, path: &str) -> String {
        if self.path.is_empty() { path.to_owned() } else { format!("{}.{path}", self.path) }
    }

    /// Whether what is at `path` below the node was read, whole.
    pub fn is_read(&self, path: &str) -> bool {
        self.mistakes.is_read(&self.below(path))
    }

    /// Whether all of the document was read so far.
    pub fn all_read(&self) -> bool {
        self.mistakes.unread.borrow().is_empty()
    }

    /// Notes what is wrong with a value below the node, by its path such as `unify.days.most`.
    pub fn wrong_below(&self, path: &str, problem: &str) {
        self.mistakes.note(self.line_of(path), format!("{} {problem}", self.below(path)));
    }

    /// The line of the value at `path` below the node, such as `tiers[1].percent`; if it is not
    /// there, that of what it would be in.
    pub fn line_of(&self, path: &str) -> usize {
        let mut line = self.line;
        let mut node = self.node;
        let steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']'));
        for step in steps.filter(|step| !step.is_empty()) {
            let inner = match (node, step.parse::<usize>()) {
                (Node::Mapping(fields), _) => {
                    let field = fields.iter().find(|(key, _)| key.as_str() == step);
                    field.map(|(key, node)| (key.span(), node))
                }
                (Node::Sequence(elements), Ok(at)) => {
                    elements.get(at).map(|node| (node.span(), node))
                }
                _ => None,
            };
            let Some((span, inner)) = inner else { break };
            line = span.start().map_or(line, Marker::line);
            node = inner;
        }
        line
    }

    /// The fields of a mapping; none of anything else, which is noted.
    pub fn fields(&self) -> Fields<'a> {
        let node = self.node.as_mapping();
        if node.is_none() {
            self.wrong("must be a mapping");
        }
        Fields { place: self.clone(), node, known: RefCell::default() }
    }

    /// Those elements of a sequence that `read` can read.
    pub fn list<T>(&self, read: impl Fn(&Self) -> Result<T, Noted>) -> Result<Vec<T>, Noted> {
        Ok(self.every(read)?.into_iter().flatten().collect())
    }

    /// What `read` makes of every element of a sequence.
    pub fn every<T>(&self, read: impl Fn(&Self) -> T) -> Result<Vec<T>, Noted> {
        let nodes = self.node.as_sequence().ok_or_else(|| self.wrong("must be a list"))?;
        let elements = nodes.iter().enumerate().map(|(at, node)| {
            let line = node.span().start().map_or(self.line, Marker::line);
            read(&self.child(node, line, format!("{}[{at}]", self.path)))
        });
        Ok(elements.collect())
    }

    /// Plain text, not empty.
    pub fn text(&self) -> Result<&'a str, Noted> {
        let node = self.node.as_scalar().ok_or_else(|| self.wrong("must be a single value"))?;
        match node.as_str() {
            text if text.trim().is_empty() => Err(self.wrong("must not be empty")),
            text if text.len() > MAX_TEXT => {
                Err(self.wrong(format!("must have at most {MAX_TEXT} bytes")))
            }
            text => Ok(text),
        }
    }

    /// Text of one's own.
    pub fn string(&self) -> Result<String, Noted> {
        self.text().map(str::to_owned)
    }

    /// What `read` makes of the text.
    pub fn read<T, E: std::fmt::Display>(
        &self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Noted> {
        read(self.text()?).map_err(|error| self.wrong(error))
    }

    /// A value that says itself what is wrong with its text.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(&self) -> Result<T, Noted> {
        self.read(str::parse)
    }

    /// One of the names of an enumeration.
    pub fn named<T: Deserialize<'a>>(&self) -> Result<T, Noted> {
        let text = self.text()?;
        T::deserialize(text.into_deserializer())
            .map_err(|error: serde::de::value::Error| self.wrong(format!("is wrong: {error}")))
    }

    /// A name like those of products.
    pub fn name(&self) -> Result<String, Noted> {
        self.parsed::<kernel::ids::ProductId>().map(String::from)
    }

    /// A whole number from 0 on.
    pub fn number(&self) -> Result<u32, Noted> {
        self.read(|text| text.parse::<u32>().map_err(|_| "must be a whole number from 0 on"))
    }

    /// An exact decimal.
    pub fn decimal(&self) -> Result<Decimal, Noted> {
        self.read(|text| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
            let decimal = Decimal::from_str_exact(text).ok().filter(|_| plain);
            decimal.map(|decimal| decimal.normalize()).ok_or("must be a decimal such as 136.5")
        })
    }

    /// `true` or `false`.
    pub fn yes_or_no(&self) -> Result<bool, Noted> {
        self.read(|text| text.parse::<bool>().map_err(|_| "must be true or false"))
    }

    /// A local time of day, `HH:MM`.
    pub fn time(&self) -> Result<NaiveTime, Noted> {
        self.read(|text| {
            NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| "must be a time such as 08:00")
        })
    }

    /// An instant with its offset, whole microseconds, years 1970 to 9999.
    pub fn instant(&self) -> Result<DateTime<Utc>, Noted> {
        self.read(|text| {
            let instant =
                text.parse::<DateTime<Utc>>().ok().map(|instant| instant.trunc_subsecs(6));
            instant
                .filter(|instant| (1970..=9999).contains(&instant.year()))
                .ok_or("must be an instant such as 2024-06-20T00:00:00+08:00")
        })
    }
}

/// The fields of a mapping. Those that nobody asked for are unknown.
#[derive(Debug)]
pub struct Fields<'a> {
    place: Place<'a>,
    node: Option<&'a MarkedMappingNode>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// A field that must be there; `stand_in` where it cannot be read, so that all else can be
    /// checked. A document with stand-ins has mistakes and is never used.
    pub fn required<T>(
        &self,
        name: &'static str,
        stand_in: T,
        read: impl FnOnce(&Place<'a>) -> Result<T, Noted>,
    ) -> T {
        if self.node.is_some() && !self.has(name) {
            self.place.mistakes.not_read(self.place.below(name));
            self.place.note(format!("needs the field {name}"));
        }
        self.optional(name, read).unwrap_or(stand_in)
    }

    /// A field that may be left out; also none where it cannot be read.
    pub fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Place<'a>) -> Result<T, Noted>,
    ) -> Option<T> {
        self.known.borrow_mut().push(name);
        let (key, node) = self.node?.iter().find(|(key, _)| key.as_str() == name)?;
        let line = key.span().start().map_or(self.place.line, Marker::line);
        read(&self.place.child(node, line, self.place.below(name))).ok()
    }

    /// A field that is `default` where it is left out.
    pub fn or<T>(
        &self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Place<'a>) -> Result<T, Noted>,
    ) -> T {
        self.optional(name, read).unwrap_or(default)
    }

    /// Notes where not exactly one of two fields is there.
    pub fn either(&self, [first, second]: [&str; 2]) {
        if self.node.is_some() && self.has(first) == self.has(second) {
            for name in [first, second] {
                self.place.mistakes.not_read(self.place.below(name));
            }
            self.place.note(format!("needs either {first} or {second}"));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.node.is_some_and(|node| node.get_node(name).is_some())
    }

    /// Those fields, whatever their names, that `read` can read.
    pub fn each<T>(
        &self,
        read: impl Fn(&Place<'a>) -> Result<T, Noted>,
    ) -> impl Iterator<Item = (String, T)> {
        self.node.into_iter().flat_map(|node| node.iter()).filter_map(move |(key, node)| {
            let line = key.span().start().map_or(self.place.line, Marker::line);
            let place = self.place.child(node, line, self.place.below(key.as_str()));
            Some((key.as_str().to_owned(), read(&place).ok()?))
        })
    }

    /// Notes the fields that nobody asked for.
    pub fn finish(self) {
        let known = self.known.into_inner();
        for key in self.node.into_iter().flat_map(|node| node.keys()) {
            let name = key.as_str();
            if !known.contains(&name) && !self.place.stand_ins.contains(name) {
                let line = key.span().start().map_or(self.place.line, Marker::line);
                let place = Place { line, ..self.place.clone() };
                place.note(format!("has no field {name:?}; it has {}", known.join(", ")));
            }
        }
    }
}
