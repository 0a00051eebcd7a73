//! The wallet, where payments and orders are brought together again.

use chrono::{DateTime, Utc};
use kernel::ids::RefundId;
use platform::client::{Connection, safe};
use proto::{
    convert::timestamp,
    wallet::{
        internal::v1::{
            FindPaymentsRequest, FoundPayment, RestorePaymentRequest, WithdrawPaymentRequest,
            restore_service_client::RestoreServiceClient,
        },
        v1::{Payment, Refund},
    },
};
use tonic::Status;

use super::MAX_ANSWER;
use crate::app::RemoteError;

/// The wallet's service for restores.
#[derive(Debug, Clone)]
pub struct RemoteRestore {
    client: RestoreServiceClient<Connection>,
}

impl RemoteRestore {
    /// The wallet that answers on `connection`.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        let client = RestoreServiceClient::new(connection).max_decoding_message_size(MAX_ANSWER);
        Self { client }
    }

    /// The payments with these ids, at most 1,000; unknown ones are left out.
    pub async fn find(&self, payment_ids: Vec<String>) -> Result<Vec<FoundPayment>, RemoteError> {
        if payment_ids.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(FindPaymentsRequest { payment_ids, ..FindPaymentsRequest::default() }).await
    }

    /// At most `limit` payments after the one with the id `after`, that took or hold money and changed
    /// at `since` or later.
    pub async fn changed(
        &self,
        since: DateTime<Utc>,
        after: String,
        limit: i32,
    ) -> Result<Vec<FoundPayment>, RemoteError> {
        let since = Some(timestamp(since));
        let payment_ids = Vec::new();
        self.ask(FindPaymentsRequest { payment_ids, since, after_payment_id: after, limit }).await
    }

    async fn ask(&self, request: FindPaymentsRequest) -> Result<Vec<FoundPayment>, RemoteError> {
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.find_payments(request).await }
        });
        answer.await.map(|answer| answer.into_inner().payments).map_err(error)
    }

    /// Has what is left of a payment given back; answers with what was.
    pub async fn withdraw(
        &self,
        payment: &Payment,
        refund: RefundId,
    ) -> Result<Option<Refund>, RemoteError> {
        let request = WithdrawPaymentRequest {
            payment_id: payment.payment_id.clone(),
            account_id: payment.account_id.clone(),
            refund_id: refund.to_string(),
        };
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.withdraw_payment(request).await }
        });
        answer.await.map(|answer| answer.into_inner().refund).map_err(error)
    }

    /// Has a payment booked as it was booked before.
    pub async fn restore(&self, payment: Payment) -> Result<(), RemoteError> {
        let request = RestorePaymentRequest { payment: Some(payment) };
        let answer = safe(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.restore_payment(request).await }
        });
        answer.await.map(|_| ()).map_err(error)
    }
}

fn error(status: Status) -> RemoteError {
    RemoteError { service: "wallet", status }
}
