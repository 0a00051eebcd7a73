use std::fs;

use tempfile::TempDir;

use super::*;

#[test]
fn an_address_names_a_server_and_no_user() {
    for good in ["nats://nats.messaging:4222", "tls://nats:4222", "nats.messaging:4222"] {
        assert!(address(good).is_ok(), "{good}");
    }
    for (bad, expected) in [
        ("http://nats:4222", "invalid scheme"),
        ("ws://nats:4222", "must begin with nats:// or tls://"),
        ("nats://me:secret@nats:4222", "must not name a user"),
        ("nats://token@nats:4222", "must not name a user"),
        ("", "must name a host"),
        ("nats://", "must name a host"),
    ] {
        let refused = address(bad).expect_err(bad);
        assert!(refused.contains(expected), "{bad}: {refused}");
    }
}

/// Nothing is published to whom it was not meant for because a file was not what it should be.
#[tokio::test]
async fn files_that_cannot_be_read_are_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    let address = address("tls://127.0.0.1:1").unwrap();
    let refusal = async |credentials, authorities| {
        let started = Nats::start(&address, credentials, authorities).await;
        format!("{:#}", started.expect_err("a bad file"))
    };
    let told = refusal(Some(file.as_path()), None).await;
    assert!(told.contains("could not read the credentials in"), "{told}");
    let told = refusal(None, Some(file.as_path())).await;
    assert!(told.contains("could not read certificates from"), "{told}");
    fs::write(&file, "no certificate").unwrap();
    let told = refusal(None, Some(file.as_path())).await;
    assert!(told.contains("there is no certificate in"), "{told}");
    let told = refusal(Some(file.as_path()), None).await;
    assert!(told.contains("could not read the credentials in"), "{told}");
}

/// A server that is away holds nothing up, and is told nothing that would be kept for it.
#[tokio::test]
async fn a_server_that_is_away_is_unreachable_at_once() {
    let address = address("nats://127.0.0.1:1").unwrap();
    let nats = Nats::start(&address, None, None).await.expect("it may come");
    let away = BusError::Unreachable("there is no connection".to_owned());
    assert_eq!(nats.end().await, Err(away.clone()));
    assert_eq!(nats.publish(0, Vec::new()).await, (0, Some(away)));
}

#[test]
fn attempts_to_connect_come_less_often_up_to_a_bound() {
    let pauses = [0, 1, 6, 7, 1_000_000].map(|attempt| pause(attempt).as_millis());
    assert_eq!(pauses, [100, 200, 6_400, 10_000, 10_000]);
}
