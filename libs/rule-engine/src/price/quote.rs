//! A price, and how it came about (M-5, M-6, M-9).

use kernel::{Currency, Money};
use rust_decimal::Decimal;

use super::{
    Discount, Off, PriceRefused, Tier,
    exact::{self, Exact, TooLarge},
};
use crate::{
    profile::{MoneyPolicy, Rounding},
    term::PricedSpan,
};

/// The price of one item. Made by [`PriceBook::quote`](super::PriceBook::quote) only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote<'b> {
    /// What is to be paid: rounded once (M-5).
    pub payable: Money,
    /// The price of one month, exact, in major units.
    pub monthly: Decimal,
    /// The price list that it was made from (M-6).
    pub price_version: &'b str,
    /// Name and version of the money policy that it was made by (M-9).
    pub money_policy: &'b str,
    /// The time priced.
    pub span: PricedSpan,
    /// What the configuration consists of.
    pub charges: Vec<Charge<'b>>,
    /// The tier of the duration, if there is one and it is used (M-2).
    pub tier: Option<&'b Tier>,
    /// The one discount that is taken off, if there is one (M-3).
    pub discount: Option<AppliedDiscount<'b>>,
    pub(super) policy: &'b MoneyPolicy,
    pub(super) basis: Basis,
    pub(super) exact: Exact,
}

/// Which way of counting a price follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// Months, then odd days.
    Term { months: u32 },
    /// All days, as thirtieths of a month.
    AllDays,
}

/// A quantity of something at one unit price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge<'b> {
    /// The component.
    pub component: &'b str,
    /// What selected its price, if anything did.
    pub sku: Option<&'b str>,
    /// Major units for one unit and month.
    pub unit_price: Decimal,
    /// How many units; of a graduated price those within one bracket.
    pub quantity: Decimal,
}

impl Charge<'_> {
    /// The price of one month.
    pub(super) fn monthly(&self) -> Result<Decimal, TooLarge> {
        exact::times(self.unit_price, self.quantity)
    }
}

/// A discount, and what it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedDiscount<'b> {
    /// The discount.
    pub discount: &'b Discount,
    pub(super) left: Exact,
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it stands for.
    pub kind: LineKind,
    /// How it came about, for people.
    pub text: String,
    /// Exact, in major units; negative where it takes off. Parts that no decimal can state are
    /// shown to twelve digits, and the rounding line closes the gap.
    pub amount: Decimal,
    /// The rules behind it.
    pub rules: &'static [&'static str],
}

/// What a line stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// A component for the months of the term.
    Component,
    /// What the tier takes off.
    Tier,
    /// Odd days.
    OddDays,
    /// What the discount takes off.
    Discount,
    /// What rounding adds or erases.
    Rounding,
}

