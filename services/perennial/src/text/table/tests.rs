use anstream::adapter::strip_str;

use super::*;

#[test]
fn columns_are_aligned_whatever_is_coloured() {
    let mut table = Table::new(&["INSTANCE", "STATE", ">PAYABLE"]);
    table.row(["vm-1".to_owned(), look("ACTIVE", Look::Good), "CNY 560.00".to_owned()]);
    table.row(["a-long-name".to_owned(), look("GRACE", Look::Bad), "CNY 5.00".to_owned()]);

    insta::assert_snapshot!(strip_str(&table.text()), @r"
    INSTANCE     STATE      PAYABLE
    vm-1         ACTIVE  CNY 560.00
    a-long-name  GRACE     CNY 5.00
    ");
}

#[test]
fn facts_leave_out_what_is_nothing() {
    let text = facts([("state", "ACTIVE".to_owned()), ("order", "-".to_owned())]);
    assert_eq!(strip_str(&text).to_string(), "state  ACTIVE\n");
}
