//! The real wallet, spoken to as any client can.

use std::{cell::RefCell, collections::BTreeMap};

use futures::future::join_all;
use proto::wallet::{internal::v1 as sweep, v1 as pb};
use tests::{Suite, reason};
use tonic::{Code, Status};

use super::{
    book::Move,
    names::{Names, Told},
    op::*,
    wire::{minor, money},
};

/// One story's accounts in a suite.
#[derive(Debug)]
pub struct World<'a> {
    pub suite: &'a Suite,
    pub names: RefCell<Names>,
}

/// Everything that a client can see of one account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Cash and held; none without a wallet.
    pub wallet: Option<(i64, i64)>,
    pub vouchers: BTreeMap<Label, VoucherSeen>,
    pub payments: BTreeMap<Id, PaymentSeen>,
    /// What the account could spend from vouchers, where it was asked for.
    pub funds: Option<i64>,
    /// The entries after those that are known, in the order of their numbers.
    pub entries: Vec<Move>,
    /// Wallet, vouchers and payments as they came, without what changes with the time alone.
    pub raw: (Option<pb::Wallet>, Vec<pb::Voucher>),
    pub raw_payments: BTreeMap<Id, pb::Payment>,
}

/// An answer as it came.
#[derive(Debug)]
enum Raw {
    Wallet(Option<pb::Wallet>),
    Deposited(pb::DepositResponse),
    Vouchers(Vec<pb::Voucher>),
    Codes(Vec<String>),
    Revoked(Option<pb::Voucher>),
    Payments(Vec<pb::Payment>),
    Confirmed(pb::ConfirmPaymentResponse),
    Refund(Option<pb::Refund>),
    Swept(i32),
    ClockMoved,
}

/// How often a call that says that it is busy is made again.
const PATIENCE: usize = 20;

/// What `call` is answered with; made again where the service is busy, with the same ids.
macro_rules! ask {
    ($call:expr) => {{
        let mut tried = 0;
        loop {
            tried += 1;
            match $call.await {
                Err(status) if status.code() == Code::Aborted && tried < PATIENCE => {}
                result => break result.map(tonic::Response::into_inner)?,
            }
        }
    }};
}

/// A refusal as the model tells it.
fn refused(status: &Status) -> Answer {
    let reason = reason(status);
    let good = !matches!(status.code(), Code::Internal | Code::Unknown | Code::Unavailable);
    if good && !reason.is_empty() {
        Answer::Refused(reason)
    } else {
        Answer::Refused(format!("{status:?}"))
    }
}

