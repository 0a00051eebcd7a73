//! Amounts that are paid.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A currency that accounts may have (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(missing_docs, reason = "the names are the ISO 4217 codes")]
pub enum Currency {
    Aud,
    Brl,
    Chf,
    Cny,
    Eur,
    Gbp,
    Hkd,
    Inr,
    Jpy,
    Krw,
    Kwd,
    Sgd,
    Usd,
}

/// No currency has this code, or none that accounts may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not the code of a supported currency")]
pub struct UnknownCurrency;

impl Currency {
    /// Every currency.
    pub const ALL: [Self; 13] = [
        Self::Aud,
        Self::Brl,
        Self::Chf,
        Self::Cny,
        Self::Eur,
        Self::Gbp,
        Self::Hkd,
        Self::Inr,
        Self::Jpy,
        Self::Krw,
        Self::Kwd,
        Self::Sgd,
        Self::Usd,
    ];

    /// The ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Aud => "AUD",
            Self::Brl => "BRL",
            Self::Chf => "CHF",
            Self::Cny => "CNY",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Hkd => "HKD",
            Self::Inr => "INR",
            Self::Jpy => "JPY",
            Self::Krw => "KRW",
            Self::Kwd => "KWD",
            Self::Sgd => "SGD",
            Self::Usd => "USD",
        }
    }

    /// How many decimal digits the minor unit stands for: 2 for fen, 0 for yen, 3 for fils.
    #[must_use]
    pub const fn digits(self) -> u32 {
        match self {
            Self::Jpy | Self::Krw => 0,
            Self::Kwd => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        Self::ALL.into_iter().find(|currency| currency.code() == code).ok_or(UnknownCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;

    fn try_from(code: String) -> Result<Self, UnknownCurrency> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount of one currency, exact to its minor unit.
///
/// There is no `+`: adding amounts can fail, and a price that wrapped around or mixed currencies
/// is worse than an error.
///
/// ```
/// use kernel::{Currency, Money};
/// assert_eq!(Money::new(-1_05, Currency::Cny).to_string(), "CNY -1.05");
/// assert_eq!(Money::new(105, Currency::Jpy).to_string(), "JPY 105");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why two amounts do not combine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are in different currencies (W-6).
    #[error("{0} and {1} are different currencies")]
    MixedCurrencies(Currency, Currency),
    /// The result does not fit.
    #[error("the amount is too large")]
    Overflow,
}

impl Money {
    /// `minor` minor units of `currency`.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// `self + other`; different currencies and overflow are errors (W-6).
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// `self - other`, which may be negative; different currencies and overflow are errors (W-6).
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    /// The sum of `amounts` in `currency`; nothing adds up to zero.
    ///
    /// ```
    /// use kernel::{Currency::Cny, Currency::Usd, Money, MoneyError};
    /// let mixed = [Money::new(1, Cny), Money::new(1, Usd)];
    /// assert_eq!(Money::sum(mixed, Cny), Err(MoneyError::MixedCurrencies(Cny, Usd)));
    /// ```
    pub fn sum(
        amounts: impl IntoIterator<Item = Self>,
        currency: Currency,
    ) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }

    fn combine(self, other: Self, op: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::MixedCurrencies(self.currency, other.currency));
        }
        let minor = op(self.minor, other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        let digits = self.currency.digits();
        let unit = 10_u64.pow(digits);
        write!(f, "{} {sign}{}", self.currency, minor / unit)?;
        if digits > 0 {
            write!(f, ".{:0width$}", minor % unit, width = digits as usize)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Currency::*, *};

    #[test]
    fn amounts_of_different_currencies_never_mix() {
        let error = Money::new(1, Cny).checked_add(Money::new(1, Usd)).unwrap_err();
        assert_eq!(error.to_string(), "CNY and USD are different currencies");
    }

    #[test]
    fn amounts_do_not_wrap_around() {
        let most = Money::new(i64::MAX, Cny);
        assert_eq!(most.checked_add(Money::new(1, Cny)), Err(MoneyError::Overflow));
        assert_eq!(
            Money::new(i64::MIN, Cny).checked_sub(Money::new(1, Cny)),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        for (minor, currency, text) in [
            (0, Cny, "CNY 0.00"),
            (5, Cny, "CNY 0.05"),
            (-5, Cny, "CNY -0.05"),
            (1234, Kwd, "KWD 1.234"),
            (i64::MIN, Usd, "USD -92233720368547758.08"),
        ] {
            assert_eq!(Money::new(minor, currency).to_string(), text);
        }
    }

    #[test]
    fn every_code_names_its_currency() {
        for currency in Currency::ALL {
            assert_eq!(currency.code().parse(), Ok(currency));
        }
        for unknown in ["", "cny", "XAU", "CNYX"] {
            assert_eq!(unknown.parse::<Currency>(), Err(UnknownCurrency));
        }
    }
}
