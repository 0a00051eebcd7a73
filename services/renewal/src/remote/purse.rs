//! With what an account could pay, as the wallet tells it.

use kernel::{
    Money,
    ids::{ProductId, VoucherId},
};
use platform::client::no_answer;
use proto::{
    convert::{instant, known, required},
    r#type::v1 as types,
    wallet::{internal::v1::GetPurseResponse, v1 as pb},
};
use rule_engine::{
    kind::{BillingMode, OrderKind},
    voucher::{ProductScope, Voucher, VoucherTerms},
};
use tonic::Status;

use crate::app::Purse;

/// What the wallet answered; an error where this program cannot read it.
pub fn read(answer: GetPurseResponse) -> Result<Purse, Status> {
    let purse = || {
        let cash = money(answer.cash)?;
        let vouchers = answer.vouchers.into_iter().map(voucher).collect::<Option<_>>()?;
        Some(Purse { cash, vouchers })
    };
    purse().ok_or_else(|| no_answer("wallet", "the answer cannot be read"))
}

fn money(amount: Option<types::Money>) -> Option<Money> {
    required(amount).ok()?.try_into().ok()
}

fn voucher(voucher: pb::Voucher) -> Option<Voucher> {
    Some(Voucher {
        id: VoucherId(voucher.voucher_id.parse().ok()?),
        remaining: money(voucher.remaining)?.minor(),
        terms: terms(voucher.terms?)?,
    })
}

fn terms(terms: pb::VoucherTerms) -> Option<VoucherTerms> {
    let names = |names: Vec<String>| -> Option<_> {
        names.into_iter().map(|name| name.parse::<ProductId>().ok()).collect()
    };
    let products = match (terms.only_product_ids, terms.except_product_ids) {
        (only, except) if only.is_empty() && except.is_empty() => ProductScope::All,
        (only, except) if except.is_empty() => ProductScope::Only(names(only)?),
        (_, except) => ProductScope::Except(names(except)?),
    };
    let modes = terms.billing_modes.into_iter().map(|mode| {
        Some(match known(mode).ok()? {
            types::BillingMode::Postpaid => BillingMode::Postpaid,
            _ => BillingMode::Prepaid,
        })
    });
    let kinds = terms.order_kinds.into_iter().map(|kind| {
        Some(match known(kind).ok()? {
            types::OrderKind::Conversion => OrderKind::Conversion,
            types::OrderKind::Change => OrderKind::Change,
            _ => OrderKind::Renewal,
        })
    });
    let regions = terms.regions.into_iter().map(|region| region.parse().ok());
    let minimum = terms.minimum_spend.map(|minimum| money(Some(minimum)));
    Some(VoucherTerms {
        valid_from: instant(terms.valid_from?).ok()?,
        expires: instant(terms.expire_time?).ok()?,
        products,
        billing_modes: modes.collect::<Option<_>>()?,
        order_kinds: kinds.collect::<Option<_>>()?,
        regions: regions.collect::<Option<_>>()?,
        minimum_spend: minimum.map_or(Some(0), |minimum| minimum.map(Money::minor))?,
        longest_term_months: terms.longest_term_months.map(i32::unsigned_abs),
        single_use: terms.single_use,
        automatic_use: terms.automatic_use.unwrap_or(true),
        largest_share_percent: match terms.largest_share_percent {
            Some(percent) => Some(u8::try_from(percent).ok()?),
            None => None,
        },
        not_with_discounts: terms.not_with_discounts,
    })
}
