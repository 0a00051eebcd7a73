//! The compiled price list, and the one function that makes a price.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use kernel::{
    Currency, Money,
    ids::{ProductId, Region},
};
use rust_decimal::Decimal;

use super::{
    Component, Discount, DiscountFacts, MonthlyRate, PriceFacts, PriceRefused, Tier,
    component::Use,
    exact::{self, Exact, TooLarge},
    quote::{AppliedDiscount, Basis, Charge, Quote},
    tier_for,
};
use crate::{
    duration::{TermDuration, TermUnit},
    profile::{MoneyPolicy, OddDays},
    term::PricedSpan,
};

/// A price list, indexed: made by [`PriceBook::compile`], never changed.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    pub(super) version: Arc<str>,
    pub(super) products: HashMap<ProductId, ProductPrices>,
}

#[derive(Debug, Clone)]
pub(super) struct ProductPrices {
    pub(super) money_policy: MoneyPolicy,
    pub(super) policy_label: Arc<str>,
    pub(super) tiers: Vec<Tier>,
    pub(super) components: Vec<ComponentPrices>,
    /// Those whose condition may hold for the product, contracts first, then by id.
    pub(super) discounts: Vec<Arc<Discount>>,
}

#[derive(Debug, Clone)]
pub(super) struct ComponentPrices {
    pub(super) component: Component,
    /// By what selects the price; the empty text for a component that nothing selects.
    pub(super) by_sku: HashMap<String, Vec<Series>>,
}

/// The prices of one thing in one region and currency over time.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) region: Option<Region>,
    pub(super) currency: Currency,
    /// Oldest first.
    pub(super) versions: Vec<(DateTime<Utc>, MonthlyRate)>,
}

impl Series {
    /// The newest price in force at `as_of` (M-8).
    fn in_force(&self, as_of: DateTime<Utc>) -> Option<&MonthlyRate> {
        let started = self.versions.partition_point(|&(from, _)| from <= as_of);
        self.versions[..started].last().map(|(_, rate)| rate)
    }
}

impl PriceBook {
    /// What every quote is marked with: the version of the price list (M-6, M-8).
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the book prices this product.
    #[must_use]
    pub fn has(&self, product: &ProductId) -> bool {
        self.products.contains_key(product)
    }

    /// What `facts` cost, in major units exactly and rounded once to the minor unit (M-1 to M-5).
    ///
    /// It depends on nothing but the book and the facts: an instance costs the same alone and in
    /// a batch, shown and charged (M-5). Amounts are never negative.
    ///
    /// A longer duration need not cost more than a shorter one:
    ///
    /// ```
    /// # use rule_engine::price::{MonthlyRate, Pays, PriceBook, PriceEntry, PriceFacts, PriceList};
    /// # use rule_engine::{configuration::Configuration, kind::OrderKind, price, profile, term::PricedSpan};
    /// # use std::collections::BTreeMap;
    /// # let product: kernel::ids::ProductId = "vm".parse()?;
    /// # let as_of = "2024-06-01T00:00:00Z".parse()?;
    /// # let list = PriceList {
    /// #     products: vec![price::PricedProduct {
    /// #         product: product.clone(),
    /// #         money_policy: profile::MoneyPolicy {
    /// #             name: "jd".to_owned(), version: 1, rounding: profile::Rounding::Truncate,
    /// #             odd_days: profile::OddDays::DaysBeyondTerm, divisor: 30,
    /// #         },
    /// #         components: vec![price::Component { name: "vm".to_owned(), sku_from: None, quantity_from: None }],
    /// #         tiers: vec![price::Tier { from: "1y".parse()?, pays: Pays::PaysMonths(10) }],
    /// #     }],
    /// #     prices: vec![PriceEntry {
    /// #         product: product.clone(), component: "vm".to_owned(), sku: None, region: None,
    /// #         currency: kernel::Currency::Cny, effective_from: as_of,
    /// #         rate: MonthlyRate::Monthly(56.into()),
    /// #     }],
    /// #     discounts: vec![],
    /// # };
    /// let book = PriceBook::compile("jdcloud.1", &list).expect("a price list without mistakes");
    /// let price = |duration: &str| {
    ///     let duration: rule_engine::duration::TermDuration = duration.parse().unwrap();
    ///     let span = PricedSpan {
    ///         duration: Some(duration), whole_months: duration.months(), odd_days: 0, total_days: 0,
    ///     };
    ///     let facts = PriceFacts {
    ///         product: &product, region: &"cn-north-1".parse().unwrap(),
    ///         configuration: &Configuration::default(), currency: kernel::Currency::Cny, span,
    ///         order_kind: OrderKind::Renewal, account_labels: &BTreeMap::new(), as_of,
    ///     };
    ///     book.quote(&facts).map(|quote| quote.payable.to_string())
    /// };
    /// assert_eq!(price("11m")?, "CNY 616.00");
    /// assert_eq!(price("1y")?, "CNY 560.00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn quote<'b>(&'b self, facts: &PriceFacts<'b>) -> Result<Quote<'b>, PriceRefused> {
        let product = self
            .products
            .get(facts.product)
            .ok_or_else(|| PriceRefused::UnknownProduct(facts.product.clone()))?;
        let charges = product.charges(facts)?;
        let monthly = total_of(&charges)?;
        let sum = product.sum(monthly, facts)?;
        let payable = sum.total.to_minor(facts.currency.digits(), product.money_policy.rounding)?;
        Ok(Quote {
            payable: Money::new(payable, facts.currency),
            monthly: monthly.normalize(),
            price_version: &self.version,
            money_policy: &product.policy_label,
            policy: &product.money_policy,
            span: facts.span,
            charges,
            tier: sum.tier,
            discount: sum.discount,
            basis: sum.basis,
            exact: sum.total,
        })
    }
}

