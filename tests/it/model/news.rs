//! The model of what comes after a payment was made: callbacks, calling off, running out, giving back
//! (W-3, W-4, V-5, O-6).

use std::collections::BTreeSet;

use proto::wallet::v1::{confirm_payment_response::Outcome, payment::State};

use super::{
    book::{Book, Move, Payment, Place, Refunded, Verdict},
    cover::Coverage,
    op::*,
};

fn confirmed(outcome: Outcome, reason: &str, amount: i64, payment: Id) -> Confirmed {
    Confirmed { outcome, reason: reason.to_owned(), amount, payment }
}

impl Book {
    /// Ends a pending payment, and gives back what it holds.
    fn release(&mut self, id: Id) {
        let Payment { seen, coverage, .. } = self.payments[&id].clone();
        for &(label, paid, lost) in &coverage.vouchers {
            self.paid(&seen, Place::HeldVoucher(label, id), Place::Voucher(label), paid + lost);
        }
        self.paid(&seen, Place::HeldCash(id), Place::Cash, coverage.cash);
        let payment = self.payments.get_mut(&id).expect("it is there");
        payment.seen.state = State::Voided;
        payment.seen.parts.clear();
    }

    /// Ends a pending payment, and takes what it holds.
    fn capture(&mut self, id: Id, channel: &'static str) {
        let Payment { seen, coverage, .. } = self.payments[&id].clone();
        let revenue = Place::Revenue(seen.order.expect("it was asked for"));
        for &(label, paid, lost) in &coverage.vouchers {
            let aside = Place::HeldVoucher(label, id);
            self.paid(&seen, aside, revenue, paid);
            self.paid(&seen, aside, Place::Forfeited(label), lost);
        }
        self.paid(&seen, Place::HeldCash(id), revenue, coverage.cash);
        self.paid(&seen, Place::Channel(channel), revenue, coverage.channel);
        let now = self.now;
        let payment = self.payments.get_mut(&id).expect("it is there");
        payment.seen.state = State::Succeeded;
        payment.seen.confirmed = Some(now);
    }

    pub(super) fn void(&mut self, id: Id, account: Account) -> Verdict<Answer> {
        match self.payments.get(&id).map(|payment| (payment.seen.account, payment.seen.state)) {
            None => {
                let seen = PaymentSeen {
                    payment: id,
                    account,
                    state: State::Voided,
                    order: None,
                    amount: None,
                    parts: Vec::new(),
                    refusal: None,
                    at: None,
                    intent: None,
                    confirmed: None,
                };
                let coverage = Coverage::default();
                let voided = Payment { asked: None, seen, coverage, refunded: BTreeSet::new() };
                self.payments.insert(id, voided);
            }
            Some((owner, _)) if owner != account => return Err("REQUEST_ID_REUSED"),
            Some((_, State::Pending)) => self.release(id),
            Some(_) => {}
        }
        Ok(Answer::Payments(vec![self.payments[&id].seen.clone()]))
    }

    pub(super) fn expire_holds(&mut self) -> Answer {
        let over = |seen: &PaymentSeen| {
            seen.state == State::Pending
                && seen.intent.as_ref().is_some_and(|(.., end)| *end <= self.now)
        };
        let due: Vec<_> =
            self.payments.iter().filter(|(_, it)| over(&it.seen)).map(|(&id, _)| id).collect();
        for &id in &due {
            self.release(id);
        }
        Answer::Swept(i32::try_from(due.len()).expect("few"))
    }

