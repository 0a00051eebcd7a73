use std::{fs, path::Path};

use jsonwebtoken::{
    EncodingKey, Header, encode,
    jwk::{Jwk, JwkSet},
};
use kernel::env::ManualClock;
use rcgen::KeyPair;
use serde_json::json;
use tempfile::TempDir;

use super::*;

const NOW: i64 = 1_800_000_000;

/// Who issues tokens, with a key that is named.
struct Issuer {
    key: EncodingKey,
    name: &'static str,
}

impl Issuer {
    fn new(name: &'static str) -> Self {
        let pair = KeyPair::generate().unwrap();
        Self { key: EncodingKey::from_ec_der(pair.serialized_der()), name }
    }

    fn public(&self) -> Jwk {
        let mut key = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        key.common.key_id = Some(self.name.to_owned());
        key
    }

    fn token(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.name.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key).unwrap()
    }
}

fn publish(file: &Path, issuers: &[&Issuer]) {
    let keys = JwkSet { keys: issuers.iter().map(|issuer| issuer.public()).collect() };
    fs::write(file, serde_json::to_vec(&keys).unwrap()).unwrap();
}

/// Tokens of an issuer whose keys are in a file, and the file.
async fn tokens(issuers: &[&Issuer]) -> (Tokens, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    publish(&file, issuers);
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let tokens = Tokens {
        issuer: "https://issuer.example".to_owned(),
        audience: "perennial".to_owned(),
        roles_claim: "roles".to_owned(),
        subject_roles: vec![("robot".to_owned(), "service:renewal".parse().unwrap())],
        keys: Keys::start("https://issuer.example", Some(file.to_str().unwrap())).await.unwrap(),
        env: Env::with_clock(ManualClock::at(now)),
    };
    (tokens, folder)
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer.example",
        "aud": ["other", "perennial"],
        "sub": "ann",
        "exp": NOW + 60,
        "roles": ["account:acme", "admin-of-another-application"],
    })
}

/// The claims with `name` set to `value`, or without it.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let map = claims.as_object_mut().unwrap();
    if value.is_null() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value);
    }
    claims
}

#[tokio::test]
async fn a_good_token_says_who_its_bearer_is() {
    let issuer = Issuer::new("one");
    let (tokens, _folder) = tokens(&[&issuer]).await;
    let roles = async |claims: &Value| {
        let caller = tokens.caller(&issuer.token(claims)).await.unwrap();
        let roles = caller.roles().unwrap().iter().map(ToString::to_string);
        (caller.subject().to_owned(), roles.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(roles(&claims()).await, ("ann".to_owned(), "account:acme".to_owned()));
    let text = with("roles", json!("platform product:vm"));
    assert_eq!(roles(&text).await.1, "platform product:vm");
    assert_eq!(roles(&with("roles", Value::Null)).await.1, "");
    assert_eq!(roles(&with("sub", json!("robot"))).await.1, "account:acme service:renewal");
}

#[tokio::test]
async fn a_token_that_is_not_for_us_now_by_the_issuer_proves_nothing() {
    let issuer = Issuer::new("one");
    let (tokens, _folder) = tokens(&[&issuer]).await;
    for (claims, why) in [
        (with("iss", json!("https://other.example")), "is of another issuer"),
        (with("aud", json!("other")), "is for another audience"),
        (with("aud", Value::Null), "lacks one of iss, aud, sub, exp"),
        (with("iss", Value::Null), "lacks one of iss, aud, sub, exp"),
        (with("sub", Value::Null), "lacks one of iss, aud, sub, exp"),
        (with("exp", Value::Null), "lacks one of iss, aud, sub, exp"),
        (with("exp", json!(NOW - 30)), "has expired"),
        (with("nbf", json!(NOW + 31)), "is not valid yet"),
        (with("nbf", json!("soon")), "is not valid yet"),
    ] {
        let refused = tokens.caller(&issuer.token(&claims)).await;
        assert_eq!(refused.err(), Some(Unproven::Token(why)), "{claims}");
    }
    // The pairs of the boundaries, within the leeway.
    for claims in [with("exp", json!(NOW - 29)), with("nbf", json!(NOW + 30))] {
        assert!(tokens.caller(&issuer.token(&claims)).await.is_ok(), "{claims}");
    }
}

#[tokio::test]
async fn a_token_that_the_issuer_has_not_signed_proves_nothing() {
    let issuer = Issuer::new("one");
    let (tokens, _folder) = tokens(&[&issuer]).await;
    let refused = async |token: &str| tokens.caller(token).await.err();

    let forged = Issuer { key: Issuer::new("one").key, name: "one" };
    let why = Unproven::Token("is not signed by the issuer");
    assert_eq!(refused(&forged.token(&claims())).await, Some(why));

    let unknown = Issuer::new("two");
    let why = Unproven::Token("is signed by a key that the issuer does not have");
    assert_eq!(refused(&unknown.token(&claims())).await, Some(why));

    // A public key taken for a shared secret, and no signature at all.
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    let shared = encode(&header, &claims(), &EncodingKey::from_secret(b"public")).unwrap();
    let why = Unproven::Token("is not signed by a key pair");
    assert_eq!(refused(&shared).await, Some(why));
    let unsigned = "eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.e30.";
    assert_eq!(refused(unsigned).await, Some(Unproven::Token("is no JWT")));

    let nameless = encode(&Header::new(Algorithm::ES256), &claims(), &issuer.key).unwrap();
    assert_eq!(refused(&nameless).await, Some(Unproven::Token("does not name its key")));
    assert_eq!(refused("x").await, Some(Unproven::Token("is no JWT")));
    assert_eq!(refused(&"x".repeat(LONGEST + 1)).await, Some(Unproven::Token("is too long")));
}

#[tokio::test]
async fn keys_may_be_replaced_while_tokens_of_both_are_about() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let (tokens, folder) = tokens(&[&old]).await;
    assert!(tokens.caller(&new.token(&claims())).await.is_err());
    publish(&folder.path().join("keys"), &[&old, &new]);
    let Keys::File(file) = &tokens.keys else { unreachable!("the keys are in a file") };
    file.look();
    for issuer in [&old, &new] {
        assert!(tokens.caller(&issuer.token(&claims())).await.is_ok());
    }
    publish(&folder.path().join("keys"), &[&new]);
    file.look();
    assert!(tokens.caller(&old.token(&claims())).await.is_err());
}
