//! Each statement on each database: the contract that both keep.

use platform::database::Backend;
use sea_orm::{ConnectionTrait as _, Value};

use super::*;
use crate::tests::*;

async fn run(world: &World, bulk: &Bulk, columns: Vec<Column>, more: Vec<Value>) -> u64 {
    let statement = bulk.over(world.database.backend(), columns, more);
    world.database.writer().execute_raw(statement).await.unwrap().rows_affected()
}

async fn count(world: &World, bulk: &Bulk, columns: Vec<Column>, more: Vec<Value>) -> usize {
    let statement = bulk.over(world.database.backend(), columns, more);
    world.database.writer().query_all_raw(statement).await.unwrap().len()
}

fn text(values: &[&str]) -> Column {
    Column::Text(values.iter().map(|&value| value.to_owned()).collect())
}

#[test]
fn sqlite_gets_rows_as_json() {
    let columns = vec![
        text(&["a\"b", "c"]),
        Column::Number(vec![i64::MIN, i64::MAX]),
        Column::Id(vec![id(1), id(2)]),
        Column::Bytes(vec![vec![0, 255], Vec::new()]),
    ];
    let statement = ADD_VOUCHERS.over(Backend::Sqlite, columns, Vec::new());
    let Some(Value::String(Some(json))) = statement.values.unwrap().0.pop() else { panic!() };
    insta::assert_snapshot!(json, @r#"[["a\"b",-9223372036854775808,"00000000000000000000000000000001","00ff"],["c",9223372036854775807,"00000000000000000000000000000002",""]]"#);
}

#[tokio::test]
async fn wallets_are_found_and_changed_by_account() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 5).await;
        world.with_cash(&"b".parse().unwrap(), 6).await;
        for bulk in [LOCK_WALLETS, FIND_WALLETS] {
            for (names, found) in [(&["b", "acme", "x"][..], 2), (&["x"], 0), (&[], 0)] {
                assert_eq!(count(world, &bulk, vec![text(names)], Vec::new()).await, found);
            }
        }
        let columns = |names: &[&str], gained: Vec<i64>| {
            let zeros = Column::Number(vec![0; names.len()]);
            let last = Column::Number(vec![9; names.len()]);
            let heads = Column::Bytes(vec![vec![7; 32]; names.len()]);
            vec![text(names), Column::Number(gained), zeros.clone(), zeros, last, heads]
        };
        let changed =
            run(world, &CHANGE_WALLETS, columns(&["b", "acme", "x"], vec![-6, 1, 1]), Vec::new());
        assert_eq!(changed.await, 2);
        assert_eq!(world.cash(&acme()).await, 6);
        assert_eq!(world.cash(&"b".parse().unwrap()).await, 0);
    })
    .await;
}

#[tokio::test]
async fn vouchers_are_found_by_account_or_by_id() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 0).await;
        let ids = world.with_vouchers(&[(10, 1), (20, 2)]).await;
        let now =
            |days| vec![Value::from((noon() + chrono::TimeDelta::days(days)).timestamp_micros())];
        for (days, open) in [(0, 2), (1, 1), (2, 0)] {
            assert_eq!(count(world, &OPEN_VOUCHERS, vec![text(&["acme"])], now(days)).await, open);
        }
        assert_eq!(count(world, &VALID_VOUCHERS, vec![text(&["acme"])], now(-2)).await, 0);
        let named = |account| vec![text(&[account]), Column::Id(vec![ids[0].0])];
        assert_eq!(count(world, &NAMED_VOUCHERS, named("acme"), Vec::new()).await, 1);
        assert_eq!(count(world, &NAMED_VOUCHERS, named("b"), Vec::new()).await, 0);

        let moved = vec![
            text(&["acme", "acme"]),
            Column::Id(vec![ids[0].0, ids[1].0]),
            Column::Number(vec![-10, -20]),
            Column::Number(vec![4, 18]),
            Column::Number(vec![3, 0]),
            Column::Number(vec![2, 1]),
            Column::Number(vec![0, 1]),
            Column::Number(vec![1, 0]),
        ];
        assert_eq!(run(world, &MOVE_VOUCHERS, moved, Vec::new()).await, 2);
        assert_eq!(world.remaining(&ids).await, [0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_payment_is_added_once() {
    on_each_database(async |world| {
        let columns = |account: &str, numbers: &[u128]| {
            let same = |value: &str| Column::Text(vec![value.to_owned(); numbers.len()]);
            let number = |value| Column::Number(vec![value; numbers.len()]);
            let ids = || Column::Id(numbers.iter().map(|&number| id(number)).collect());
            let bytes = || Column::Bytes(vec![vec![1, 2]; numbers.len()]);
            vec![
                same(account),
                ids(),
                same("REFUSED"),
                ids(),
                number(5),
                same("CNY"),
                bytes(),
                number(7),
                bytes(),
                same("[]"),
                same("R"),
                same("M"),
                number(-1),
            ]
        };
        let now = || vec![Value::from(1_i64)];
        assert_eq!(count(world, &ADD_PAYMENTS, columns("acme", &[1, 2]), now()).await, 2);
        assert_eq!(count(world, &ADD_PAYMENTS, columns("acme", &[2, 3]), now()).await, 1);
        // The id is taken, whoever pays.
        assert_eq!(count(world, &ADD_PAYMENTS, columns("b", &[1]), now()).await, 0);

        let ids = vec![Column::Id(vec![id(1), id(3), id(9)])];
        assert_eq!(count(world, &FIND_PAYMENTS, ids, Vec::new()).await, 2);
        let found = world.wallets.payments(&[kernel::ids::PaymentId(id(1))]).await.unwrap();
        let payment = &found[&kernel::ids::PaymentId(id(1))];
        let crate::domain::Outcome::Refused(refusal) = &payment.outcome else { panic!() };
        assert_eq!(refusal.available, None);
    })
    .await;
}
