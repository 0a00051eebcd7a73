//! Reads messages from YAML, of which JSON is a part.
//!
//! Field names are the contract's. Beside the protobuf mapping, values may stand as people write
//! them: `CNY 100.00`, `2026-01-31`, `6m`, `AUTO`, and a configuration as a plain mapping.

use chrono_tz::Tz;
use marked_yaml::{LoadError, LoaderOptions, Marker, Node, types::MarkedScalarNode};
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, Value};
use proto::r#type::v1::{Configuration, Decimal, Setting};

use crate::client::value;

/// Something in a file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1; 0 if it is not known.
    pub line: usize,
    /// Where and what: the rest of a sentence that begins with the name of a field.
    pub what: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// The messages in `text`: a list of them, or one alone. Every mistake at once. Dates and times
/// without a zone of their own are in `zone`.
pub fn read_rows<M: Message + Name + Default>(
    text: &str,
    zone: Tz,
) -> Result<Vec<M>, Vec<Mistake>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let options = || LoaderOptions::default().error_on_duplicate_keys(true);
    let list = marked_yaml::parse_yaml_with_options(0, text, options().toplevel_sequence());
    let one = || marked_yaml::parse_yaml_with_options(0, text, options().toplevel_mapping());
    let root = match list {
        Err(LoadError::TopLevelMustBeSequence(_)) => one(),
        other => other,
    };
    let root = root.map_err(|error| vec![not_yaml(&error)])?;
    let rows = root.as_sequence().map_or_else(|| vec![&root], |rows| rows.iter().collect());
    let mut reader = Reader { zone, mistakes: Vec::new() };
    let descriptor = super::descriptor::<M>();
    let messages: Vec<_> =
        rows.iter().filter_map(|row| reader.message(row, &descriptor, "")).collect();
    if !reader.mistakes.is_empty() {
        return Err(reader.mistakes);
    }
    let typed = messages.iter().map(DynamicMessage::transcode_to);
    typed
        .collect::<Result<_, _>>()
        .map_err(|error| vec![Mistake { line: 0, what: error.to_string() }])
}

struct Reader {
    zone: Tz,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn note<T>(&mut self, node: &Node, path: &str, what: impl std::fmt::Display) -> Option<T> {
        let line = node.span().start().map_or(0, Marker::line);
        let what = if path.is_empty() { what.to_string() } else { format!("{path} {what}") };
        self.mistakes.push(Mistake { line, what });
        None
    }

    fn message(
        &mut self,
        node: &Node,
        descriptor: &prost_reflect::MessageDescriptor,
        path: &str,
    ) -> Option<DynamicMessage> {
        if let Some(text) = node.as_scalar()
            && let Some(value) = well_known(text.as_str(), descriptor.full_name(), self.zone)
        {
            return value.or_else(|error| self.note(node, path, error).ok_or(())).ok();
        }
        let Some(mapping) = node.as_mapping() else {
            return self.note(node, path, "must be a mapping");
        };
        if descriptor.full_name() == "perennial.type.v1.Configuration"
            && mapping.get_node("settings").is_none_or(|node| node.as_sequence().is_none())
        {
            return self.configuration(node, path);
        }
        let mut message = DynamicMessage::new(descriptor.clone());
        for (name, value) in mapping.iter() {
            let path = join(path, name.as_str());
            let field = descriptor
                .get_field_by_name(name.as_str())
                .or_else(|| descriptor.get_field_by_json_name(name.as_str()));
            let Some(field) = field else {
                self.note::<()>(value, &path, "is not a field of this");
                continue;
            };
            if let Some(value) = self.field(value, &field, &path) {
                message.set_field(&field, value);
            }
        }
        Some(message)
    }

    fn configuration(&mut self, node: &Node, path: &str) -> Option<DynamicMessage> {
        let mut settings = Vec::new();
        for (name, value) in node.as_mapping()?.iter() {
            match value.as_scalar() {
                Some(value) => settings.push(Setting {
                    name: name.as_str().to_owned(),
                    value: value.as_str().to_owned(),
                }),
                None => self.note(value, &join(path, name.as_str()), "must be a single value")?,
            }
        }
        Some(dynamic(&Configuration { settings }))
    }

