//! Arithmetic that is exact or refuses: an amount is a decimal numerator over a whole denominator,
//! so that a thirtieth of a price loses nothing before the one rounding (M-5).

use std::cmp::Ordering;

use rust_decimal::{Decimal, RoundingStrategy};

use crate::profile::Rounding;

/// Digits after the point at which a part of a bill is cut that no decimal can state exactly.
const SHOWN_DIGITS: u32 = 12;

/// An exact amount of money in major units. Never negative here; the sign of a line is its kind's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exact {
    numerator: Decimal,
    denominator: u32,
}

/// A result has more digits than can be kept: it is refused rather than rounded in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// `a * b` without a lost digit.
pub(super) fn times(a: Decimal, b: Decimal) -> Result<Decimal, TooLarge> {
    if a.is_zero() || b.is_zero() {
        return Ok(Decimal::ZERO);
    }
    let product = a.checked_mul(b).ok_or(TooLarge)?;
    if product.scale() == a.scale() + b.scale() {
        return Ok(product);
    }
    // The digits did not fit as written; they may without their trailing zeros.
    let (a, b) = (a.normalize(), b.normalize());
    let product = a.checked_mul(b).ok_or(TooLarge)?;
    if product.scale() == a.scale() + b.scale() { Ok(product) } else { Err(TooLarge) }
}

/// `a + b` without a lost digit.
pub(super) fn plus(a: Decimal, b: Decimal) -> Result<Decimal, TooLarge> {
    let sum = a.checked_add(b).ok_or(TooLarge)?;
    if a.is_zero() || b.is_zero() || sum.scale() == a.scale().max(b.scale()) {
        return Ok(sum);
    }
    let (a, b) = (a.normalize(), b.normalize());
    let sum = a.checked_add(b).ok_or(TooLarge)?;
    if sum.scale() == a.scale().max(b.scale()) { Ok(sum) } else { Err(TooLarge) }
}

impl Exact {
    /// `numerator / denominator`; a denominator of zero is taken for one.
    pub(super) fn new(numerator: Decimal, denominator: u32) -> Self {
        debug_assert!(denominator > 0, "profiles with a divisor of zero are refused");
        Self { numerator, denominator: denominator.max(1) }
    }

    /// The amount times `factor`.
    pub(super) fn scaled(self, factor: Decimal) -> Result<Self, TooLarge> {
        Ok(Self { numerator: times(self.numerator, factor)?, ..self })
    }

    /// The sum.
    pub(super) fn plus(self, other: Self) -> Result<Self, TooLarge> {
        if self.denominator == other.denominator {
            return Ok(Self { numerator: plus(self.numerator, other.numerator)?, ..self });
        }
        let numerator = plus(
            times(self.numerator, other.denominator.into())?,
            times(other.numerator, self.denominator.into())?,
        )?;
        let denominator = self.denominator.checked_mul(other.denominator).ok_or(TooLarge)?;
        Ok(Self { numerator, denominator })
    }

    /// What is left after `amount` is taken off: at least nothing.
    pub(super) fn less(self, amount: Decimal) -> Result<Self, TooLarge> {
        let taken = times(amount, self.denominator.into())?;
        if taken >= self.numerator {
            return Ok(Self { numerator: Decimal::ZERO, ..self });
        }
        Ok(Self { numerator: plus(self.numerator, -taken)?, ..self })
    }

    /// Which of two amounts is larger.
    pub(super) fn compare(self, other: Self) -> Result<Ordering, TooLarge> {
        let left = times(self.numerator, other.denominator.into())?;
        let right = times(other.numerator, self.denominator.into())?;
        Ok(left.cmp(&right))
    }

    /// The amount as a decimal: exact where a decimal can state it, else to twelve digits.
    pub(super) fn shown(self) -> Decimal {
        let quotient = self.numerator / Decimal::from(self.denominator);
        if times(quotient, self.denominator.into()) == Ok(self.numerator) {
            quotient.normalize()
        } else {
            quotient
                .round_dp_with_strategy(SHOWN_DIGITS, RoundingStrategy::MidpointAwayFromZero)
                .normalize()
        }
    }

    /// The amount in minor units of `digits` decimal digits, rounded from the exact value (M-5).
    pub(super) fn to_minor(self, digits: u32, rounding: Rounding) -> Result<i64, TooLarge> {
        let power = |digits| 10_i128.checked_pow(digits).ok_or(TooLarge);
        let scaled = self.numerator.mantissa().checked_mul(power(digits)?);
        let numerator = scaled.ok_or(TooLarge)?;
        let unit = power(self.numerator.scale())?;
        let denominator = unit.checked_mul(self.denominator.into()).ok_or(TooLarge)?;
        let (quotient, rest) = (numerator / denominator, numerator % denominator);
        let up = match rounding {
            Rounding::HalfUp => rest >= denominator - rest,
            Rounding::Truncate => false,
        };
        i64::try_from(quotient + i128::from(up)).map_err(|_| TooLarge)
    }
}

#[cfg(test)]
mod tests;
