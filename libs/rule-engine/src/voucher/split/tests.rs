use proptest::prelude::*;

use super::*;

/// Splits over instances `i-0`, `i-1` … with these amounts unpaid.
fn over(amount: i64, unpaid: &[i64]) -> Vec<i64> {
    let names: Vec<InstanceId> =
        (0..unpaid.len()).map(|number| format!("i-{number}").parse().unwrap()).collect();
    let items: Vec<_> =
        names.iter().zip(unpaid).map(|(instance, &amount)| Unpaid { instance, amount }).collect();
    split(amount, &items)
}

// V-4
#[test]
fn an_amount_is_split_by_largest_remainder() {
    for (amount, unpaid, parts) in [
        (90, &[100, 200][..], &[30, 60][..]),
        // 33.3 each: of equal remainders and amounts the lowest instance id.
        (100, &[50, 50, 50], &[34, 33, 33]),
        // 0.5 each: the larger unpaid, wherever it stands.
        (1, &[1, 1], &[1, 0]),
        (2, &[1, 3], &[0, 2]),
        (2, &[3, 1], &[2, 0]),
        // Remainders 0.6, 0.2, 0.2.
        (2, &[3, 1, 1], &[1, 1, 0]),
        // All, nothing, and more than there is to pay.
        (300, &[100, 200], &[100, 200]),
        (0, &[100, 200], &[0, 0]),
        (301, &[100, 200], &[100, 200]),
        (-1, &[100], &[0]),
        (5, &[], &[]),
        (5, &[0, 0], &[0, 0]),
        (5, &[0, 9], &[0, 5]),
        // The largest amounts there are.
        (i64::MAX, &[i64::MAX, i64::MAX], &[i64::MAX / 2 + 1, i64::MAX / 2]),
    ] {
        assert_eq!(over(amount, unpaid), parts, "{amount} over {unpaid:?}");
    }
}

proptest! {
    /// V-4: exact to the minor unit.
    #[test]
    fn a_split_always_adds_up(
        unpaid in prop::collection::vec(prop_oneof![0i64..1000, 0..=i64::MAX / 8], 0..8),
        share in 0u32..=1000,
    ) {
        let whole: i64 = unpaid.iter().sum();
        let amount = i64::try_from(i128::from(whole) * i128::from(share) / 1000).unwrap();
        let parts = over(amount, &unpaid);
        prop_assert_eq!(parts.iter().sum::<i64>(), amount);
        for (&part, &unpaid) in parts.iter().zip(&unpaid) {
            let exact = i128::from(amount) * i128::from(unpaid);
            prop_assert!(part >= 0 && part <= unpaid);
            prop_assert!((i128::from(part) * i128::from(whole) - exact).abs() < i128::from(whole.max(1)));
        }
    }
}
