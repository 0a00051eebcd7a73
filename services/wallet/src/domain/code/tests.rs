use std::collections::HashSet;

use super::*;

#[test]
fn a_code_reads_back_however_it_is_typed() {
    let code = Code::of([Uuid::from_u128(1), Uuid::from_u128(2)]);
    let shown = code.to_string();
    assert_eq!(shown.split('-').map(str::len).collect::<Vec<_>>(), [4; 4]);
    for typed in
        [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), shown.replace('-', " ")]
    {
        assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
    }
    for bad in [
        "",
        "K7QW-2M9P-XA4T-HC8",
        "K7QW-2M9P-XA4T-HC8R2",
        "K7QW-2M9P-XA4T-HC8é",
        "K7QW_2M9PXA4THC8",
    ] {
        assert_eq!(bad.parse::<Code>(), Err(InvalidCode), "{bad}");
    }
}

#[test]
fn codes_differ_and_have_no_letter_that_looks_like_another() {
    let code = |number| Code::of([Uuid::from_u128(number), Uuid::from_u128(1)]);
    let codes: HashSet<_> = (0..1_000).map(code).collect();
    assert_eq!(codes.len(), 1_000);
    let letters: HashSet<_> = codes.iter().flat_map(|code| code.as_str().chars()).collect();
    assert_eq!(letters.len(), 32);
    assert!("01IO".chars().all(|letter| !letters.contains(&letter)));
}
