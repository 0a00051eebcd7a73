//! The voucher book, statements, and the proofs of the ledger, as an accountant sees them.

use proto::{
    convert::timestamp,
    r#type::v1::{BillingMode, OrderKind},
    wallet::{
        internal::v1::{AnchorChainsRequest, ExpireVouchersRequest},
        v1::{
            AuditLedgerRequest, ExportEntriesRequest, GetStatementRequest,
            IssueVoucherCodesRequest, ListVouchersRequest, MovementKind, PayableItem,
            RedeemVoucherRequest, RevokeVoucherRequest, StatementLine, VoucherTerms,
            voucher::State,
        },
    },
};
use tests::{Suite, at, fixture::*, refusal};
use tonic::Code;

/// Codes for vouchers of 30 that are valid until 1 December.
async fn codes(suite: &Suite, count: i32) -> Vec<String> {
    let terms = VoucherTerms {
        valid_from: Some(timestamp(at("2026-01-01 00:00"))),
        expire_time: Some(timestamp(at("2026-12-01 00:00"))),
        ..VoucherTerms::default()
    };
    let request = IssueVoucherCodesRequest {
        request_id: new_id(),
        count,
        face: Some(cny(30_00)),
        terms: Some(terms),
    };
    suite.vouchers().issue_voucher_codes(request).await.unwrap().into_inner().codes
}

fn redemption(account: &str, code: &str) -> RedeemVoucherRequest {
    RedeemVoucherRequest {
        request_id: new_id(),
        account_id: account.to_owned(),
        code: code.to_owned(),
    }
}

/// One item of `payable` fen.
fn item(payable: i64) -> PayableItem {
    PayableItem {
        instance_id: "i-1".to_owned(),
        product_id: "ks-eip".to_owned(),
        region: "cn-north-1".to_owned(),
        billing_mode: BillingMode::Prepaid.into(),
        order_kind: OrderKind::Renewal.into(),
        term_months: 1,
        payable: Some(cny(payable)),
        discounted: false,
    }
}

fn list(account: &str) -> ListVouchersRequest {
    ListVouchersRequest { account_id: account.to_owned(), ..ListVouchersRequest::default() }
}

