use super::*;

fn secret(byte: u8) -> Secret {
    Secret(vec![byte; 24])
}

fn noon() -> DateTime<Utc> {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

const BODY: &[u8] = br#"{"type": "payment.succeeded"}"#;

/// Checks a message signed by `by` at noon, as it arrives `late` seconds after.
fn arrives(by: &Secret, late: i64) -> Result<(), SignatureInvalid> {
    let sent = noon().timestamp();
    let signature = by.sign("m-1", sent, BODY);
    let now = noon() + TimeDelta::seconds(late);
    verify(&[secret(1), secret(2)], "m-1", sent, &signature, BODY, now)
}

// W-4: two secrets during a rotation.
#[test]
fn each_of_several_secrets_is_good_and_no_other() {
    assert_eq!(arrives(&secret(1), 0), Ok(()));
    assert_eq!(arrives(&secret(2), 0), Ok(()));
    assert_eq!(arrives(&secret(3), 0), Err(SignatureInvalid));
}

// W-4
#[test]
fn the_window_is_five_minutes_to_either_side() {
    for (late, good) in [(-300, true), (300, true), (-301, false), (301, false)] {
        assert_eq!(arrives(&secret(1), late).is_ok(), good, "{late} seconds");
    }
    let signature = secret(1).sign("m-1", i64::MAX, BODY);
    let verified = verify(&[secret(1)], "m-1", i64::MAX, &signature, BODY, noon());
    assert_eq!(verified, Err(SignatureInvalid));
}

// W-4
#[test]
fn id_time_and_body_are_all_signed() {
    let sent = noon().timestamp();
    let good = secret(1).sign("m-1", sent, BODY);
    let check = |id: &str, sent, signature: &str, body| {
        verify(&[secret(1)], id, sent, signature, body, noon()).is_ok()
    };
    assert!(check("m-1", sent, &good, BODY));
    assert!(check("m-1", sent, &format!("v1,AAAA v2,no {good}"), BODY));
    assert!(check("m-1", sent, &format!("{good} {}", secret(2).sign("m-1", sent, BODY)), BODY));
    let part = |bytes: usize| {
        let whole = STANDARD.decode(&good[VERSION.len()..]).unwrap();
        format!("{VERSION}{}", STANDARD.encode([whole, vec![0]].concat().get(..bytes).unwrap()))
    };
    for (bytes, expected) in [(31, false), (32, true), (33, false)] {
        assert_eq!(check("m-1", sent, &part(bytes), BODY), expected, "{bytes} bytes");
    }
    assert!(!check("m-2", sent, &good, BODY));
    assert!(!check("m-1", sent + 1, &good, BODY));
    assert!(!check("m-1", sent, &good, b"{}"));
    assert!(!check("m-1", sent, good.trim_start_matches("v1,"), BODY));
    for broken in ["", "v1,", "v1,%%%", "v1,AAAA"] {
        assert!(!check("m-1", sent, broken, BODY), "{broken}");
    }
}

#[test]
fn secrets_are_read_and_never_shown() {
    let text = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for (bytes, good) in [(23, false), (24, true), (64, true), (65, false)] {
        assert_eq!(text(bytes).parse::<Secret>().is_ok(), good, "{bytes} bytes");
    }
    for bad in ["", "whsec_", "whsec_%", &text(24)[6..]] {
        assert_eq!(bad.parse::<Secret>(), Err(InvalidSecret));
    }
    assert_eq!(format!("{:?}", secret(7)), "Secret(..)");
}