/// What [`ProductPrices::sum`] comes to.
struct Sum<'b> {
    tier: Option<&'b Tier>,
    discount: Option<AppliedDiscount<'b>>,
    basis: Basis,
    total: Exact,
}

/// The price of one month.
fn total_of(charges: &[Charge<'_>]) -> Result<Decimal, TooLarge> {
    charges.iter().try_fold(Decimal::ZERO, |sum, charge| exact::plus(sum, charge.monthly()?))
}

impl ProductPrices {
    /// What the configuration consists of, each part with its price (M-1).
    fn charges<'b>(&'b self, facts: &PriceFacts<'b>) -> Result<Vec<Charge<'b>>, PriceRefused> {
        let mut charges = Vec::with_capacity(self.components.len());
        for part in &self.components {
            if let Some(used) = part.component.used_by(facts.configuration)? {
                let rate = part.rate(used, facts)?;
                part.charge(used, rate, &mut charges)?;
            }
        }
        if charges.is_empty() && !self.components.is_empty() {
            return Err(PriceRefused::NothingPriced);
        }
        Ok(charges)
    }

    /// Months × monthly × tier + odd days, less the best discount (M-2, M-3, M-4).
    fn sum<'b>(&'b self, monthly: Decimal, facts: &PriceFacts<'_>) -> Result<Sum<'b>, TooLarge> {
        let span = facts.span;
        let months = span.duration.map_or(span.whole_months, TermDuration::months);
        let priced_as = match span.duration {
            Some(duration) => Some(duration),
            // Whole months that nobody chose are priced as months (M-4); none of them has no tier.
            None => TermDuration::new(TermUnit::Month, months).ok(),
        };
        let tier = priced_as.and_then(|duration| tier_for(&self.tiers, duration));
        let (share, of) = tier.map_or((Decimal::ONE, 1), Tier::share);
        let list = exact::times(monthly, months.into())?;
        let term = Exact::new(exact::times(list, share)?, of);
        let (gross, tier, basis) = match self.by_all_days(monthly, facts.span, months)? {
            Some(days) if days.compare(term)?.is_gt() => (days, None, Basis::AllDays),
            _ => {
                let odd = exact::times(monthly, span.odd_days.into())?;
                let odd = Exact::new(odd, self.money_policy.divisor);
                let gross = if span.odd_days == 0 { term } else { term.plus(odd)? };
                (gross, tier, Basis::Term { months })
            }
        };
        let discount = self.best_discount(gross, months, facts)?;
        let total = discount.as_ref().map_or(gross, |discount| discount.left);
        Ok(Sum { tier, discount, basis, total })
    }

    /// The price by `DAYS_BEYOND_30`, where the policy counts so: monthly + (days − 30) × monthly
    /// ÷ 30, which is days × monthly ÷ 30 (M-4). A term without odd days is sold by the month.
    fn by_all_days(
        &self,
        monthly: Decimal,
        span: PricedSpan,
        months: u32,
    ) -> Result<Option<Exact>, TooLarge> {
        let one_month_or_none = span.duration.is_none() || months == 1;
        if self.money_policy.odd_days != OddDays::DaysBeyond30
            || span.odd_days == 0
            || !one_month_or_none
        {
            return Ok(None);
        }
        Ok(Some(Exact::new(exact::times(monthly, span.total_days.into())?, 30)))
    }

    /// The discount that leaves the least; of equal ones the first, which is the contract, then
    /// the lowest id (M-3). One that takes nothing off is none.
    fn best_discount<'b>(
        &'b self,
        gross: Exact,
        months: u32,
        facts: &PriceFacts<'_>,
    ) -> Result<Option<AppliedDiscount<'b>>, TooLarge> {
        let asked = DiscountFacts {
            product: facts.product,
            region: facts.region,
            duration: facts.span.duration,
            months,
            order_kind: facts.order_kind,
            account_labels: facts.account_labels,
        };
        let mut best: Option<AppliedDiscount<'b>> = None;
        for discount in self.discounts.iter().filter(|each| each.applies(&asked, facts.as_of)) {
            let left = discount.left_of(gross, facts.currency)?;
            let to_beat = best.as_ref().map_or(gross, |best| best.left);
            if left.compare(to_beat)?.is_lt() {
                best = Some(AppliedDiscount { discount, left });
            }
        }
        Ok(best)
    }
}

