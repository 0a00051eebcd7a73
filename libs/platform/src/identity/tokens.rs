//! Who a token says that its bearer is.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use kernel::Env;
use serde_json::{Map, Value};

use super::{Caller, Role, keys::Keys};

/// How far the issuer's clock may be from ours.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 8 << 10;

/// How tokens may be signed: with a key that only the issuer has.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why nobody knows who calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproven {
    /// Neither a token nor a certificate.
    #[error("say who you are: `authorization: Bearer TOKEN`, or a certificate")]
    Nothing,
    /// No issuer is trusted here.
    #[error("tokens prove nothing here")]
    NoTokens,
    /// Why the token proves nothing.
    #[error("the token {0}")]
    Token(&'static str),
}

/// What makes a token good.
#[derive(Debug)]
pub(super) struct Tokens {
    pub issuer: String,
    pub audience: String,
    pub roles_claim: String,
    pub subject_roles: Vec<(String, Role)>,
    pub keys: Keys,
    pub env: Env,
}

impl Tokens {
    /// Who brings `token`, if the issuer has signed it, for us, and for now.
    pub async fn caller(&self, token: &str) -> Result<Caller, Unproven> {
        if token.len() > LONGEST {
            return Err(Unproven::Token("is too long"));
        }
        let header = decode_header(token).map_err(|_| Unproven::Token("is no JWT"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Unproven::Token("is not signed by a key pair"));
        }
        let name = header.kid.ok_or(Unproven::Token("does not name its key"))?;
        let key = self.keys.key(&name).await;
        let key = key.ok_or(Unproven::Token("is signed by a key that the issuer does not have"))?;
        let key = DecodingKey::from_jwk(&key);
        let key = key.map_err(|_| Unproven::Token("is signed by a key that cannot be used"))?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // By our own clock, below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<Map<String, Value>>(token, &key, &validation);
        let claims = claims.map_err(|error| Unproven::Token(why(error.kind())))?.claims;
        in_time(&claims, self.env.now())?;
        Ok(self.bearer(&claims))
    }

    fn bearer(&self, claims: &Map<String, Value>) -> Caller {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let named: Vec<&str> = match claims.get(&self.roles_claim) {
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        // Roles of other applications stand there too.
        let named = named.into_iter().filter_map(|role| role.parse().ok());
        let given = self.subject_roles.iter().filter(|(whose, _)| whose == subject);
        Caller::new(subject, named.chain(given.map(|(_, role)| role.clone())).collect::<Vec<_>>())
    }
}

/// Half-open: a token is good until just before the instant at which it expires, but for the leeway.
fn in_time(claims: &Map<String, Value>, now: DateTime<Utc>) -> Result<(), Unproven> {
    let at = |claim: &str| {
        let seconds = claims.get(claim)?.as_f64()?;
        // Seconds that matter here are far from where a float loses one.
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and is then out of range")]
        DateTime::from_timestamp(seconds as i64, 0)
    };
    let expiry = at("exp").ok_or(Unproven::Token("does not say when it expires"))?;
    if now >= expiry + LEEWAY {
        return Err(Unproven::Token("has expired"));
    }
    if claims.contains_key("nbf") && at("nbf").is_none_or(|begin| now + LEEWAY < begin) {
        return Err(Unproven::Token("is not valid yet"));
    }
    Ok(())
}

fn why(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => "is not signed by the issuer",
        ErrorKind::InvalidIssuer => "is of another issuer",
        ErrorKind::InvalidAudience => "is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "lacks one of iss, aud, sub, exp",
        _ => "cannot be read",
    }
}

#[cfg(test)]
mod tests;
