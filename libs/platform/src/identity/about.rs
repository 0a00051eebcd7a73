//! What a request says that it is about, read from its bytes: most requests are decoded only by their
//! handlers.

use prost::{
    bytes::Buf as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_reflect::{Kind, MessageDescriptor};

/// Where requests say whose they are, the first that there is.
const ACCOUNT: [&str; 2] = ["account_id", "charge.account_id"];

/// By what requests are told apart, the first that there is.
const REQUEST: [&str; 4] = ["request_id", "refund_id", "charge.payment_id", "payment_id"];

/// The longest of either that is kept, in characters.
const LONGEST: usize = 64;

/// The numbers of the fields that lead to a text.
type Path = Vec<u32>;

/// Where requests of one kind say what they are about.
#[derive(Debug, Clone)]
pub(super) struct Places {
    account: Option<Path>,
    request: Option<Path>,
}

/// What a request is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct About {
    /// Whose it is; empty: nobody's, or many's.
    pub account: String,
    /// By what it is told from others; empty where repeats do no harm.
    pub request: String,
}

impl Places {
    pub(super) fn of(message: &MessageDescriptor) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| path(message, name));
        Self { account: first(&ACCOUNT), request: first(&REQUEST) }
    }

    /// What `message` says, which may be anything.
    pub(super) fn read(&self, message: &[u8]) -> About {
        let read = |path: &Option<Path>| {
            let found = path.as_ref().and_then(|path| text(message, path));
            let plain =
                |text: &str| text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
            found.map_or_else(String::new, plain)
        };
        About { account: read(&self.account), request: read(&self.request) }
    }
}

/// The numbers of the fields with these names, if they lead to a text.
fn path(message: &MessageDescriptor, names: &str) -> Option<Path> {
    let (name, rest) = names.split_once('.').unwrap_or((names, ""));
    let field = message.get_field_by_name(name).filter(|field| !field.is_list())?;
    let mut numbers = vec![field.number()];
    match field.kind() {
        Kind::String if rest.is_empty() => {}
        Kind::Message(inner) if !rest.is_empty() => numbers.extend(path(&inner, rest)?),
        _ => return None,
    }
    Some(numbers)
}

/// The text at the end of `path`. Of a field that is there several times the last counts, as it does for
/// whoever decodes the message.
fn text<'m>(message: &'m [u8], path: &[u32]) -> Option<&'m str> {
    let (&wanted, rest) = path.split_first()?;
    let mut found = None;
    let mut left = message;
    while left.has_remaining() {
        let (number, wire) = decode_key(&mut left).ok()?;
        if number == wanted && wire == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut left).ok()?).ok()?;
            let (value, after) = left.split_at_checked(length)?;
            left = after;
            let inner =
                if rest.is_empty() { std::str::from_utf8(value).ok() } else { text(value, rest) };
            found = inner.or(found);
        } else {
            skip_field(wire, number, &mut left, DecodeContext::default()).ok()?;
        }
    }
    found
}

#[cfg(test)]
mod tests;