impl World<'_> {
    /// Does `ops`, all at the same time, and tells what each is answered with.
    pub async fn call(&self, ops: &[Op]) -> Told<Vec<Answer>> {
        let raws = join_all(ops.iter().map(|op| self.ask(op))).await;
        // What one made may stand in the answer of another.
        for (op, raw) in ops.iter().zip(&raws) {
            if let Ok(raw) = raw {
                self.learn(op, raw)?;
            }
        }
        let read = |(op, raw)| match raw {
            Ok(raw) => self.read(op, raw),
            Err(status) => Ok(refused(&status)),
        };
        ops.iter().zip(raws).map(read).collect()
    }

    async fn ask(&self, op: &Op) -> Result<Raw, Status> {
        match op {
            Op::Open { .. } | Op::Deposit { .. } => self.ask_wallets(op).await,
            Op::Issue { .. } | Op::MakeCodes { .. } | Op::Redeem { .. } | Op::Revoke { .. } => {
                self.ask_vouchers(op).await
            }
            Op::ExpireHolds(_) | Op::ExpireVouchers(_) | Op::Anchor => self.sweep(op).await,
            Op::Clock(at) => {
                self.suite.set_clock(self.names.borrow().time(*at));
                Ok(Raw::ClockMoved)
            }
            _ => self.ask_payments(op).await,
        }
    }

    async fn ask_wallets(&self, op: &Op) -> Result<Raw, Status> {
        let mut client = self.suite.wallets();
        let names = || self.names.borrow();
        if let Op::Open { account, currency } = op {
            let request = pb::CreateWalletRequest {
                account_id: names().account(*account),
                currency_code: (*currency).to_owned(),
            };
            return Ok(Raw::Wallet(ask!(client.create_wallet(request.clone())).wallet));
        }
        let Op::Deposit { request, account, amount, currency } = op else { unreachable!() };
        let request = pb::DepositRequest {
            request_id: names().id(*request),
            account_id: names().account(*account),
            amount: Some(money(*amount, currency)),
            note: "model".to_owned(),
        };
        Ok(Raw::Deposited(ask!(client.deposit(request.clone()))))
    }

    async fn ask_vouchers(&self, op: &Op) -> Result<Raw, Status> {
        let mut client = self.suite.vouchers();
        let names = || self.names.borrow();
        Ok(match op {
            Op::Issue { request, grants } => {
                let grant = |it: &Grant| pb::VoucherGrant {
                    account_id: names().account(it.account),
                    face: Some(money(it.face, it.currency)),
                    terms: Some(names().terms(&it.terms, it.currency)),
                };
                let grants = grants.iter().map(grant).collect();
                let request = pb::IssueVouchersRequest { request_id: names().id(*request), grants };
                Raw::Vouchers(ask!(client.issue_vouchers(request.clone())).vouchers)
            }
            Op::MakeCodes { request, codes, face, currency, terms } => {
                let request = pb::IssueVoucherCodesRequest {
                    request_id: names().id(*request),
                    count: i32::try_from(codes.len()).expect("few"),
                    face: Some(money(*face, currency)),
                    terms: Some(names().terms(terms, currency)),
                };
                Raw::Codes(ask!(client.issue_voucher_codes(request.clone())).codes)
            }
            Op::Redeem { request, account, code, .. } => {
                let request = pb::RedeemVoucherRequest {
                    request_id: names().id(*request),
                    account_id: names().account(*account),
                    code: names().code(*code),
                };
                let voucher = ask!(client.redeem_voucher(request.clone())).voucher;
                Raw::Vouchers(voucher.into_iter().collect())
            }
            Op::Revoke { account, voucher } => {
                let request = pb::RevokeVoucherRequest {
                    account_id: names().account(*account),
                    voucher_id: names().voucher(*voucher),
                    note: "model".to_owned(),
                };
                Raw::Revoked(ask!(client.revoke_voucher(request.clone())).voucher)
            }
            _ => unreachable!("other operations are of other services"),
        })
    }

    async fn ask_payments(&self, op: &Op) -> Result<Raw, Status> {
        let mut client = self.suite.payments();
        let names = || self.names.borrow();
        let one = |payment: Option<pb::Payment>| Raw::Payments(payment.into_iter().collect());
        Ok(match op {
            Op::Charge(charge, at) => {
                let (charge, as_of) = (Some(names().charge(charge)), Some(names().stamp(*at)));
                let request = pb::ChargeRequest { charge, as_of };
                one(ask!(client.charge(request.clone())).payment)
            }
            Op::ChargeMany(charges, at) => {
                let charges = charges.iter().map(|charge| names().charge(charge)).collect();
                let request = pb::ChargeManyRequest { charges, as_of: Some(names().stamp(*at)) };
                Raw::Payments(ask!(client.charge_many(request.clone())).payments)
            }
            Op::Ask(charge, at, checkout) => {
                let request = pb::CreatePaymentIntentRequest {
                    charge: Some(names().charge(charge)),
                    as_of: Some(names().stamp(*at)),
                    channel: checkout.channel.to_owned(),
                    use_cash: checkout.use_cash,
                    expire_by: Some(names().stamp(checkout.by)),
                };
                one(ask!(client.create_payment_intent(request.clone())).payment)
            }
            Op::Void { payment, account } => {
                let (payment_id, account_id) = (names().id(*payment), names().account(*account));
                let request = pb::VoidPaymentRequest { payment_id, account_id };
                one(ask!(client.void_payment(request.clone())).payment)
            }
            Op::Callback(callback) => {
                let request = names().callback(callback);
                Raw::Confirmed(ask!(client.confirm_payment(request.clone())))
            }
            Op::Refund(refund) => {
                let request = names().refund(refund);
                Raw::Refund(ask!(client.refund(request.clone())).refund)
            }
            _ => unreachable!("other operations are of other services"),
        })
    }

    async fn sweep(&self, op: &Op) -> Result<Raw, Status> {
        let mut client = self.suite.wallet_sweeps();
        let mut all = 0;
        loop {
            let (done, more) = match *op {
                Op::ExpireHolds(limit) => {
                    let page = ask!(client.expire_holds(sweep::ExpireHoldsRequest { limit }));
                    (page.voided, page.more)
                }
                Op::ExpireVouchers(limit) => {
                    let page = ask!(client.expire_vouchers(sweep::ExpireVouchersRequest { limit }));
                    (page.expired, page.more)
                }
                _ => {
                    let request = sweep::AnchorChainsRequest { limit: 0 };
                    (ask!(client.anchor_chains(request)).anchored, false)
                }
            };
            all += done;
            if !more {
                return Ok(Raw::Swept(all));
            }
        }
    }

    /// Notes what the service calls what it has made.
    fn learn(&self, op: &Op, raw: &Raw) -> Told<()> {
        let mut names = self.names.borrow_mut();
        match (op, raw) {
            (Op::MakeCodes { codes, .. }, Raw::Codes(made)) => {
                for (&label, code) in codes.iter().zip(made) {
                    names.codes.entry(label).or_insert_with(|| code.clone());
                }
            }
            (_, Raw::Vouchers(made)) => {
                for (label, voucher) in labels(op).into_iter().zip(made) {
                    names.learn_voucher(label, &voucher.voucher_id);
                }
            }
            (_, Raw::Payments(payments)) => {
                for payment in payments {
                    let Some(intent) = &payment.intent else { continue };
                    let id = names.read_id(&payment.payment_id)?;
                    let known = names.intents.entry(id).or_insert_with(|| intent.intent_id.clone());
                    if *known != intent.intent_id {
                        return Err(format!(
                            "the intent of payment {id} is another one than before"
                        ));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The answer as the model tells it.
    fn read(&self, op: &Op, raw: Raw) -> Told<Answer> {
        let names = self.names.borrow();
        let wallet = |wallet: Option<pb::Wallet>| {
            let wallet = wallet.ok_or("no wallet was told")?;
            let cash = wallet.cash.ok_or("no cash was told")?;
            Ok::<_, String>((cash.currency_code, cash.minor_units, minor(wallet.held)?))
        };
        Ok(match raw {
            Raw::Wallet(it) => {
                let (currency, cash, held) = wallet(it)?;
                Answer::Wallet(currency, cash, held)
            }
            Raw::Deposited(made) => {
                let (_, cash, held) = wallet(made.wallet)?;
                let amount = minor(made.entry.ok_or("no entry was told")?.amount)?;
                Answer::Deposited(amount, cash, held)
            }
            Raw::Vouchers(made) => {
                let labels = made.iter().map(|voucher| names.read_voucher(&voucher.voucher_id));
                Answer::Vouchers(labels.collect::<Told<_>>()?)
            }
            Raw::Codes(made) => {
                let Op::MakeCodes { codes, .. } = op else { unreachable!() };
                let same =
                    codes.iter().zip(&made).filter(|(label, code)| names.code(**label) == **code);
                Answer::Codes(same.map(|(&label, _)| label).collect())
            }
            Raw::Revoked(it) => {
                Answer::Voucher(names.read_voucher_seen(it.ok_or("no voucher was told")?)?)
            }
            Raw::Payments(payments) => {
                let payments = payments.into_iter().map(|payment| names.read_payment(payment));
                Answer::Payments(payments.collect::<Told<_>>()?)
            }
            Raw::Confirmed(it) => Answer::Confirmed(names.read_confirmed(&it)?),
            Raw::Refund(it) => Answer::Refund(names.read_refund(it.ok_or("no refund was told")?)?),
            Raw::Swept(done) => Answer::Swept(done),
            Raw::ClockMoved => Answer::ClockMoved,
        })
    }

    /// Demands that the audit finds nothing off in the ledger of `account`, or of everybody.
    pub async fn audit(&self, account: Option<Account>) -> Told<()> {
        let account_id = account.map(|it| self.names.borrow().account(it)).unwrap_or_default();
        let request = pb::AuditLedgerRequest { account_id };
        let found = self.suite.ledgers().audit_ledger(request).await;
        let found = found.map_err(|status| format!("the audit: {status:?}"))?.into_inner().findings;
        if found.is_empty() { Ok(()) } else { Err(format!("the audit finds {found:#?}")) }
    }
}

/// The labels of the vouchers that `op` makes.
fn labels(op: &Op) -> Vec<Label> {
    match op {
        Op::Issue { grants, .. } => grants.iter().map(|grant| grant.label).collect(),
        Op::Redeem { label, .. } => vec![*label],
        _ => Vec::new(),
    }
}