impl ComponentPrices {
    /// The price in force: of the region before that of all regions, the newest first (M-1, M-8).
    fn rate(&self, used: Use<'_>, facts: &PriceFacts<'_>) -> Result<&MonthlyRate, PriceRefused> {
        let series = self.by_sku.get(used.sku.unwrap_or_default()).map_or(&[][..], Vec::as_slice);
        let mut elsewhere = false;
        let mut general = None;
        for each in series {
            let own = each.region.as_ref() == Some(facts.region);
            if !own && each.region.is_some() {
                continue;
            }
            let Some(rate) = each.in_force(facts.as_of) else { continue };
            if each.currency != facts.currency {
                elsewhere = true;
            } else if own {
                return Ok(rate);
            } else {
                general = Some(rate);
            }
        }
        general.ok_or_else(|| {
            let component = self.component.name.clone();
            if elsewhere {
                PriceRefused::CurrencyMismatch { component, currency: facts.currency }
            } else {
                PriceRefused::NoPrice { component, sku: used.sku.map(str::to_owned) }
            }
        })
    }

    /// Adds what `used` costs at `rate`: one charge, or one for each bracket reached (M-1).
    fn charge<'b>(
        &'b self,
        used: Use<'b>,
        rate: &'b MonthlyRate,
        charges: &mut Vec<Charge<'b>>,
    ) -> Result<(), PriceRefused> {
        let component = self.component.name.as_str();
        let mut push = |unit_price, quantity| {
            charges.push(Charge { component, sku: used.sku, unit_price, quantity });
        };
        let brackets = match rate {
            MonthlyRate::Monthly(unit_price) => {
                push(*unit_price, used.quantity);
                return Ok(());
            }
            MonthlyRate::Brackets(brackets) => brackets,
        };
        let mut from = Decimal::ZERO;
        for bracket in brackets {
            let reached = bracket.up_to.map_or(used.quantity, |up_to| up_to.min(used.quantity));
            push(bracket.monthly, reached - from);
            from = reached;
            if from == used.quantity {
                return Ok(());
            }
        }
        Err(PriceRefused::NoPrice {
            component: component.to_owned(),
            sku: used.sku.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests;
