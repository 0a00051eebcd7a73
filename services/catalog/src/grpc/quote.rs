//! Prices on the wire.

use proto::catalog::v1 as pb;
use rule_engine::price::{Line, LineKind, PriceRefused, Quote};

use super::{NoPrice, parse::View};

/// The answer for one item.
pub fn result(quote: Result<&Quote<'_>, &PriceRefused>, view: View) -> pb::quote_result::Result {
    match (quote, view) {
        (Ok(quote), View::Full) => pb::quote_result::Result::Quote(full(quote)),
        (Ok(quote), View::Totals) => pb::quote_result::Result::Quote(totals(quote)),
        (Err(refused), _) => pb::quote_result::Result::Error(pb::QuoteError {
            reason: NoPrice(refused).reason().to_owned(),
            message: refused.to_string(),
        }),
    }
}

/// What is to be paid, with the names of what it comes from.
fn totals(quote: &Quote<'_>) -> pb::ItemQuote {
    pb::ItemQuote {
        payable: Some(quote.payable.into()),
        tier: quote.tier.map(ToString::to_string).unwrap_or_default(),
        discount_name: discount_name(quote),
        price_version: quote.price_version.to_owned(),
        money_policy: quote.money_policy.to_owned(),
        ..pb::ItemQuote::default()
    }
}

/// All of a quote (M-6, M-9).
pub fn full(quote: &Quote<'_>) -> pb::ItemQuote {
    pb::ItemQuote {
        list_price: Some(quote.list_price().into()),
        monthly_price: Some(quote.monthly.into()),
        rounding_difference: Some(quote.rounding_difference().into()),
        lines: quote.lines().into_iter().map(line).collect(),
        ..totals(quote)
    }
}

fn discount_name(quote: &Quote<'_>) -> String {
    quote.discount.as_ref().map(|applied| applied.discount.name.clone()).unwrap_or_default()
}

fn line(line: Line) -> pb::QuoteLine {
    let kind = match line.kind {
        LineKind::Component => pb::quote_line::Kind::Component,
        LineKind::Tier => pb::quote_line::Kind::Tier,
        LineKind::OddDays => pb::quote_line::Kind::OddDays,
        LineKind::Discount => pb::quote_line::Kind::Discount,
        LineKind::Rounding => pb::quote_line::Kind::Rounding,
    };
    pb::QuoteLine {
        kind: kind.into(),
        text: line.text,
        amount: Some(line.amount.into()),
        rule_ids: line.rules.iter().map(|&rule| rule.to_owned()).collect(),
    }
}
