//! Ids that cannot be mistaken for one another.
//!
//! Things that Perennial makes have UUIDs; things that the cloud made before it (accounts,
//! instances, products, regions) keep the names that the cloud gave them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A name given from outside is not one that Perennial accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MAX_NAME_LEN} letters, digits or any of . _ : - and start with a letter or digit"
)]
pub struct InvalidName;

/// The longest name that is accepted, in bytes.
pub const MAX_NAME_LEN: usize = 64;

fn check_name(text: &str) -> Result<(), InvalidName> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    let fits = text.len() <= MAX_NAME_LEN;
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if fits && starts_well && text.bytes().all(allowed) { Ok(()) } else { Err(InvalidName) }
}

/// Defines a type for each kind of name that comes from outside.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                check_name(&text)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// Names an account: a customer of the cloud.
    AccountId
    /// Names a third-party payment channel, as it is configured.
    ChannelName
    /// Names an instance that an account rents.
    InstanceId
    /// Names a product: a kind of instance.
    ProductId
    /// Names a region of the cloud.
    Region
}

/// Defines a type for each kind of thing that Perennial makes.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// Names what a payment channel is asked to pay: the checkout reference.
    IntentId
    /// Names a renewal order.
    OrderId
    /// Names a payment of an order; chosen by the renewal service before the wallet hears of it.
    PaymentId
    /// Names what a preview quoted.
    QuoteId
    /// Names a refund; chosen by the renewal service before the wallet hears of it.
    RefundId
    /// Names a call that makes or moves something once; chosen by the caller.
    RequestId
    /// Names a voucher.
    VoucherId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["i-7lg4bjp7wq", "a", "9", "cn-north-1", "vm.c:2_x", &"x".repeat(64)] {
            assert!(good.parse::<InstanceId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a b", "a/b", "名", "a\0", &"x".repeat(65), &"x".repeat(1 << 20)] {
            assert_eq!(bad.parse::<InstanceId>(), Err(InvalidName));
        }
    }

    #[test]
    fn a_name_that_is_not_one_is_refused_wherever_it_is_read() {
        assert!(AccountId::try_from("no name".to_owned()).is_err());
    }
}
