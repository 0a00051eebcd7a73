//! Operations to messages, and messages to what the model tells.

use platform::webhook::Secret;
use proto::{
    r#type::v1::{BillingMode, Money, OrderKind, VoucherRule},
    wallet::v1::{self as pb, voucher_choice::Choice as Which},
};
use tests::SANDBOX_SECRET;

use super::{
    book::Move,
    names::{Names, Told},
    op::*,
};

pub fn money(minor_units: i64, currency: &str) -> Money {
    Money { minor_units, currency_code: currency.to_owned() }
}

/// The amount of money that must be there.
pub fn minor(money: Option<Money>) -> Told<i64> {
    money.map(|money| money.minor_units).ok_or_else(|| "an amount is not there".to_owned())
}

fn minor_or_zero(money: Option<Money>) -> i64 {
    money.map_or(0, |money| money.minor_units)
}

fn instance(number: u8) -> String {
    format!("i-{number}")
}

fn read_instance(text: &str) -> Told<u8> {
    let number = text.strip_prefix("i-").and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("nobody knows the instance {text:?}"))
}

impl Names {
    pub fn terms(&self, terms: &Terms, currency: &str) -> pb::VoucherTerms {
        pb::VoucherTerms {
            valid_from: Some(self.stamp(terms.from)),
            expire_time: Some(self.stamp(terms.expires)),
            only_product_ids: terms.only.iter().map(|&it| it.to_owned()).collect(),
            minimum_spend: (terms.minimum > 0).then(|| money(terms.minimum, currency)),
            longest_term_months: terms.longest,
            single_use: terms.single_use,
            automatic_use: Some(terms.automatic),
            largest_share_percent: terms.share.map(|share| i32::try_from(share).unwrap()),
            not_with_discounts: terms.not_with_discounts,
            ..pb::VoucherTerms::default()
        }
    }

    pub fn charge(&self, charge: &Charge) -> pb::Charge {
        let item = |item: &Item| pb::PayableItem {
            instance_id: instance(item.instance),
            product_id: item.product.to_owned(),
            region: "cn-north-1".to_owned(),
            billing_mode: BillingMode::Prepaid.into(),
            order_kind: OrderKind::Renewal.into(),
            term_months: item.months,
            payable: Some(money(item.payable, charge.currency)),
            discounted: item.discounted,
        };
        let (choice, max_per_payment) = match &charge.choice {
            Choice::None => (Which::None(pb::voucher_choice::None {}), None),
            Choice::Rule(strategy, maximum) => {
                let (strategy, max_per_payment) = ((*strategy).into(), *maximum);
                (Which::Rule(VoucherRule { strategy, max_per_payment }), None)
            }
            Choice::Named(labels, maximum) => {
                let voucher_ids = labels.iter().map(|&label| self.voucher(label)).collect();
                (Which::Named(pb::voucher_choice::Named { voucher_ids }), *maximum)
            }
        };
        pb::Charge {
            payment_id: self.id(charge.payment),
            account_id: self.account(charge.account),
            order_id: self.id(charge.order),
            items: charge.items.iter().map(item).collect(),
            vouchers: Some(pb::VoucherChoice { choice: Some(choice), max_per_payment }),
            automatic: charge.automatic,
        }
    }

    pub fn callback(&self, callback: &Callback) -> pb::ConfirmPaymentRequest {
        let Callback { channel, message, sent, genuine, body } = callback;
        let (about, field) = match body.about {
            About::Intent(_) => ("payment", "intent_id"),
            About::Refund(_) => ("refund", "refund_id"),
        };
        let (what, amount) = match body.says {
            Says::Succeeded(minor, currency) => ("succeeded", Some((minor, currency))),
            Says::Failed => ("failed", None),
            Says::Pending => ("pending", None),
            Says::Nonsense => ("wondered", None),
        };
        let mut data = serde_json::json!({
            field: self.subject(body.about),
            "channel_payment_id": format!("money-{}", self.id(body.money)),
        });
        if let Some((minor, currency)) = amount {
            data["amount"] = serde_json::json!({"minor_units": minor, "currency_code": currency});
        }
        let text = serde_json::json!({"type": format!("{about}.{what}"), "data": data}).to_string();
        let secret: Secret = SANDBOX_SECRET.parse().expect("a secret");
        let (id, sent) = (format!("message-{}", self.id(*message)), self.time(*sent).timestamp());
        let signed = if *genuine { text.clone() } else { format!("{text} ") };
        pb::ConfirmPaymentRequest {
            channel: (*channel).to_owned(),
            webhook_signature: secret.sign(&id, sent, signed.as_bytes()),
            webhook_id: id,
            webhook_timestamp: sent.to_string(),
            body: text.into_bytes(),
        }
    }