    pub(super) fn hear(&mut self, callback: &Callback) -> Verdict<Confirmed> {
        let Callback { channel, message, sent, genuine, body } = callback;
        let known = super::CHANNELS.into_iter().any(|(name, ..)| name == *channel);
        if !known {
            return Err("CHANNEL_NOT_FOUND");
        }
        // Whole seconds are sent.
        let sent = sent.div_euclid(SECOND) * SECOND;
        if !genuine || (self.now - sent).abs() > SKEW {
            return Err("SIGNATURE_INVALID");
        }
        match body.says {
            Says::Nonsense => return Err("INVALID_REQUEST"),
            Says::Succeeded(_, "ZZZ") => return Err("CURRENCY_MISMATCH"),
            _ => {}
        }
        let (account, id) = match body.about {
            About::Intent(id) => {
                let payment = self.payments.get(&id);
                let intent = payment.and_then(|it| it.seen.intent.as_ref());
                let ours = intent.is_some_and(|(name, ..)| name == channel);
                (payment.filter(|_| ours).ok_or("INTENT_NOT_FOUND")?.seen.account, id)
            }
            About::Refund(id) => {
                let refund = self.refunds.get(&id);
                let ours = refund.filter(|it| it.out.is_some_and(|(name, _)| name == *channel));
                (ours.ok_or("INTENT_NOT_FOUND")?.seen.account, id)
            }
        };
        if let Some((first, answer)) = self.messages.get(&(*channel, *message)) {
            return if first == body { Ok(answer.clone()) } else { Err("REQUEST_ID_REUSED") };
        }
        if let Says::Succeeded(_, currency) = body.says
            && currency != self.wallets[&account]
        {
            return Err("CURRENCY_MISMATCH");
        }
        let answer = match body.about {
            About::Intent(_) => self.hear_of_payment(channel, id, body)?,
            About::Refund(_) => self.hear_of_refund(channel, id, body)?,
        };
        self.messages.insert((channel, *message), (body.clone(), answer.clone()));
        Ok(answer)
    }

    fn hear_of_payment(
        &mut self,
        channel: &'static str,
        id: Id,
        body: &Body,
    ) -> Verdict<Confirmed> {
        let seen = self.payments[&id].seen.clone();
        let (_, asked, expires) = seen.intent.clone().expect("it was found by it");
        let amount = match body.says {
            Says::Failed if seen.state == State::Pending => {
                self.release(id);
                return Ok(confirmed(Outcome::Voided, "", 0, id));
            }
            Says::Succeeded(amount, _) => amount,
            _ => return Ok(confirmed(Outcome::Nothing, "", 0, id)),
        };
        if let Some(first) = self.money.get(&(channel, body.money)) {
            return Ok(first.clone());
        }
        let reason = match seen.state {
            State::Pending if self.now >= expires => "PAID_TOO_LATE",
            State::Pending if amount == asked => "",
            State::Pending => "PAYMENT_AMOUNT_MISMATCH",
            State::Succeeded => "PAID_TWICE",
            _ => "PAID_TOO_LATE",
        };
        let answer = if reason.is_empty() {
            self.capture(id, channel);
            confirmed(Outcome::Paid, "", amount, id)
        } else {
            self.fits(seen.account, amount)?;
            if seen.state == State::Pending && reason == "PAID_TOO_LATE" {
                self.release(id);
            }
            self.paid(&seen, Place::Channel(channel), Place::Cash, amount);
            confirmed(Outcome::ToCashBalance, reason, amount, id)
        };
        self.money.insert((channel, body.money), answer.clone());
        Ok(answer)
    }

    fn hear_of_refund(&mut self, channel: &'static str, id: Id, body: &Body) -> Verdict<Confirmed> {
        let Refunded { seen, out, .. } = self.refunds[&id].clone();
        let (_, asked) = out.expect("it was found by it");
        if matches!(body.says, Says::Succeeded(amount, _) if amount != asked) {
            return Err("PAYMENT_AMOUNT_MISMATCH");
        }
        if !seen.pending || body.says == Says::Pending {
            return Ok(confirmed(Outcome::Nothing, "", 0, seen.payment));
        }
        let done = matches!(body.says, Says::Succeeded(..));
        let (to, answer) = if done {
            (Place::Channel(channel), confirmed(Outcome::Refunded, "", asked, seen.payment))
        } else {
            self.fits(seen.account, asked)?;
            let answer = confirmed(Outcome::ToCashBalance, "REFUND_REFUSED", asked, seen.payment);
            (Place::Cash, answer)
        };
        self.given(&seen, Place::Refund(id), to, asked);
        let now = self.now;
        let seen = &mut self.refunds.get_mut(&id).expect("it is there").seen;
        seen.pending = false;
        seen.confirmed = Some(now);
        for part in seen.parts.iter_mut().filter(|_| !done) {
            part.channel_to_cash += std::mem::take(&mut part.channel);
        }
        Ok(answer)
    }

    /// A movement of a refund.
    fn given(&mut self, of: &RefundSeen, from: Place, to: Place, amount: i64) {
        let order = self.payments[&of.payment].seen.order;
        let (payment, refund, at) = (Some(of.payment), Some(of.refund), self.now);
        self.shift(of.account, Move { from, to, amount, order, payment, refund, at });
    }

