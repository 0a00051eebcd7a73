//! Who may make a call, as data.

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::{Caller, Role};

/// Who may make one call.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// Its path, such as `/perennial.renewal.v1.OrderService/GetOrder`.
    pub method: &'static str,
    /// Any of whom may make it.
    pub callers: &'static [Who],
}

/// Somebody who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody who has proved who they are, and has a role.
    Identified,
    /// Who runs the cloud.
    Platform,
    /// The service of the suite with this name.
    Service(&'static str),
    /// The service of the suite with this name, where this flag of the request is set.
    ServiceWhere(&'static str, &'static str),
    /// The account that this field of the request names.
    Account(&'static str),
    /// The product that this field of the request names: of each row, where the path leads into rows.
    Product(&'static str),
    /// Any product; the handler looks at whose the answer is ([`Caller::may_see`]).
    AnyProduct,
}

/// What the table says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be made.
    Allowed,
    /// Nobody with the caller's roles may make it.
    Denied,
    /// That depends on the request.
    Depends,
    /// It may be made, but not about that: what is not the caller's is not there for them. The kind of
    /// thing.
    NotTheirs(&'static str),
}

impl Access {
    /// Whether `caller` may make the call with this request, where it depends on that.
    pub(super) fn verdict(&self, caller: &Caller, request: Option<&DynamicMessage>) -> Verdict {
        if caller.roles().is_none() {
            return Verdict::Allowed;
        }
        let verdicts = self.callers.iter().map(|who| who.verdict(caller, request));
        verdicts.fold(Verdict::Denied, Verdict::or)
    }
}

impl Verdict {
    /// The better one for the caller.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Allowed, _) | (_, Self::Allowed) => Self::Allowed,
            (Self::Depends, _) | (_, Self::Depends) => Self::Depends,
            (Self::Denied, other) => other,
            (this, _) => this,
        }
    }
}

impl Who {
    fn verdict(self, caller: &Caller, request: Option<&DynamicMessage>) -> Verdict {
        let verdicts = caller.roles().unwrap_or_default().iter().map(|role| match (self, role) {
            (Self::Identified, _)
            | (Self::Platform, Role::Platform)
            | (Self::AnyProduct, Role::Product(_)) => Verdict::Allowed,
            (Self::Service(name), Role::Service(own)) if name == own => Verdict::Allowed,
            (Self::ServiceWhere(name, flag), Role::Service(own)) if name == own => {
                request.map_or(Verdict::Depends, |request| flagged(request, flag))
            }
            (Self::Account(path), Role::Account(own)) => {
                named(request, path, own.as_str(), "account")
            }
            (Self::Product(path), Role::Product(own)) => {
                named(request, path, own.as_str(), "product")
            }
            _ => Verdict::Denied,
        });
        verdicts.fold(Verdict::Denied, Verdict::or)
    }
}

/// Whether the flag `name` of `request` is set.
fn flagged(request: &DynamicMessage, name: &str) -> Verdict {
    let flag = request.get_field_by_name(name);
    if flag.and_then(|flag| flag.as_bool()) == Some(true) {
        Verdict::Allowed
    } else {
        Verdict::Denied
    }
}

/// Whether `path` leads to `own` in `request`, and nowhere else.
fn named(request: Option<&DynamicMessage>, path: &str, own: &str, kind: &'static str) -> Verdict {
    let Some(request) = request else { return Verdict::Depends };
    let mut found = Vec::new();
    collect(request, path, &mut found);
    if !found.is_empty() && found.iter().all(|name| name == own) {
        Verdict::Allowed
    } else {
        Verdict::NotTheirs(kind)
    }
}

/// The texts to which a path of field names leads, of each row where a field has several.
fn collect(message: &DynamicMessage, path: &str, found: &mut Vec<String>) {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(field) = message.descriptor().get_field_by_name(name) else { return };
    let value = message.get_field(&field);
    let values = match value.as_list() {
        Some(values) => values,
        None => std::slice::from_ref(value.as_ref()),
    };
    for value in values {
        match value {
            Value::String(text) if rest.is_empty() => found.push(text.clone()),
            Value::Message(inner) => collect(inner, rest, found),
            _ => {}
        }
    }
}
