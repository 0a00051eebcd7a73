//! Results to messages.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::{Currency, Money};
use proto::{convert::timestamp, r#type::v1 as wire, wallet::v1 as pb};
use rule_engine::{
    kind::{BillingMode, OrderKind},
    voucher::{ProductScope, VoucherTerms},
};

use crate::{
    domain::{
        Bill, Booked, Confirmed, Entry, Funds, Intent, Outcome, Payment, PaymentRefusal, Refund,
        Voucher, VoucherState, Wallet,
    },
    wire::{item_parts, refunded_parts},
};

fn money(minor: i64, currency: Currency) -> wire::Money {
    Money::new(minor, currency).into()
}

impl From<Wallet> for pb::Wallet {
    fn from(wallet: Wallet) -> Self {
        Self {
            cash: Some(money(wallet.cash, wallet.currency)),
            held: Some(money(wallet.held, wallet.currency)),
            create_time: Some(timestamp(wallet.create_time)),
            account_id: wallet.account.into(),
        }
    }
}

impl From<Entry> for pb::Entry {
    fn from(entry: Entry) -> Self {
        Self {
            number: entry.number,
            debit: entry.debit.to_string(),
            credit: entry.credit.to_string(),
            amount: Some(entry.amount.into()),
            payment_id: entry.about.payment.map(|id| id.to_string()).unwrap_or_default(),
            order_id: entry.about.order.map(|id| id.to_string()).unwrap_or_default(),
            refund_id: entry.about.refund.map(|id| id.to_string()).unwrap_or_default(),
            note: entry.note,
            create_time: Some(timestamp(entry.create_time)),
            hash: entry.hash.0.to_vec(),
        }
    }
}

impl From<Funds> for pb::Funds {
    fn from(funds: Funds) -> Self {
        Self {
            account_id: funds.account.into(),
            cash: Some(funds.cash.into()),
            vouchers: Some(funds.vouchers.into()),
        }
    }
}

/// A voucher, its state judged at `now`.
pub fn voucher(voucher: Voucher, now: DateTime<Utc>) -> pb::Voucher {
    let state = match voucher.state(now) {
        VoucherState::NotYetValid => pb::voucher::State::NotYetValid,
        VoucherState::Usable => pb::voucher::State::Usable,
        VoucherState::UsedUp => pb::voucher::State::UsedUp,
        VoucherState::Expired => pb::voucher::State::Expired,
        VoucherState::Revoked => pb::voucher::State::Revoked,
    };
    let currency = voucher.face.currency();
    let usage = pb::VoucherUsage {
        captured: Some(money(voucher.captured, currency)),
        held: Some(money(voucher.held, currency)),
        forfeited: Some(money(voucher.forfeited, currency)),
        voided: Some(money(voucher.voided, currency)),
        expired: Some(money(voucher.expired, currency)),
    };
    pb::Voucher {
        voucher_id: voucher.id.to_string(),
        account_id: voucher.account.into(),
        face: Some(voucher.face.into()),
        remaining: Some(money(voucher.remaining, currency)),
        terms: Some(terms(voucher.terms, currency)),
        state: state.into(),
        create_time: Some(timestamp(voucher.create_time)),
        usage: Some(usage),
    }
}

fn terms(terms: VoucherTerms, currency: Currency) -> pb::VoucherTerms {
    let (only, except) = match terms.products {
        ProductScope::All => (BTreeSet::new(), BTreeSet::new()),
        ProductScope::Only(these) => (these, BTreeSet::new()),
        ProductScope::Except(these) => (BTreeSet::new(), these),
    };
    let mode = |mode| match mode {
        BillingMode::Prepaid => wire::BillingMode::Prepaid.into(),
        BillingMode::Postpaid => wire::BillingMode::Postpaid.into(),
    };
    let kind = |kind| match kind {
        OrderKind::Renewal => wire::OrderKind::Renewal.into(),
        OrderKind::Conversion => wire::OrderKind::Conversion.into(),
        OrderKind::Change => wire::OrderKind::Change.into(),
    };
    let minimum = (terms.minimum_spend > 0).then_some(terms.minimum_spend);
    let longest = terms.longest_term_months;
    pb::VoucherTerms {
        valid_from: Some(timestamp(terms.valid_from)),
        expire_time: Some(timestamp(terms.expires)),
        only_product_ids: only.into_iter().map(Into::into).collect(),
        except_product_ids: except.into_iter().map(Into::into).collect(),
        billing_modes: terms.billing_modes.into_iter().map(mode).collect(),
        order_kinds: terms.order_kinds.into_iter().map(kind).collect(),
        regions: terms.regions.into_iter().map(Into::into).collect(),
        minimum_spend: minimum.map(|minimum| money(minimum, currency)),
        longest_term_months: longest.map(|months| i32::try_from(months).unwrap_or(i32::MAX)),
        single_use: terms.single_use,
        automatic_use: Some(terms.automatic_use),
        largest_share_percent: terms.largest_share_percent.map(i32::from),
        not_with_discounts: terms.not_with_discounts,
    }
}

impl From<Payment> for pb::Payment {
    fn from(payment: Payment) -> Self {
        use pb::payment::State;
        let (state, items, refusal) = match payment.outcome {
            Outcome::Succeeded(_) if payment.withdrawn => (State::Voided, Vec::new(), None),
            Outcome::Pending(coverage) => (State::Pending, coverage.items, None),
            Outcome::Succeeded(coverage) => (State::Succeeded, coverage.items, None),
            Outcome::Refused(refusal) => (State::Refused, Vec::new(), Some(refusal)),
            Outcome::Voided => (State::Voided, Vec::new(), None),
        };
        let bill = payment.bill.as_ref();
        let currency = bill.map(|bill| bill.amount.currency());
        let items = items.iter().zip(currency.iter().cycle());
        Self {
            payment_id: payment.id.to_string(),
            account_id: payment.account.into(),
            order_id: bill.map(|bill| bill.order.to_string()).unwrap_or_default(),
            state: state.into(),
            amount: bill.map(|bill| bill.amount.into()),
            parts: items.map(|(parts, &currency)| item_parts(parts, currency)).collect(),
            refusal: refusal.zip(bill).map(|(refusal, bill)| payment_refusal(refusal, bill)),
            as_of: bill.map(|bill| timestamp(bill.as_of)),
            intent: payment.intent.zip(currency).map(|(it, currency)| intent(it, currency)),
            confirm_time: payment.confirm_time.map(timestamp),
        }
    }
}

fn intent(intent: Intent, currency: Currency) -> pb::PaymentIntent {
    pb::PaymentIntent {
        intent_id: intent.id.to_string(),
        channel: intent.channel.into(),
        amount: Some(money(intent.amount, currency)),
        expire_time: Some(timestamp(intent.expires)),
    }
}

impl From<Refund> for pb::Refund {
    fn from(refund: Refund) -> Self {
        use pb::refund::State;
        let state = if refund.pending { State::Pending } else { State::Succeeded };
        let parts = refund.items.iter().map(|item| refunded_parts(item, refund.currency));
        Self {
            refund_id: refund.id.to_string(),
            account_id: refund.account.to_string(),
            payment_id: refund.payment.to_string(),
            state: state.into(),
            amount: Some(money(refund.amount(), refund.currency)),
            parts: parts.collect(),
            create_time: Some(timestamp(refund.create_time)),
            confirm_time: refund.confirm_time.map(timestamp),
        }
    }
}

/// What was done about a callback.
pub fn confirmed(confirmed: &Confirmed) -> pb::ConfirmPaymentResponse {
    use pb::confirm_payment_response::Outcome;
    let (outcome, reason) = match confirmed.booked {
        Booked::Paid => (Outcome::Paid, ""),
        Booked::ToCash(why) => (Outcome::ToCashBalance, why.reason()),
        Booked::Voided => (Outcome::Voided, ""),
        Booked::Refunded => (Outcome::Refunded, ""),
        Booked::Nothing => (Outcome::Nothing, ""),
    };
    pb::ConfirmPaymentResponse {
        outcome: outcome.into(),
        reason: reason.to_owned(),
        amount: Some(confirmed.amount.into()),
        payment_id: confirmed.payment.to_string(),
    }
}

fn payment_refusal(refusal: PaymentRefusal, bill: &Bill) -> pb::PaymentRefusal {
    let currency = bill.amount.currency();
    let PaymentRefusal { reason, message, available } = refusal;
    pb::PaymentRefusal {
        reason,
        message,
        needed: Some(bill.amount.into()),
        available: available.map(|available| money(available, currency)),
        missing: available
            .map(|available| money(bill.amount.minor().saturating_sub(available), currency)),
    }
}
