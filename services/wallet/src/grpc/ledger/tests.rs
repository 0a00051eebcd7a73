use platform::status::{bad_fields, reason};
use proto::wallet::v1::ledger_service_server::LedgerService as _;
use tonic::Code;

use super::*;
use crate::tests::*;

#[test]
fn months_begin_at_midnight_of_their_zone() {
    let shanghai = chrono_tz::Asia::Shanghai;
    let sao_paulo = chrono_tz::America::Sao_Paulo;
    for (text, zone, from, until) in [
        ("2026-03", Tz::UTC, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("2026-12", shanghai, "2026-11-30T16:00:00Z", "2026-12-31T16:00:00Z"),
        ("2024-02", Tz::UTC, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("2018-11", sao_paulo, "2018-11-01T03:00:00Z", "2018-12-01T02:00:00Z"),
    ] {
        let expected = from.parse().unwrap()..until.parse().unwrap();
        assert_eq!(month(text, zone), Ok(expected), "{text} in {zone}");
    }
    for bad in
        ["", "2026", "2026-3", "2026-13", "2026-00", "26-03", "2026-03-01", "+026-03", "0000-01"]
    {
        assert!(month(bad, Tz::UTC).is_err(), "{bad}");
    }
}

fn grpc(world: &World) -> WalletGrpc {
    WalletGrpc::new(world.wallets.clone())
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_every_field() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 1).await;
        let ask = |account_id: &str, month: &str, time_zone: &str| pb::GetStatementRequest {
            account_id: account_id.to_owned(),
            month: month.to_owned(),
            time_zone: time_zone.to_owned(),
            page: None,
        };
        for (request, fields) in [
            (ask("", "x", ""), vec!["account_id", "month"]),
            (ask("acme", "2026-11", "Mars/Crater"), vec!["time_zone"]),
            (ask("acme", "2026-12", "UTC"), vec!["month"]),
        ] {
            let status = grpc(world).get_statement(Request::new(request)).await.unwrap_err();
            let noted: Vec<_> = bad_fields(&status).into_iter().map(|(field, _)| field).collect();
            assert_eq!(
                (status.code(), noted),
                (Code::InvalidArgument, fields.into_iter().map(str::to_owned).collect())
            );
        }
        let mut forged = ask("acme", "2026-11", "");
        forged.page = Some(proto::r#type::v1::PageRequest {
            page_token: "forged".to_owned(),
            ..Default::default()
        });
        let status = grpc(world).get_statement(Request::new(forged)).await.unwrap_err();
        assert_eq!(reason(&status).as_deref(), Some("PAGE_TOKEN_INVALID"));
        let unknown = ask("b", "2026-11", "");
        let status = grpc(world).get_statement(Request::new(unknown)).await.unwrap_err();
        assert_eq!(reason(&status).as_deref(), Some("WALLET_NOT_FOUND"));

        for (account, after_number, why) in [
            ("b", 0, "WALLET_NOT_FOUND"),
            ("acme", -1, "INVALID_REQUEST"),
            ("", 0, "INVALID_REQUEST"),
        ] {
            let request = pb::ExportEntriesRequest { account_id: account.to_owned(), after_number };
            let status = grpc(world).export_entries(Request::new(request)).await.err().unwrap();
            assert_eq!(reason(&status).as_deref(), Some(why));
        }
        let request = pb::AuditLedgerRequest { account_id: "?".to_owned() };
        let status = grpc(world).audit_ledger(Request::new(request)).await.unwrap_err();
        assert_eq!(reason(&status).as_deref(), Some("INVALID_REQUEST"));
    })
    .await;
}

/// The numbers of the entries in each batch.
async fn exported(world: &World, after_number: i64) -> Vec<Vec<i64>> {
    let request = pb::ExportEntriesRequest { account_id: "acme".to_owned(), after_number };
    let batches = grpc(world).export_entries(Request::new(request)).await.unwrap().into_inner();
    let numbers = batches.map(|batch| batch.unwrap().entries.iter().map(|it| it.number).collect());
    numbers.collect().await
}

// W-2: without a gap, whoever stops where.
#[tokio::test]
async fn an_export_goes_on_where_it_was_left() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        assert_eq!(exported(world, 0).await, [] as [Vec<i64>; 0]);
        world.with_vouchers(&[(1, 30); 501]).await;
        assert_eq!(exported(world, 0).await, [(1..=500).collect(), vec![501]]);
        assert_eq!(exported(world, 499).await, [[500, 501]]);
        assert_eq!(exported(world, 501).await, [] as [Vec<i64>; 0]);
    })
    .await;
}

#[tokio::test]
async fn the_audit_names_check_account_and_row() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 5).await;
        let all = pb::AuditLedgerRequest::default();
        let sound = grpc(world).audit_ledger(Request::new(all.clone())).await.unwrap().into_inner();
        let expected = pb::AuditLedgerResponse { wallets: 1, ..pb::AuditLedgerResponse::default() };
        assert_eq!(sound, expected);
        crate::store::tests::tamper(world, "UPDATE wallets SET cash = 6").await.unwrap();
        let off = grpc(world).audit_ledger(Request::new(all)).await.unwrap().into_inner();
        assert_eq!(
            off.findings,
            [pb::AuditFinding {
                check: "cash is the sum of its entries (W-2)".to_owned(),
                account_id: "acme".to_owned(),
                message: "acme: cash 6, entries 5".to_owned(),
            }]
        );
    })
    .await;
}