    pub(super) fn refund(&mut self, asked: &Refund) -> Verdict<RefundSeen> {
        if !self.wallets.contains_key(&asked.account) {
            return Err("PAYMENT_NOT_FOUND");
        }
        if let Some(known) = self.refunds.get(&asked.id) {
            let same = known.asked == *asked;
            return if same { Ok(known.seen.clone()) } else { Err("REQUEST_ID_REUSED") };
        }
        let payment = self.payments.get(&asked.payment);
        let payment = payment.filter(|it| it.seen.account == asked.account);
        let payment = payment.ok_or("PAYMENT_NOT_FOUND")?.clone();
        let has = |it: &u8| payment.seen.parts.iter().any(|part| part.instance == *it);
        if payment.seen.state != State::Succeeded || !asked.instances.iter().all(has) {
            return Err("PAYMENT_NOT_REFUNDABLE");
        }
        if asked.instances.iter().any(|it| payment.refunded.contains(it)) {
            return Err("ALREADY_REFUNDED");
        }
        let (seen, out) = self.plan(asked, &payment);
        let cash: i64 = seen.parts.iter().map(|part| part.cash + part.channel_to_cash).sum();
        self.fits(asked.account, cash)?;
        self.give_back(&seen, payment.seen.order.expect("it succeeded"));
        let payment = self.payments.get_mut(&asked.payment).expect("it is there");
        payment.refunded.extend(&asked.instances);
        let kept = Refunded { asked: asked.clone(), seen: seen.clone(), out };
        self.refunds.insert(asked.id, kept);
        Ok(seen)
    }

    /// What a refund gives back.
    fn plan(&self, asked: &Refund, payment: &Payment) -> (RefundSeen, Option<(&'static str, i64)>) {
        let channel = match &payment.asked {
            Some((_, Some(checkout))) if asked.through_channel => Some(checkout.channel),
            _ => None,
        };
        let gone = |it: u8| asked.instances.contains(&it) || payment.refunded.contains(&it);
        let paid_by = |part: &Part, label| part.vouchers.iter().any(|voucher| voucher.0 == label);
        let mut parts = Vec::new();
        let chosen = |part: &&Part| asked.instances.contains(&part.instance);
        for part in payment.seen.parts.iter().filter(chosen) {
            let voucher = |&(label, amount): &(Label, i64)| {
                let lost = payment.coverage.vouchers.iter().find(|it| it.0 == label);
                let (.., lost) = *lost.expect("who paid has a part");
                // The forfeit comes back with the last item, once the voucher has nothing paid for.
                let mut used = payment.seen.parts.iter().filter(|it| paid_by(it, label));
                let all = used.clone().all(|it| gone(it.instance));
                let is_last = used.rfind(chosen).is_some_and(|it| it == part);
                let over = self.is_over(label);
                (label, amount, over, if all && is_last && !over { lost } else { 0 })
            };
            let (out, home) = if channel.is_some() { (part.channel, 0) } else { (0, part.channel) };
            parts.push(RefundedPart {
                instance: part.instance,
                vouchers: part.vouchers.iter().map(voucher).collect(),
                cash: part.cash,
                channel: out,
                channel_to_cash: home,
            });
        }
        let out: i64 = parts.iter().map(|part| part.channel).sum();
        let vouchers = parts.iter().flat_map(|part| &part.vouchers).map(|voucher| voucher.1);
        let rest = parts.iter().map(|part| part.cash + part.channel + part.channel_to_cash);
        let seen = RefundSeen {
            refund: asked.id,
            account: asked.account,
            payment: asked.payment,
            pending: out > 0,
            amount: vouchers.sum::<i64>() + rest.sum::<i64>(),
            parts,
            confirmed: None,
        };
        (seen, channel.filter(|_| out > 0).map(|name| (name, out)))
    }

    fn give_back(&mut self, seen: &RefundSeen, order: Id) {
        let revenue = Place::Revenue(order);
        for &(label, amount, void, lost) in seen.parts.iter().flat_map(|part| &part.vouchers) {
            let to = if void { Place::Void(label) } else { Place::Voucher(label) };
            self.given(seen, revenue, to, amount);
            self.given(seen, Place::Forfeited(label), Place::Voucher(label), lost);
        }
        let total = |of: fn(&RefundedPart) -> i64| seen.parts.iter().map(of).sum();
        self.given(seen, revenue, Place::Cash, total(|part| part.cash));
        self.given(seen, revenue, Place::Cash, total(|part| part.channel_to_cash));
        self.given(seen, revenue, Place::Refund(seen.refund), total(|part| part.channel));
    }
}
