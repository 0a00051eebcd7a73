use proto::wallet::v1::{Entry, InstanceAmount, MovementKind};

use super::*;

fn cny(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "CNY".to_owned() }
}

fn balances(cash: i64) -> Balances {
    Balances { cash: Some(cny(cash)), held: Some(cny(0)), vouchers: Some(cny(0)) }
}

fn statement(note: &str) -> GetStatementResponse {
    let entry = Entry {
        number: 7,
        debit: "cash".to_owned(),
        credit: "revenue:o-1".to_owned(),
        amount: Some(cny(1_50)),
        note: note.to_owned(),
        order_id: "o-1".to_owned(),
        ..Entry::default()
    };
    let share =
        |id: &str, minor| InstanceAmount { instance_id: id.to_owned(), amount: Some(cny(minor)) };
    let line = StatementLine {
        entry: Some(entry),
        kind: MovementKind::Payment.into(),
        change: Some(balances(-1_50)),
        cash_after: Some(cny(8_50)),
        instances: vec![share("a", 50), share("b", 1_00)],
    };
    GetStatementResponse {
        opening: Some(balances(10_00)),
        closing: Some(balances(8_50)),
        lines: vec![line],
        ..GetStatementResponse::default()
    }
}

// W-2
#[test]
fn a_spreadsheet_gets_opening_movements_and_closing() {
    let csv = csv(&statement("a, \"b\""), Tz::UTC);
    let rows: Vec<_> = csv.split("\r\n").collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[1], ",-,OPENING,,,,,10.00,0.00,0.00,10.00,,,,,");
    assert_eq!(
        rows[2],
        "7,-,PAYMENT,cash,revenue:o-1,1.50,CNY,-1.50,0.00,0.00,8.50,,o-1,,a 0.50; b 1.00,\"a, \"\"b\"\"\""
    );
    assert_eq!(rows[3], ",-,CLOSING,,,,,8.50,0.00,0.00,8.50,,,,,");
    let columns = rows[0].split(',').count();
    assert!([rows[1], rows[3]].iter().all(|row| row.split(',').count() == columns));
}

#[test]
fn what_looks_like_a_formula_stays_text() {
    for (cell, expected) in
        [("=1+1", "'=1+1"), ("@x", "'@x"), ("-1.50", "-1.50"), ("-x", "'-x"), ("", "")]
    {
        assert_eq!(quoted(cell), expected);
    }
}

#[test]
fn people_get_the_movements_and_what_they_add_up_to() {
    let text = table(&statement("rent"), Tz::UTC);
    for part in ["PAYMENT", "a CNY 0.50; b CNY 1.00", "rent", "opening", "CNY 10.00", "closing"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let none = GetStatementResponse { lines: Vec::new(), ..statement("") };
    assert!(table(&none, Tz::UTC).contains("none"));
}
