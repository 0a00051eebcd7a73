//! Callers and their roles.

use std::{fmt, str::FromStr, sync::Arc};

use kernel::ids::{AccountId, ProductId};

/// What a caller is, and so what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Runs the cloud: catalogs, deposits, vouchers, corrections.
    Platform,
    /// The console of a product: its own instances.
    Product(ProductId),
    /// A customer: their own account.
    Account(AccountId),
    /// One of the services of the suite.
    Service(String),
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be platform, product:ID, account:ID or service:NAME")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        if text == "platform" {
            return Ok(Self::Platform);
        }
        match text.split_once(':').ok_or(InvalidRole)? {
            ("product", id) => id.parse().map(Self::Product).map_err(|_| InvalidRole),
            ("account", id) => id.parse().map(Self::Account).map_err(|_| InvalidRole),
            ("service", name) if !name.is_empty() => Ok(Self::Service(name.to_owned())),
            _ => Err(InvalidRole),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("platform"),
            Self::Product(id) => write!(f, "product:{id}"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Service(name) => write!(f, "service:{name}"),
        }
    }
}

/// Who calls. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Caller {
    subject: Arc<str>,
    /// None: everybody, where nobody is asked who they are.
    roles: Option<Arc<[Role]>>,
}

impl Caller {
    /// Whoever `subject` is, in these roles.
    #[must_use]
    pub fn new(subject: &str, roles: impl Into<Arc<[Role]>>) -> Self {
        Self { subject: subject.into(), roles: Some(roles.into()) }
    }

    /// Whoever calls where nobody is asked who they are: may do everything.
    #[must_use]
    pub fn everybody() -> Self {
        Self { subject: "".into(), roles: None }
    }

    /// The caller whom this request carries; everybody, where it carries none.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(Self::everybody)
    }

    /// What the issuer of its token, or its certificate, calls it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// In which roles it calls; nothing where it may do everything.
    #[must_use]
    pub fn roles(&self) -> Option<&[Role]> {
        self.roles.as_deref()
    }

    /// Its roles as they are written, with spaces between them.
    #[must_use]
    pub fn roles_as_text(&self) -> String {
        let roles = self.roles().unwrap_or_default().iter();
        roles.map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Whether it is one of the services of the suite.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.roles().is_some_and(|roles| roles.iter().any(|role| matches!(role, Role::Service(_))))
    }

    /// Whether it may know of an instance of this product and account, whichever it asks for. The rows of
    /// the table of access say this by a field; this is for answers that no field foretells.
    #[must_use]
    pub fn may_see(&self, account: &AccountId, product: &ProductId) -> bool {
        self.roles().is_none_or(|roles| {
            roles.iter().any(|role| match role {
                Role::Platform | Role::Service(_) => true,
                Role::Account(own) => own == account,
                Role::Product(own) => own == product,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_are_written() {
        for text in ["platform", "product:vm", "account:acme", "service:renewal"] {
            assert_eq!(text.parse::<Role>().unwrap().to_string(), text);
        }
        for bad in ["", "root", "Platform", "product:", "account:", "service:", "account:a b"] {
            assert_eq!(bad.parse::<Role>(), Err(InvalidRole), "{bad:?}");
        }
    }

    #[test]
    fn a_caller_sees_what_one_of_its_roles_may_see() {
        let sees = |role: &str| {
            let caller = Caller::new("x", vec![role.parse().unwrap()]);
            caller.may_see(&"acme".parse().unwrap(), &"vm".parse().unwrap())
        };
        for role in ["platform", "product:vm", "account:acme", "service:renewal"] {
            assert!(sees(role), "{role}");
        }
        for role in ["product:redis", "account:other"] {
            assert!(!sees(role), "{role}");
        }
        assert!(
            !Caller::new("x", vec![]).may_see(&"acme".parse().unwrap(), &"vm".parse().unwrap())
        );
        assert!(Caller::everybody().may_see(&"acme".parse().unwrap(), &"vm".parse().unwrap()));
    }
}
