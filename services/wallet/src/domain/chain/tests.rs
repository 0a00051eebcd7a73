use super::*;

const LINK: Link<'_> = Link {
    account: "acme",
    number: 7,
    debit: "cash",
    credit: "external:deposit",
    amount: 30,
    currency: "CNY",
    ids: [Some(Uuid::from_u128(1)), None, None],
    note: "salary",
    at_us: 5,
};

// W-2
#[test]
fn every_field_and_the_hash_before_it_count() {
    let id = Some(Uuid::from_u128(1));
    let others = [
        Link { account: "acm", debit: "ecash", ..LINK },
        Link { account: "b", ..LINK },
        Link { number: 8, ..LINK },
        Link { debit: "cas", credit: "hexternal:deposit", ..LINK },
        Link { credit: "cash", debit: "external:deposit", ..LINK },
        Link { amount: -30, ..LINK },
        Link { number: 30, amount: 7, ..LINK },
        Link { currency: "USD", ..LINK },
        Link { ids: [None, id, None], ..LINK },
        Link { ids: [None, None, id], ..LINK },
        Link { ids: [None; 3], ..LINK },
        Link { ids: [Some(Uuid::from_u128(1)), Some(Uuid::nil()), None], ..LINK },
        Link { note: "", ..LINK },
        Link { at_us: 6, ..LINK },
    ];
    let hash = Hash::NONE.then(&LINK);
    for other in others {
        assert_ne!(Hash::NONE.then(&other), hash, "{other:?}");
    }
    assert_ne!(hash.then(&LINK), hash);
    assert_eq!(Hash::NONE.then(&Link { ..LINK }), hash);
}

// W-2: what was hashed years ago must be found to be whole for as long as there is a ledger.
#[test]
fn the_encoding_is_the_same_for_ever() {
    let hash = Hash::NONE.then(&LINK).0;
    let half = |bytes: &[u8]| format!("{:032x}", u128::from_be_bytes(bytes.try_into().unwrap()));
    let hash = half(&hash[..16]) + &half(&hash[16..]);
    assert_eq!(hash, "d186574883624d3ee8c095c4d232071165318701d95a6d533b06055fbb1b4e33");
}
