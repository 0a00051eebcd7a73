//! Who issues tokens to the callers of a suite that asks who they are.

use std::fs;

use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, JwkSet},
};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the issuer is called.
const NAME: &str = "https://issuer.example";

/// An issuer with one key, which is in a file.
#[derive(Debug)]
pub struct Issuer {
    key: EncodingKey,
    folder: TempDir,
}

impl Issuer {
    /// A new issuer, with a key of its own.
    #[must_use]
    pub fn new() -> Self {
        let pair = KeyPair::generate().expect("a key");
        let key = EncodingKey::from_ec_der(pair.serialized_der());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public key");
        public.common.key_id = Some("one".to_owned());
        let folder = TempDir::new().expect("a temporary folder");
        let keys = serde_json::to_vec(&JwkSet { keys: vec![public] }).expect("keys as JSON");
        fs::write(folder.path().join("keys"), keys).expect("the folder is ours");
        Self { key, folder }
    }

    /// What a suite that trusts it is started with.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let keys = self.folder.path().join("keys").display().to_string();
        let words = ["--oidc-issuer", NAME, "--oidc-audience", "perennial", "--oidc-keys", &keys];
        words.map(str::to_owned).into()
    }

    /// A token for somebody in these roles.
    #[must_use]
    pub fn token(&self, roles: &[&str]) -> String {
        self.token_with(roles, |_| {})
    }

    /// The same, with claims changed.
    #[must_use]
    pub fn token_with(&self, roles: &[&str], change: impl FnOnce(&mut Value)) -> String {
        // Until the year 2100: tests set their own clock.
        let mut claims = json!({
            "iss": NAME, "aud": "perennial", "sub": roles.join("+"), "exp": 4_102_444_800_i64,
            "roles": roles,
        });
        change(&mut claims);
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, &claims, &self.key).expect("a token")
    }
}

impl Default for Issuer {
    fn default() -> Self {
        Self::new()
    }
}