impl Quote<'_> {
    /// The exact price before tier and discount, odd days included, in major units (M-3).
    #[must_use]
    pub fn list_price(&self) -> Decimal {
        self.term_list().checked_add(self.days_list()).unwrap_or(Decimal::MAX).normalize()
    }

    /// `payable` less the exact price, in major units: what rounding added, or erased if negative.
    /// Never as much as one minor unit (M-5).
    #[must_use]
    pub fn rounding_difference(&self) -> Decimal {
        (self.payable_major() - self.exact.shown()).normalize()
    }

    /// The bill, line by line; the amounts add up to the payable (M-5, M-9).
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = self.term_lines();
        lines.extend(self.days_line());
        let gross = lines.iter().map(|line| line.amount).sum::<Decimal>();
        lines.extend(self.discount.as_ref().map(|applied| discount_line(applied, gross)));
        let shown = lines.iter().map(|line| line.amount).sum::<Decimal>();
        let difference = (self.payable_major() - shown).normalize();
        if !difference.is_zero() {
            lines.push(self.rounding_line(difference));
        }
        lines
    }

    fn payable_major(&self) -> Decimal {
        Decimal::new(self.payable.minor(), self.payable.currency().digits())
    }

    fn term_list(&self) -> Decimal {
        match self.basis {
            Basis::Term { months } => self.monthly.saturating_mul(months.into()),
            Basis::AllDays => Decimal::ZERO,
        }
    }

    fn days_list(&self) -> Decimal {
        let (days, divisor) = self.days();
        Exact::new(self.monthly.saturating_mul(days.into()), divisor).shown()
    }

    /// The days that are priced as days, and how many of them cost as much as a month (M-4).
    fn days(&self) -> (u32, u32) {
        match self.basis {
            Basis::Term { .. } => (self.span.odd_days, self.policy.divisor),
            Basis::AllDays => (self.span.total_days, 30),
        }
    }

    /// A line for each charge, and one for what the tier takes off.
    fn term_lines(&self) -> Vec<Line> {
        let Basis::Term { months } = self.basis else { return Vec::new() };
        if months == 0 {
            return Vec::new();
        }
        let mut lines: Vec<_> =
            self.charges.iter().map(|charge| component_line(charge, months)).collect();
        if let Some(tier) = self.tier {
            let list = self.term_list();
            let (share, of) = tier.share();
            let paid = Exact::new(list.saturating_mul(share), of).shown();
            let text = format!("{tier}: {} × {share}{}", list.normalize(), over(of));
            let amount = (paid - list).normalize();
            lines.push(Line { kind: LineKind::Tier, text, amount, rules: &["M-2"] });
        }
        lines
    }

    fn days_line(&self) -> Option<Line> {
        let (days, divisor) = self.days();
        if days == 0 {
            return None;
        }
        let monthly = self.monthly;
        let text = match self.basis {
            Basis::Term { .. } => format!("odd days: {monthly} × {days}/{divisor}"),
            Basis::AllDays => {
                let beyond = i64::from(days) - 30;
                format!("{days} days: {monthly} + {monthly} × {beyond}/30")
            }
        };
        Some(Line { kind: LineKind::OddDays, text, amount: self.days_list(), rules: &["M-4"] })
    }

    fn rounding_line(&self, amount: Decimal) -> Line {
        let digits = self.payable.currency().digits();
        let how = match self.policy.rounding {
            Rounding::HalfUp => "rounded half up",
            Rounding::Truncate => "truncated",
        };
        let text = format!("{how} to {digits} digits ({})", self.money_policy);
        Line { kind: LineKind::Rounding, text, amount, rules: &["M-5", "M-9"] }
    }
}

fn component_line(charge: &Charge<'_>, months: u32) -> Line {
    let Charge { component, sku, unit_price, quantity } = charge;
    let name = sku.map_or_else(|| (*component).to_owned(), |sku| format!("{component} {sku}"));
    let unit_price = unit_price.normalize();
    let plural = if months == 1 { "" } else { "s" };
    let text = format!("{name}: {unit_price} × {quantity} × {months} month{plural}");
    let amount = unit_price.saturating_mul(*quantity).saturating_mul(months.into()).normalize();
    Line { kind: LineKind::Component, text, amount, rules: &["M-1", "M-2"] }
}

fn discount_line(applied: &AppliedDiscount<'_>, gross: Decimal) -> Line {
    let Discount { id, name, off, .. } = applied.discount;
    let how = match off {
        Off::PercentOff(percent) => format!("{} % off", percent.normalize()),
        Off::AmountOff { amount, currency } => format!("{currency} {amount} off"),
    };
    let text = format!("{name} ({id}): {how}");
    let amount = (applied.left.shown() - gross).normalize();
    Line { kind: LineKind::Discount, text, amount, rules: &["M-3"] }
}

/// ` ÷ denominator`, unless that changes nothing.
fn over(denominator: u32) -> String {
    if denominator == 1 { String::new() } else { format!(" ÷ {denominator}") }
}

/// An order's payable: the sum of its items', never rounded again (M-5). Amounts in another
/// currency are refused, and so is a sum that does not fit.
///
/// Three items of half a fen are three fen, not two:
///
/// ```
/// use kernel::{Currency::Cny, Money};
/// use rule_engine::price::order_total;
/// let rounded_up = Money::new(1, Cny);
/// assert_eq!(order_total([rounded_up; 3], Cny), Ok(Money::new(3, Cny)));
/// assert!(order_total([Money::new(i64::MAX, Cny), rounded_up], Cny).is_err());
/// ```
pub fn order_total(
    items: impl IntoIterator<Item = Money>,
    currency: Currency,
) -> Result<Money, PriceRefused> {
    Money::sum(items, currency).map_err(|error| match error {
        kernel::MoneyError::Overflow => PriceRefused::AmountTooLarge,
        kernel::MoneyError::MixedCurrencies(..) => {
            PriceRefused::CurrencyMismatch { component: "the order".to_owned(), currency }
        }
    })
}
