use prost_types::{Duration, Timestamp};

use super::*;

fn tokens() -> PageTokens {
    PageTokens::of("ListInstances", &Timestamp { seconds: 1, nanos: 0 })
}

#[test]
fn a_token_gives_back_the_position_it_was_issued_for() {
    for position in ["", "2026-06-20|i-1", "名"] {
        let token = tokens().issue(position);
        assert_eq!(tokens().read(&token), Ok(Some(position.to_owned())));
    }
    assert_eq!(tokens().read(""), Ok(None));
}

#[test]
fn a_token_of_another_method_or_filter_is_refused() {
    let token = tokens().issue("x");
    let other_filter = PageTokens::of("ListInstances", &Timestamp { seconds: 2, nanos: 0 });
    let other_method = PageTokens::of("ListOrders", &Timestamp { seconds: 1, nanos: 0 });
    // Same bytes on the wire, in another method's message.
    let alike = PageTokens::of("ListEvents", &Duration { seconds: 1, nanos: 0 });
    for tokens in [other_filter, other_method, alike] {
        assert_eq!(tokens.read(&token), Err(PageTokenInvalid));
    }
}

#[test]
fn a_forged_token_is_refused() {
    let mut moved = BASE64_URL_SAFE_NO_PAD.decode(tokens().issue("a")).unwrap();
    *moved.last_mut().unwrap() = b'b';
    let moved = BASE64_URL_SAFE_NO_PAD.encode(moved);
    let long = "A".repeat(1 << 20);
    for forged in ["x", "AAAA", "!", "\0", &moved, &long] {
        assert_eq!(tokens().read(forged), Err(PageTokenInvalid));
    }
}

#[test]
fn a_bad_token_has_a_reason_of_its_own() {
    let status = Status::from(PageTokenInvalid);
    assert_eq!(crate::status::reason(&status).as_deref(), Some("PAGE_TOKEN_INVALID"));
}

#[test]
fn page_sizes_have_a_default_and_bounds() {
    let cases = [(0, 10), (1, 1), (999, 999), (1_000, 1_000), (1_001, 1_000), (i32::MAX, 1_000)];
    for (requested, size) in cases {
        assert_eq!(page_size(requested), Ok(size));
    }
    for negative in [-1, i32::MIN] {
        assert_eq!(page_size(negative), Err(NegativePageSize));
    }
}
