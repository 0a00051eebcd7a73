use MovementKind as Kind;

use super::*;

// W-2, W-3, V-5
#[test]
fn each_movement_is_of_a_kind_and_changes_what_it_says() {
    let change = |cash, held, vouchers| Balances { cash, held, vouchers };
    for (debit, credit, kind, expected) in [
        (Side::Deposits, Side::Cash, Kind::Deposit, change(9, 0, 0)),
        (Side::Issued, Side::Voucher, Kind::VoucherIssued, change(0, 0, 9)),
        (Side::Cash, Side::Revenue, Kind::Payment, change(-9, 0, 0)),
        (Side::Voucher, Side::Revenue, Kind::Payment, change(0, 0, -9)),
        (Side::HeldCash, Side::Revenue, Kind::Payment, change(0, -9, 0)),
        (Side::HeldVoucher, Side::Revenue, Kind::Payment, change(0, 0, -9)),
        (Side::Channel, Side::Revenue, Kind::Payment, change(0, 0, 0)),
        (Side::Cash, Side::HeldCash, Kind::Hold, change(-9, 9, 0)),
        (Side::Voucher, Side::HeldVoucher, Kind::Hold, change(0, 0, 0)),
        (Side::HeldCash, Side::Cash, Kind::Release, change(9, -9, 0)),
        (Side::HeldVoucher, Side::Voucher, Kind::Release, change(0, 0, 0)),
        (Side::Channel, Side::Cash, Kind::ChannelToCash, change(9, 0, 0)),
        (Side::Revenue, Side::Cash, Kind::Refund, change(9, 0, 0)),
        (Side::Revenue, Side::Voucher, Kind::Refund, change(0, 0, 9)),
        (Side::Revenue, Side::Void, Kind::Refund, change(0, 0, 0)),
        (Side::Revenue, Side::Refund, Kind::Refund, change(0, 0, 0)),
        (Side::Refund, Side::Channel, Kind::Refund, change(0, 0, 0)),
        (Side::Refund, Side::Cash, Kind::Refund, change(9, 0, 0)),
        (Side::Forfeited, Side::Voucher, Kind::Refund, change(0, 0, 9)),
        (Side::Voucher, Side::Forfeited, Kind::VoucherForfeited, change(0, 0, -9)),
        (Side::HeldVoucher, Side::Forfeited, Kind::VoucherForfeited, change(0, 0, -9)),
        (Side::Voucher, Side::Expired, Kind::VoucherExpired, change(0, 0, -9)),
        (Side::Voucher, Side::Void, Kind::VoucherRevoked, change(0, 0, -9)),
    ] {
        assert_eq!(MovementKind::of(debit, credit), kind, "{debit:?} > {credit:?}");
        assert_eq!(moved(debit, credit, 9), expected, "{debit:?} > {credit:?}");
    }
}
