use super::*;

fn sources(expected: &[(&str, i64)]) -> BySource {
    expected.iter().map(|&(source, part)| (source.to_owned(), part)).collect()
}

// W-3, V-4
#[test]
fn what_is_held_and_what_was_taken_of_each_source_is_told_apart() {
    let entry = |&(debit, credit, total): &(&str, &str, i64)| Moved {
        payment_id: Uuid::nil(),
        debit: debit.to_owned(),
        credit: credit.to_owned(),
        total,
    };
    let set_aside =
        [("cash", "hold:P:cash", 30), ("voucher:V", "hold:P:voucher:V", 9), ("cash", "void:V", 1)];
    let given_back = [("hold:P:cash", "cash", 10)];
    let ended = [
        ("hold:P:cash", "revenue:O", 20),
        ("cash", "revenue:O", 2),
        ("hold:P:voucher:V", "revenue:O", 5),
        ("hold:P:voucher:V", "forfeited:V", 4),
    ];
    for (entries, in_hold, paid) in [
        (set_aside.to_vec(), &[("cash", 30), ("voucher:V", 9)][..], &[][..]),
        ([&set_aside[..], &given_back].concat(), &[("cash", 20), ("voucher:V", 9)], &[]),
        (
            [&set_aside[..], &given_back, &ended].concat(),
            &[("cash", 0), ("voucher:V", 0)],
            &[("cash", 22), ("voucher:V", 5)],
        ),
    ] {
        let entries: Vec<_> = entries.iter().map(entry).collect();
        assert_eq!((held(&entries), taken(&entries)), (sources(in_hold), sources(paid)));
    }
}