crate::journeys! {
    /// V-1, V-5, O-3: made in bulk, redeemed once, revoked or expired, and never lost from the books.
    async fn vouchers_live_from_their_code_to_their_end(suite) {
        suite.kingsoft("ksc", 100_00).await;
        let codes = codes(suite, 3).await;
        let typed = codes[0].to_lowercase().replace('-', " ");
        let redeem = redemption("ksc", &typed);
        let mut redeemed = Vec::new();
        for _ in 0..2 {
            let voucher = suite.vouchers().redeem_voucher(redeem.clone()).await.unwrap();
            redeemed.push(voucher.into_inner().voucher.unwrap());
        }
        assert_eq!(redeemed[0], redeemed[1]);
        for (request, expected) in [
            (redemption("ksc", &codes[0]), (Code::FailedPrecondition, "VOUCHER_CODE_USED")),
            (redemption("ksc", "2222-2222-2222-2222"), (Code::NotFound, "VOUCHER_CODE_NOT_FOUND")),
            (redemption("ksc", "2222"), (Code::InvalidArgument, "INVALID_REQUEST")),
            (redemption("nobody", &codes[1]), (Code::NotFound, "WALLET_NOT_FOUND")),
        ] {
            let refused = refusal(suite.vouchers().redeem_voucher(request).await);
            assert_eq!(refused, (expected.0, expected.1.to_owned()));
        }

        let second = suite.vouchers().redeem_voucher(redemption("ksc", &codes[1])).await.unwrap();
        let revoke = RevokeVoucherRequest {
            account_id: "ksc".to_owned(),
            voucher_id: second.into_inner().voucher.unwrap().voucher_id,
            note: "issued by mistake".to_owned(),
        };
        let revoked = suite.vouchers().revoke_voucher(revoke.clone()).await.unwrap().into_inner();
        let revoked = revoked.voucher.unwrap();
        assert_eq!(revoked.state(), State::Revoked);
        assert_eq!(revoked.usage.unwrap().voided, Some(cny(30_00)));
        let other = RevokeVoucherRequest { account_id: "other".to_owned(), ..revoke };
        let refused = refusal(suite.vouchers().revoke_voucher(other).await);
        assert_eq!(refused, (Code::NotFound, "VOUCHER_NOT_FOUND".to_owned()));

        // What would it pay, and what is about to be lost?
        let with_basket = ListVouchersRequest { basket: vec![item(20_00)], ..list("ksc") };
        let listed = suite.vouchers().list_vouchers(with_basket).await.unwrap().into_inner();
        let uses: Vec<_> = listed.uses.iter().map(|it| it.amount.clone().unwrap().minor_units).collect();
        assert_eq!(uses.iter().sum::<i64>(), 20_00, "{:?}", listed.uses);
        assert!(listed.uses.iter().any(|it| it.why_not.contains("revoked")));
        let soon = ListVouchersRequest { expiring_within_days: Some(3_650), ..list("ksc") };
        let soon = suite.vouchers().list_vouchers(soon).await.unwrap().into_inner().vouchers;
        assert_eq!(soon.len(), 1);

        suite.set_clock(at("2026-12-01 00:05"));
        let swept = suite.wallet_sweeps().expire_vouchers(ExpireVouchersRequest { limit: 1 }).await;
        assert_eq!(swept.unwrap().into_inner().expired, 1);
        let refused = refusal(suite.vouchers().redeem_voucher(redemption("ksc", &codes[2])).await);
        assert_eq!(refused, (Code::FailedPrecondition, "VOUCHER_CODE_EXPIRED".to_owned()));
        let ended = suite.voucher("ksc", &redeemed[0].voucher_id).await;
        assert_eq!(ended.state(), State::Expired);
        assert_eq!(ended.usage.unwrap().expired, Some(cny(30_00)));
        suite.audit().await;
    }

    /// W-2: what is stated adds up, what is exported has no gap, and what is anchored stays.
    async fn a_ledger_proves_itself(suite) {
        suite.kingsoft("ksc", 100_00).await;
        let codes = codes(suite, 1).await;
        suite.vouchers().redeem_voucher(redemption("ksc", &codes[0])).await.unwrap();
        let month = suite.now().format("%Y-%m").to_string();
        let request = GetStatementRequest {
            account_id: "ksc".to_owned(),
            month,
            time_zone: "UTC".to_owned(),
            page: None,
        };
        let statement = suite.ledgers().get_statement(request.clone()).await.unwrap().into_inner();
        let kinds: Vec<_> = statement.lines.iter().map(StatementLine::kind).collect();
        assert_eq!(kinds, [MovementKind::Deposit, MovementKind::VoucherIssued]);
        let (opening, closing) = (statement.opening.unwrap(), statement.closing.unwrap());
        assert_eq!((opening.cash, closing.cash.clone()), (Some(cny(0)), Some(cny(100_00))));
        assert_eq!(closing.vouchers, Some(cny(30_00)));
        let request = GetStatementRequest { month: "2999-01".to_owned(), ..request };
        let refused = refusal(suite.ledgers().get_statement(request).await);
        assert_eq!(refused, (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));

        let request = ExportEntriesRequest { account_id: "ksc".to_owned(), after_number: 1 };
        let mut batches = suite.ledgers().export_entries(request).await.unwrap().into_inner();
        let batch = batches.message().await.unwrap().unwrap();
        assert_eq!(batch.entries.len(), 1);
        assert_eq!((batch.entries[0].number, batch.entries[0].hash.len()), (2, 32));
        assert_eq!(batches.message().await.unwrap(), None);

        let anchored = suite.wallet_sweeps().anchor_chains(AnchorChainsRequest { limit: 0 }).await;
        assert_eq!(anchored.unwrap().into_inner().anchored, 1);
        assert_eq!(suite.sweep("anchor").await.done, 0);
        let audited = suite.ledgers().audit_ledger(AuditLedgerRequest::default()).await.unwrap();
        let audited = audited.into_inner();
        assert_eq!((audited.findings, audited.wallets), (Vec::new(), 1));
        suite.audit().await;
    }
}
