use prost::{
    Message as _,
    encoding::{encode_key, encode_varint},
};
use prost_reflect::DescriptorPool;
use tonic_health::pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest};

use super::*;

/// A field of bytes with this number.
fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut bytes);
    encode_varint(value.len() as u64, &mut bytes);
    bytes.extend(value);
    bytes
}

#[test]
fn a_text_is_found_wherever_it_stands() {
    let number = [0x08, 0x96, 0x01];
    for (message, path, wanted) in [
        (field(2, b"acme"), &[2][..], Some("acme")),
        ([field(1, b"x"), number.to_vec(), field(2, b"acme")].concat(), &[2], Some("acme")),
        // As whoever decodes it reads it.
        ([field(2, b"first"), field(2, b"last")].concat(), &[2], Some("last")),
        (field(3, &field(2, b"acme")), &[3, 2], Some("acme")),
        ([field(3, &field(2, b"acme")), field(3, b"")].concat(), &[3, 2], Some("acme")),
        (field(3, &field(2, b"acme")), &[3, 1], None),
        (Vec::new(), &[2], None),
        (field(2, &[0xff]), &[2], None),
        // Cut short, and no message at all.
        (field(2, b"acme")[..4].to_vec(), &[2], None),
        (vec![0xff; 12], &[2], None),
    ] {
        assert_eq!(text(&message, path), wanted, "{message:?}");
    }
}

#[test]
fn what_is_kept_of_a_request_is_short_and_plain() {
    let places = Places { account: Some(vec![1]), request: None };
    let long = field(1, "a\0ü\n".repeat(100).as_bytes());
    let about = places.read(&long);
    assert_eq!(about, About { account: "aü".repeat(32), request: String::new() });
}

#[test]
fn requests_that_name_nobody_are_about_nobody() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let kind = pool.get_message_by_name("grpc.health.v1.HealthCheckRequest").unwrap();
    assert_eq!(path(&kind, "service"), Some(vec![1]));
    assert_eq!(path(&kind, "service.more"), None);
    assert_eq!(path(&kind, "account_id"), None);
    let request = HealthCheckRequest { service: "acme".to_owned() }.encode_to_vec();
    assert_eq!(Places::of(&kind).read(&request), About::default());
}
