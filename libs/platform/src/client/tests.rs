use super::*;

#[test]
fn addresses_say_how_to_speak_to_them() {
    for good in ["http://127.0.0.1:50051", "https://renewal.example:443"] {
        assert!(good.parse::<Peer>().is_ok(), "{good}");
    }
    for bad in ["", "127.0.0.1:50051", "ftp://x", "http://", "http:// x"] {
        assert!(bad.parse::<Peer>().is_err(), "{bad}");
    }
}