    pub fn refund(&self, refund: &Refund) -> pb::RefundRequest {
        let destination = if refund.through_channel {
            pb::RefundDestination::Channel
        } else {
            pb::RefundDestination::CashBalance
        };
        pb::RefundRequest {
            refund_id: self.id(refund.id),
            account_id: self.account(refund.account),
            payment_id: self.id(refund.payment),
            instance_ids: refund.instances.iter().map(|&number| instance(number)).collect(),
            destination: destination.into(),
        }
    }

    pub fn read_payment(&self, payment: pb::Payment) -> Told<PaymentSeen> {
        let state = payment.state();
        let part = |part: pb::ItemParts| -> Told<Part> {
            let voucher =
                |it: pb::VoucherPart| Ok((self.read_voucher(&it.voucher_id)?, minor(it.amount)?));
            Ok(Part {
                instance: read_instance(&part.instance_id)?,
                vouchers: part.vouchers.into_iter().map(voucher).collect::<Told<_>>()?,
                cash: minor(part.cash)?,
                channel: minor_or_zero(part.channel),
            })
        };
        let intent = |it: pb::PaymentIntent| -> Told<_> {
            let end = self.read_time(it.expire_time)?.ok_or("an intent has no end")?;
            Ok((it.channel, minor(it.amount)?, end))
        };
        let refusal = payment.refusal.map(|it| {
            let sum = it.available.as_ref().zip(it.missing.as_ref());
            let sum = sum.map(|(there, missing)| there.minor_units + missing.minor_units);
            let whole = sum.is_none_or(|sum| sum == minor_or_zero(it.needed));
            let reason = if whole { it.reason } else { format!("{} does not add up", it.reason) };
            (reason, it.available.map(|money| money.minor_units))
        });
        Ok(PaymentSeen {
            payment: self.read_id(&payment.payment_id)?,
            account: self.read_account(&payment.account_id)?,
            state,
            order: self.read_maybe(&payment.order_id)?,
            amount: payment.amount.map(|money| money.minor_units),
            parts: payment.parts.into_iter().map(part).collect::<Told<_>>()?,
            refusal,
            at: self.read_time(payment.as_of)?,
            intent: payment.intent.map(intent).transpose()?,
            confirmed: self.read_time(payment.confirm_time)?,
        })
    }

    pub fn read_refund(&self, refund: pb::Refund) -> Told<RefundSeen> {
        let pending = refund.state() == pb::refund::State::Pending;
        let voucher = |it: pb::RefundedVoucher| {
            let (label, amount) = (self.read_voucher(&it.voucher_id)?, minor(it.amount)?);
            Ok((label, amount, it.is_void, minor_or_zero(it.forfeit_returned)))
        };
        let part = |part: pb::RefundedParts| -> Told<RefundedPart> {
            Ok(RefundedPart {
                instance: read_instance(&part.instance_id)?,
                vouchers: part.vouchers.into_iter().map(voucher).collect::<Told<_>>()?,
                cash: minor(part.cash)?,
                channel: minor_or_zero(part.channel),
                channel_to_cash: minor_or_zero(part.channel_to_cash),
            })
        };
        Ok(RefundSeen {
            refund: self.read_id(&refund.refund_id)?,
            account: self.read_account(&refund.account_id)?,
            payment: self.read_id(&refund.payment_id)?,
            pending,
            amount: minor(refund.amount)?,
            parts: refund.parts.into_iter().map(part).collect::<Told<_>>()?,
            confirmed: self.read_time(refund.confirm_time)?,
        })
    }

    pub fn read_confirmed(&self, confirmed: &pb::ConfirmPaymentResponse) -> Told<Confirmed> {
        Ok(Confirmed {
            outcome: confirmed.outcome(),
            reason: confirmed.reason.clone(),
            amount: minor(confirmed.amount.clone())?,
            payment: self.read_id(&confirmed.payment_id)?,
        })
    }

    pub fn read_voucher_seen(&self, voucher: pb::Voucher) -> Told<VoucherSeen> {
        let state = voucher.state().as_str_name().to_owned();
        let usage = voucher.usage.ok_or("a voucher does not tell where its face has gone")?;
        Ok(VoucherSeen {
            account: self.read_account(&voucher.account_id)?,
            face: minor(voucher.face)?,
            remaining: minor(voucher.remaining)?,
            captured: minor(usage.captured)?,
            held: minor(usage.held)?,
            forfeited: minor(usage.forfeited)?,
            voided: minor(usage.voided)?,
            expired: minor(usage.expired)?,
            state,
        })
    }

    pub fn read_entry(&self, entry: &pb::Entry) -> Told<Move> {
        Ok(Move {
            from: self.read_place(&entry.debit)?,
            to: self.read_place(&entry.credit)?,
            amount: minor(entry.amount.clone())?,
            order: self.read_maybe(&entry.order_id)?,
            payment: self.read_maybe(&entry.payment_id)?,
            refund: self.read_maybe(&entry.refund_id)?,
            at: self.read_time(entry.create_time)?.ok_or("an entry has no time")?,
        })
    }
}
