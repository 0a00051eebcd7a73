//! Looking at all that a client can see of an account.

use proto::{
    r#type::v1::PageRequest,
    wallet::v1::{self as pb, voucher},
};
use tonic::{Code, Status};

use super::{
    names::Told,
    op::{Account, Id},
    wire::minor,
    world::{Seen, World},
};

fn failed(status: &Status) -> String {
    format!("looking at an account: {status:?}")
}

impl World<'_> {
    /// What can be seen of `account`: of `payments` those that there are, and the entries after the first
    /// `known`; with `funds`, what it can spend.
    pub async fn look(
        &self,
        account: Account,
        payments: &[Id],
        known: usize,
        funds: bool,
    ) -> Told<Seen> {
        let account_id = self.names.borrow().account(account);
        let (wallet, vouchers, payments, entries) = tokio::join!(
            self.see_wallet(&account_id),
            self.see_vouchers(&account_id),
            self.see_payments(payments),
            self.see_entries(&account_id, known),
        );
        let (wallet, vouchers) = (wallet?, vouchers?);
        let mut seen = Seen::default();
        if funds {
            seen.funds = Some(self.see_funds(&account_id).await?);
        }
        let names = self.names.borrow();
        if let Some(wallet) = wallet.clone() {
            seen.wallet = Some((minor(wallet.cash)?, minor(wallet.held)?));
        }
        for voucher in vouchers.clone() {
            let label = names.read_voucher(&voucher.voucher_id)?;
            seen.vouchers.insert(label, names.read_voucher_seen(voucher)?);
        }
        for payment in payments? {
            let id = names.read_id(&payment.payment_id)?;
            seen.raw_payments.insert(id, payment.clone());
            seen.payments.insert(id, names.read_payment(payment)?);
        }
        for (place, entry) in (known + 1..).zip(entries?) {
            if usize::try_from(entry.number) != Ok(place) {
                return Err(format!("entry {} stands where {place} should", entry.number));
            }
            seen.entries.push(names.read_entry(&entry)?);
        }
        // Whether a voucher can pay changes with the time.
        let timeless = |voucher: pb::Voucher| pb::Voucher {
            state: voucher::State::Unspecified.into(),
            ..voucher
        };
        seen.raw = (wallet, vouchers.into_iter().map(timeless).collect());
        Ok(seen)
    }

    async fn see_wallet(&self, account: &str) -> Told<Option<pb::Wallet>> {
        let request = pb::GetWalletRequest { account_id: account.to_owned() };
        match self.suite.wallets().get_wallet(request).await {
            Ok(found) => Ok(found.into_inner().wallet),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(failed(&status)),
        }
    }

    async fn see_vouchers(&self, account: &str) -> Told<Vec<pb::Voucher>> {
        let page = PageRequest { page_size: 1_000, ..PageRequest::default() };
        let request = pb::ListVouchersRequest {
            account_id: account.to_owned(),
            page: Some(page),
            ..pb::ListVouchersRequest::default()
        };
        match self.suite.vouchers().list_vouchers(request).await {
            Ok(found) => Ok(found.into_inner().vouchers),
            Err(status) if status.code() == Code::NotFound => Ok(Vec::new()),
            Err(status) => Err(failed(&status)),
        }
    }

    async fn see_payments(&self, payments: &[Id]) -> Told<Vec<pb::Payment>> {
        if payments.is_empty() {
            return Ok(Vec::new());
        }
        let payment_ids = payments.iter().map(|&id| self.names.borrow().id(id)).collect();
        let request = pb::GetPaymentsRequest { payment_ids, intent_ids: Vec::new() };
        let found = self.suite.payments().get_payments(request).await;
        Ok(found.map_err(|status| failed(&status))?.into_inner().payments)
    }

    async fn see_entries(&self, account: &str, known: usize) -> Told<Vec<pb::Entry>> {
        let after_number = i64::try_from(known).expect("few");
        let request = pb::ExportEntriesRequest { account_id: account.to_owned(), after_number };
        let mut batches = match self.suite.ledgers().export_entries(request).await {
            Ok(batches) => batches.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(Vec::new()),
            Err(status) => return Err(failed(&status)),
        };
        let mut entries = Vec::new();
        while let Some(batch) = batches.message().await.map_err(|status| failed(&status))? {
            entries.extend(batch.entries);
        }
        Ok(entries)
    }

    async fn see_funds(&self, account: &str) -> Told<i64> {
        let request = pb::GetFundsRequest { account_ids: vec![account.to_owned()] };
        let found = self.suite.payments().get_funds(request).await;
        let found = found.map_err(|status| failed(&status))?.into_inner().funds.pop();
        found.map_or(Ok(0), |funds| minor(funds.vouchers))
    }
}
