//! Reads nodes into values and notes every mistake, not only the first.

use std::{cell::RefCell, collections::HashSet, str::FromStr};

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
pub struct Mistakes(RefCell<Vec<Mistake>>);

/// A mistake has been noted; what it is in the way of has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted;

impl Mistakes {
    /// Keeps what is wrong in `line`.
    pub fn note(&self, line: usize, problem: impl Into<String>) -> Noted {
        let mut all = self.0.borrow_mut();
        if all.len() < MAX_MISTAKES {
            all.push(Mistake { line, problem: problem.into() });
        }
        Noted
    }

    /// All of them, by line.
    pub fn sorted(self) -> Vec<Mistake> {
        let mut all = self.0.into_inner();
        all.sort();
        all.dedup();
        all
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

    /// The line that it begins in.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Notes that the node is not what it should be.
    pub fn wrong(&self, problem: impl std::fmt::Display) -> Noted {
        let path = if self.path.is_empty() { "the document" } else { &self.path };
        self.mistakes.note(self.line, format!("{path} {problem}"))
    }

    /// Notes what is wrong with a field below the node, by its path such as `unify.days.most`.
    pub fn wrong_below(&self, path: &str, problem: &str) -> Noted {
        let mut line = self.line;
        let mut node = Some(self.node);
        for name in path.split('.') {
            node = node.and_then(Node::as_mapping).and_then(|mapping| mapping.get_node(name));
            line = node.and_then(|node| node.span().start()).map_or(line, Marker::line);
        }
        self.mistakes.note(line, format!("{}.{path} {problem}", self.path))
    }

    /// The fields of a mapping.
    pub fn fields(&self) -> Result<Fields<'a>, Noted> {
        let node = self.node.as_mapping().ok_or_else(|| self.wrong("must be a mapping"))?;
        Ok(Fields { place: self.clone(), node, known: RefCell::default() })
    }

    /// The elements of a sequence, each read by `read`.
    pub fn list<T>(&self, read: impl Fn(&Self) -> Result<T, Noted>) -> Result<Vec<T>, Noted> {
        // All are read before any failure counts.
        self.readable(read)?.into_iter().collect()
    }

    /// The elements of a sequence, each read by `read`, also where some cannot be.
    pub fn readable<T>(
        &self,
        read: impl Fn(&Self) -> Result<T, Noted>,
    ) -> Result<Vec<Result<T, Noted>>, Noted> {
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
    node: &'a MarkedMappingNode,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// A field that must be there.
    pub fn required<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Place<'a>) -> Result<T, Noted>,
    ) -> Result<T, Noted> {
        let value = self.optional(name, read)?;
        value.ok_or_else(|| self.place.wrong(format!("needs the field {name}")))
    }

    /// A field that may be left out.
    pub fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Place<'a>) -> Result<T, Noted>,
    ) -> Result<Option<T>, Noted> {
        self.known.borrow_mut().push(name);
        let found = self.node.iter().find(|(key, _)| key.as_str() == name);
        let Some((key, node)) = found else { return Ok(None) };
        let line = key.span().start().map_or(self.place.line, Marker::line);
        let path = &self.place.path;
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        read(&self.place.child(node, line, path)).map(Some)
    }

    /// A field that is `default` where it is left out.
    pub fn or<T>(
        &self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Place<'a>) -> Result<T, Noted>,
    ) -> Result<T, Noted> {
        Ok(self.optional(name, read)?.unwrap_or(default))
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.node.get_node(name).is_some()
    }

    /// Every field, whatever its name, read by `read`.
    pub fn each<T>(
        &self,
        read: impl Fn(&Place<'a>) -> Result<T, Noted>,
    ) -> Result<Vec<(String, T)>, Noted> {
        let all = self.node.iter().map(|(key, node)| {
            let line = key.span().start().map_or(self.place.line, Marker::line);
            let path = format!("{}.{}", self.place.path, key.as_str());
            Ok((key.as_str().to_owned(), read(&self.place.child(node, line, path))?))
        });
        all.collect::<Vec<_>>().into_iter().collect()
    }

    /// Notes the fields that nobody asked for.
    pub fn finish(self) {
        let known = self.known.into_inner();
        for key in self.node.keys() {
            let name = key.as_str();
            if !known.contains(&name) && !self.place.stand_ins.contains(name) {
                let line = key.span().start().map_or(self.place.line, Marker::line);
                let place = Place { line, ..self.place.clone() };
                place.wrong(format!("has no field {name:?}; it has {}", known.join(", ")));
            }
        }
    }
}
