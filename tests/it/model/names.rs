//! What the service calls things, and what the world calls them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proto::convert::{instant, timestamp};

use super::{
    book::Place,
    op::{About, Account, At, Id, Label},
};

/// Both names of everything in one world.
#[derive(Debug)]
pub struct Names {
    seed: u32,
    /// The instant 0.
    begin: DateTime<Utc>,
    vouchers: BTreeMap<Label, String>,
    labels: BTreeMap<String, Label>,
    pub codes: BTreeMap<Label, String>,
    pub intents: BTreeMap<Id, String>,
}

/// What the service said cannot be.
pub type Told<T> = Result<T, String>;

impl Names {
    pub fn new(seed: u32, begin: DateTime<Utc>) -> Self {
        let (vouchers, labels, codes, intents) = Default::default();
        Self { seed, begin, vouchers, labels, codes, intents }
    }

    /// The UUID of what the world calls `id`. Another number of `kind` makes another one.
    fn uuid(&self, kind: u16, id: u64) -> String {
        format!("{:08x}-{kind:04x}-4000-8000-{id:012x}", self.seed)
    }

    pub fn id(&self, id: Id) -> String {
        self.uuid(0, id)
    }

    pub fn read_id(&self, text: &str) -> Told<Id> {
        let digits = text.rsplit('-').next().unwrap_or_default();
        let id = Id::from_str_radix(digits, 16).ok();
        id.filter(|&id| self.id(id) == text).ok_or_else(|| format!("nobody knows the id {text:?}"))
    }

    /// An id that may be empty.
    pub fn read_maybe(&self, text: &str) -> Told<Option<Id>> {
        if text.is_empty() { Ok(None) } else { self.read_id(text).map(Some) }
    }

    pub fn account(&self, Account(number): Account) -> String {
        format!("w{}-{number}", self.seed)
    }

    pub fn read_account(&self, text: &str) -> Told<Account> {
        let number = text.rsplit('-').next().and_then(|number| number.parse().ok()).map(Account);
        let known = number.filter(|&account| self.account(account) == text);
        known.ok_or_else(|| format!("nobody knows the account {text:?}"))
    }

    pub fn time(&self, at: At) -> DateTime<Utc> {
        self.begin + TimeDelta::microseconds(at)
    }

    pub fn stamp(&self, at: At) -> prost_types::Timestamp {
        timestamp(self.time(at))
    }

    pub fn read_time(&self, stamp: Option<prost_types::Timestamp>) -> Told<Option<At>> {
        let Some(stamp) = stamp else { return Ok(None) };
        let instant = instant(stamp).map_err(|error| error.to_string())?;
        Ok((instant - self.begin).num_microseconds())
    }

    /// The id of a voucher; one that nobody has, if the service has not given it one.
    pub fn voucher(&self, label: Label) -> String {
        self.vouchers.get(&label).cloned().unwrap_or_else(|| self.uuid(1, label))
    }

    pub fn read_voucher(&self, id: &str) -> Told<Label> {
        self.labels.get(id).copied().ok_or_else(|| format!("nobody knows the voucher {id}"))
    }

    /// Notes what the service calls the voucher `label`, unless both are known.
    pub fn learn_voucher(&mut self, label: Label, id: &str) {
        if !self.vouchers.contains_key(&label) && !self.labels.contains_key(id) {
            self.vouchers.insert(label, id.to_owned());
            self.labels.insert(id.to_owned(), label);
        }
    }

    /// A code; one that nobody made, if the service has not.
    pub fn code(&self, label: Label) -> String {
        let made = self.codes.get(&label).cloned();
        made.unwrap_or_else(|| format!("{:08}{:08}", self.seed % 100_000_000, label))
    }

    /// What a channel calls what a callback is about.
    pub fn subject(&self, about: About) -> String {
        match about {
            About::Intent(payment) => {
                self.intents.get(&payment).cloned().unwrap_or_else(|| self.uuid(2, payment))
            }
            About::Refund(refund) => self.id(refund),
        }
    }

    /// Reads the name of a ledger account.
    pub fn read_place(&self, text: &str) -> Told<Place> {
        let words: Vec<_> = text.split(':').collect();
        Ok(match words[..] {
            ["cash"] => Place::Cash,
            ["voucher", id] => Place::Voucher(self.read_voucher(id)?),
            ["hold", payment, "cash"] => Place::HeldCash(self.read_id(payment)?),
            ["hold", payment, "voucher", id] => {
                Place::HeldVoucher(self.read_voucher(id)?, self.read_id(payment)?)
            }
            ["external", "deposit"] => Place::Deposits,
            ["external", "channel", name] => {
                let known = super::CHANNELS.into_iter().map(|(known, ..)| known);
                let known = known.into_iter().find(|known| *known == name);
                Place::Channel(known.ok_or_else(|| format!("nobody knows the channel {name:?}"))?)
            }
            ["issued", "voucher"] => Place::Issued,
            ["revenue", order] => Place::Revenue(self.read_id(order)?),
            ["forfeited", id] => Place::Forfeited(self.read_voucher(id)?),
            ["void", id] => Place::Void(self.read_voucher(id)?),
            ["expired", id] => Place::Expired(self.read_voucher(id)?),
            ["refund", id] => Place::Refund(self.read_id(id)?),
            _ => return Err(format!("nobody knows the ledger account {text:?}")),
        })
    }
}
