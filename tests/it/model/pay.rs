//! The model of payments: charged at once, or held until a channel has paid its part (V-1 … V-4, W-3).

use std::collections::BTreeSet;

use proto::wallet::v1::payment::State;

use super::{
    book::{Book, Payment, Place, Verdict, Voucher},
    cover::{Coverage, Purse, cover},
    op::*,
};

impl Book {
    /// The payment with this id, if the wallet knows it and it was asked for with this content (O-3); one
    /// that it does not know must be decided now (O-8).
    fn known(
        &self,
        charge: &Charge,
        checkout: Option<&Checkout>,
        at: At,
    ) -> Verdict<Option<PaymentSeen>> {
        let Some(payment) = self.payments.get(&charge.payment) else {
            return if (at - self.now).abs() > SKEW { Err("CLOCK_SKEW") } else { Ok(None) };
        };
        let same = match &payment.asked {
            Some((asked, how)) => asked == charge && how.as_ref() == checkout,
            None => payment.seen.account == charge.account,
        };
        if same { Ok(Some(payment.seen.clone())) } else { Err("REQUEST_ID_REUSED") }
    }

    pub(super) fn charge(&mut self, charges: &[Charge], at: At) -> Verdict<Answer> {
        for charge in charges {
            self.known(charge, None, at)?;
        }
        let mut told = Vec::new();
        for charge in charges {
            if let Some(seen) = self.known(charge, None, at)? {
                told.push(seen);
                continue;
            }
            let decided = self.decide(charge, at, self.cash(charge.account), false);
            let (seen, coverage) = match decided {
                Ok(coverage) if coverage.missing == 0 => {
                    (payment(charge, at, State::Succeeded, &coverage), coverage)
                }
                Ok(short) => {
                    let needed: i64 = charge.items.iter().map(|item| item.payable).sum();
                    let available = Some(needed - short.missing);
                    (refused(charge, at, "INSUFFICIENT_FUNDS", available), Coverage::default())
                }
                Err(reason) => (refused(charge, at, reason, None), Coverage::default()),
            };
            if seen.state == State::Succeeded {
                let revenue = Place::Revenue(charge.order);
                for &(label, paid, lost) in &coverage.vouchers {
                    self.paid(&seen, Place::Voucher(label), revenue, paid);
                    self.paid(&seen, Place::Voucher(label), Place::Forfeited(label), lost);
                }
                self.paid(&seen, Place::Cash, revenue, coverage.cash);
            }
            self.keep(charge, None, seen.clone(), coverage);
            told.push(seen);
        }
        Ok(Answer::Payments(told))
    }

    fn keep(
        &mut self,
        charge: &Charge,
        how: Option<&Checkout>,
        seen: PaymentSeen,
        coverage: Coverage,
    ) {
        let asked = Some((charge.clone(), how.cloned()));
        let kept = Payment { asked, seen, coverage, refunded: BTreeSet::new() };
        self.payments.insert(charge.payment, kept);
    }

    /// What would pay; the reason where nothing can.
    fn decide(&self, charge: &Charge, at: At, cash: i64, channel: bool) -> Verdict<Coverage> {
        self.same_currency(charge.account, charge.currency)?;
        let own = self.vouchers.iter().filter(|(_, voucher)| voucher.account == charge.account);
        let purse = |(&label, voucher): (&Label, &Voucher)| Purse {
            label,
            remaining: if voucher.revoked {
                0
            } else {
                self.at(charge.account, Place::Voucher(label))
            },
            terms: voucher.terms.clone(),
        };
        let purses: Vec<_> = own.map(purse).collect();
        cover(charge, at, &purses, cash, channel).ok_or("VOUCHER_NOT_APPLICABLE")
    }

    pub(super) fn ask(&mut self, charge: &Charge, at: At, checkout: &Checkout) -> Verdict<Answer> {
        if let Some(seen) = self.known(charge, Some(checkout), at)? {
            return Ok(Answer::Payments(vec![seen]));
        }
        let (_, takes, minutes) = super::CHANNELS
            .into_iter()
            .find(|(name, ..)| *name == checkout.channel)
            .ok_or("CHANNEL_NOT_FOUND")?;
        if charge.currency != takes {
            return Err("CURRENCY_MISMATCH");
        }
        let expires = checkout.by.min(self.now + minutes * MINUTE);
        if expires <= self.now {
            return Err("ORDER_NOT_PAYABLE");
        }
        let cash = if checkout.use_cash { self.cash(charge.account) } else { 0 };
        let (seen, coverage) = match self.decide(charge, at, cash, true) {
            Ok(coverage) if coverage.channel == 0 => return Err("CHANNEL_NOT_NEEDED"),
            Ok(coverage) => {
                let mut seen = payment(charge, at, State::Pending, &coverage);
                seen.intent = Some((checkout.channel.to_owned(), coverage.channel, expires));
                (seen, coverage)
            }
            Err(reason) => (refused(charge, at, reason, None), Coverage::default()),
        };
        let id = charge.payment;
        for &(label, paid, lost) in &coverage.vouchers {
            let aside = Place::HeldVoucher(label, id);
            self.paid(&seen, Place::Voucher(label), aside, paid + lost);
        }
        self.paid(&seen, Place::Cash, Place::HeldCash(id), coverage.cash);
        self.keep(charge, Some(checkout), seen.clone(), coverage);
        Ok(Answer::Payments(vec![seen]))
    }
}

fn payment(charge: &Charge, at: At, state: State, coverage: &Coverage) -> PaymentSeen {
    PaymentSeen {
        payment: charge.payment,
        account: charge.account,
        state,
        order: Some(charge.order),
        amount: Some(charge.items.iter().map(|item| item.payable).sum()),
        parts: coverage.parts.clone(),
        refusal: None,
        at: Some(at),
        intent: None,
        confirmed: None,
    }
}

fn refused(charge: &Charge, at: At, reason: &str, available: Option<i64>) -> PaymentSeen {
    let refusal = Some((reason.to_owned(), available));
    PaymentSeen { refusal, ..payment(charge, at, State::Refused, &Coverage::default()) }
}
