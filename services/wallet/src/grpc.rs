//! Messages to commands, results to messages, errors to statuses.

mod ledger;
mod parse;
mod payments;
mod purses;
mod restores;
mod show;
mod sweeps;
mod vouchers;
mod wallets;

use platform::{
    page::{PageTokens, page_size},
    status::{BadRequest, status_of},
};
use proto::r#type::v1 as wire;
use tonic::{Status, service::RoutesBuilder};

use crate::{
    app::{WalletError, Wallets},
    store::{Part, Rows},
};

/// The largest request, in bytes: 1,000 charges of a few items each are far smaller.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;

impl From<WalletError> for Status {
    fn from(error: WalletError) -> Self {
        if let WalletError::BadCallback { field, description } = error {
            let mut bad = BadRequest::default();
            bad.note(field, description);
            return bad.into_status();
        }
        status_of(&error)
    }
}

/// The services of this crate, as the contract knows them.
#[derive(Debug, Clone)]
pub struct WalletGrpc {
    wallets: Wallets,
}

impl WalletGrpc {
    pub fn new(wallets: Wallets) -> Self {
        Self { wallets }
    }

    /// Adds the services to `routes`.
    pub fn add_to(&self, routes: &mut RoutesBuilder) {
        use proto::wallet::{
            internal::v1::{
                purse_service_server::PurseServiceServer,
                restore_service_server::RestoreServiceServer,
                sweep_service_server::SweepServiceServer,
            },
            v1::{
                ledger_service_server::LedgerServiceServer,
                payment_service_server::PaymentServiceServer,
                voucher_service_server::VoucherServiceServer,
                wallet_service_server::WalletServiceServer,
            },
        };
        let payments = PaymentServiceServer::new(self.clone());
        routes
            .add_service(WalletServiceServer::new(self.clone()))
            .add_service(VoucherServiceServer::new(self.clone()))
            .add_service(LedgerServiceServer::new(self.clone()))
            .add_service(SweepServiceServer::new(self.clone()))
            .add_service(PurseServiceServer::new(self.clone()))
            .add_service(RestoreServiceServer::new(self.clone()))
            .add_service(payments.max_decoding_message_size(LARGEST_REQUEST));
    }
}

/// The most rows that a page leaps over.
const MOST_SKIPPED: i32 = 100_000;

/// Which part of a list is asked for; `position` reads what the last row of the page before left in
/// the token.
fn part<P>(
    bad: &mut BadRequest,
    page: Option<wire::PageRequest>,
    tokens: &PageTokens,
    position: impl FnOnce(&str) -> Option<P>,
) -> Result<Option<Part<P>>, Status> {
    let page = page.unwrap_or_default();
    let size = bad.field("page.page_size", page_size(page.page_size));
    let skip = match page.skip {
        0..=MOST_SKIPPED => Ok(u64::from(page.skip.unsigned_abs())),
        _ => Err(format!("must be 0 to {MOST_SKIPPED}")),
    };
    let skip = bad.field("page.skip", skip);
    let after = match tokens.read(&page.page_token)? {
        None => None,
        Some(text) => Some(position(&text).ok_or(platform::page::PageTokenInvalid)?),
    };
    let with_total = page.with_total;
    Ok(size.zip(skip).map(|(size, skip)| Part { after, skip, size: size.into(), with_total }))
}

/// Where a list goes on after `rows`; `position` is what the token keeps of the last row.
fn next_page<T>(
    rows: &Rows<T>,
    tokens: &PageTokens,
    position: impl FnOnce(&T) -> String,
) -> wire::PageResponse {
    let last = rows.items.last().filter(|_| rows.more);
    wire::PageResponse {
        next_page_token: last.map(|row| tokens.issue(&position(row))).unwrap_or_default(),
        total_size: rows.total.map(|total| i64::try_from(total).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests;