    fn field(&mut self, node: &Node, field: &FieldDescriptor, path: &str) -> Option<Value> {
        if field.is_list() {
            let Some(rows) = node.as_sequence() else {
                return self.note(node, path, "must be a list");
            };
            let each = |(i, row)| self.value(row, &field.kind(), &format!("{path}[{i}]"));
            return Some(Value::List(rows.iter().enumerate().filter_map(each).collect()));
        }
        if field.is_map() {
            let Some(mapping) = node.as_mapping() else {
                return self.note(node, path, "must be a mapping");
            };
            let kind = field.kind().as_message()?.map_entry_value_field().kind();
            let each = |(name, value): (&MarkedScalarNode, &Node)| {
                let value = self.value(value, &kind, &join(path, name.as_str()))?;
                Some((MapKey::String(name.as_str().to_owned()), value))
            };
            return Some(Value::Map(mapping.iter().filter_map(each).collect()));
        }
        self.value(node, &field.kind(), path)
    }

    fn value(&mut self, node: &Node, kind: &Kind, path: &str) -> Option<Value> {
        if let Kind::Message(descriptor) = kind {
            return self.message(node, descriptor, path).map(Value::Message);
        }
        let Some(scalar) = node.as_scalar() else {
            return self.note(node, path, "must be a single value");
        };
        let text = scalar.as_str();
        let value = match kind {
            Kind::String => Ok(Value::String(text.to_owned())),
            Kind::Bool => text.parse().map(Value::Bool).map_err(|_| "must be true or false".into()),
            Kind::Int32 => text.parse().map(Value::I32).map_err(|_| "must be a number".into()),
            Kind::Int64 => text.parse().map(Value::I64).map_err(|_| "must be a number".into()),
            Kind::Enum(words) => word(text, words).map(Value::EnumNumber),
            other => Err(format!("is of a kind that files cannot have: {other:?}")),
        };
        value.or_else(|error: String| self.note(node, path, error).ok_or(())).ok()
    }
}

/// Values that have a form of their own in text; `None` for messages that have none.
fn well_known(text: &str, name: &str, zone: Tz) -> Option<Result<DynamicMessage, String>> {
    let value = match name {
        "google.protobuf.Timestamp" => value::instant(text, zone).map(|time| dynamic(&time)),
        "perennial.type.v1.Date" => value::date(text).map(|date| dynamic(&date)),
        "perennial.type.v1.TermDuration" => value::duration(text).map(|term| dynamic(&term)),
        "perennial.type.v1.Money" => value::money(text).map(|amount| dynamic(&amount)),
        "perennial.type.v1.Decimal" => Ok(dynamic(&Decimal { value: text.to_owned() })),
        "perennial.renewal.v1.StandardDay" => value::standard_day(text).map(|day| dynamic(&day)),
        _ => return None,
    };
    Some(value)
}

/// What keeps a file from being YAML, with its line.
fn not_yaml(error: &LoadError) -> Mistake {
    let line = match error {
        LoadError::TopLevelMustBeMapping(marker)
        | LoadError::TopLevelMustBeSequence(marker)
        | LoadError::UnexpectedAnchor(marker)
        | LoadError::MappingKeyMustBeScalar(marker)
        | LoadError::UnexpectedTag(marker)
        | LoadError::ScanError(marker, _) => marker.line(),
        LoadError::DuplicateKey(keys) => keys.key.span().start().map_or(0, Marker::line),
    };
    Mistake { line, what: error.to_string() }
}

fn dynamic<M: Message + Name>(message: &M) -> DynamicMessage {
    let mut dynamic = DynamicMessage::new(super::descriptor::<M>());
    dynamic.transcode_from(message).expect("a message is of its own type");
    dynamic
}

/// The number of an enum's word, with or without the prefix that all its words have.
fn word(text: &str, words: &EnumDescriptor) -> Result<i32, String> {
    let unspecified = words.default_value();
    let prefix = unspecified.name().strip_suffix("UNSPECIFIED").unwrap_or_default();
    let found = words.values().filter(|word| word.number() != 0).find(|word| {
        let name = word.name();
        [name, name.strip_prefix(prefix).unwrap_or(name)]
            .iter()
            .any(|n| n.eq_ignore_ascii_case(text))
    });
    found.map(|word| word.number()).ok_or_else(|| {
        let names = words.values().filter(|word| word.number() != 0);
        let names = names.map(|word| word.name().trim_start_matches(prefix).to_owned());
        format!("must be one of {}", names.collect::<Vec<_>>().join(", "))
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
