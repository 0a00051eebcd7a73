use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

/// Rounds `numerator / denominator` to a hundredth.
#[track_caller]
fn check(numerator: &str, denominator: u32, half_up: i64, truncated: i64) {
    let exact = Exact::new(decimal(numerator), denominator);
    assert_eq!(exact.to_minor(2, Rounding::HalfUp), Ok(half_up), "{numerator}/{denominator}");
    assert_eq!(exact.to_minor(2, Rounding::Truncate), Ok(truncated), "{numerator}/{denominator}");
}

// M-5: one rounding, never bankers'.
#[test]
fn halves_go_up_and_truncation_erases() {
    check("0.005", 1, 1, 0);
    check("0.015", 1, 2, 1);
    check("0.025", 1, 3, 2);
    check("0.0049999999999999999999999", 1, 0, 0);
    check("67.43305", 1, 67_43, 67_43);
    check("10", 3, 3_33, 3_33);
    check("20", 3, 6_67, 6_66);
    check("0.15", 30, 1, 0);
    check("0.1499", 30, 0, 0);
    check("90", 30, 3_00, 3_00);
    check("0", 30, 0, 0);
}

// M-5: a thirtieth less a tenth is a whole coin; dividing first would lose it.
#[test]
fn nothing_is_lost_before_the_rounding() {
    let third = Exact::new(decimal("100"), 30).scaled(decimal("0.9")).unwrap();
    assert_eq!(third.to_minor(2, Rounding::Truncate), Ok(3_00));
}

#[test]
fn what_cannot_be_exact_is_refused() {
    assert_eq!(times(decimal("0.00000000000001"), decimal("0.000000000000001")), Err(TooLarge));
    assert_eq!(times(Decimal::MAX, decimal("2")), Err(TooLarge));
    assert_eq!(plus(Decimal::MAX, Decimal::ONE), Err(TooLarge));
    assert_eq!(plus(Decimal::MAX, decimal("0.1")), Err(TooLarge));
    assert_eq!(
        Exact::new(decimal("92233720368547758.08"), 1).to_minor(2, Rounding::HalfUp),
        Err(TooLarge)
    );
    check("92233720368547758.07", 1, i64::MAX, i64::MAX);
}

#[test]
fn trailing_zeros_are_no_digits() {
    assert_eq!(times(decimal("1.00000000000000"), decimal("1.000000000000000")), Ok(Decimal::ONE));
}

proptest! {
    #[test]
    fn rounding_moves_by_less_than_a_coin(mantissa in 0_i64..=i64::MAX, scale in 0_u32..12, denominator in 1_u32..5000) {
        let exact = Exact::new(Decimal::new(mantissa, scale), denominator);
        if let (Ok(up), Ok(down)) = (exact.to_minor(2, Rounding::HalfUp), exact.to_minor(2, Rounding::Truncate)) {
            prop_assert!(up == down || up == down + 1);
            let off = (Decimal::new(down, 2) - exact.shown()).abs();
            prop_assert!(off <= Decimal::new(1, 2));
        }
    }

    #[test]
    fn more_than_there_is_leaves_nothing(mantissa in 0_u32.., taken in 0_u32.., denominator in 1_u32..400) {
        let exact = Exact::new(mantissa.into(), denominator);
        let left = exact.less(taken.into()).unwrap();
        prop_assert!(left.numerator >= Decimal::ZERO);
        prop_assert_eq!(left.numerator.is_zero(), u64::from(mantissa) <= u64::from(taken) * u64::from(denominator));
    }
}
