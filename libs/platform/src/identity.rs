//! Who calls, and what they may do.
//!
//! ```text
//! token, certificate ──▶ Identity ──▶ Caller (roles) ─┐
//!                                                     ├──▶ Guard ──▶ the handlers, in a Context
//! Access: who may make each call, by which field ─────┘
//! ```
//!
//! **Invariant:** what is not allowed is refused: a call that no row names, a role that the row does not
//! name, a request for somebody else's things.

mod about;
mod access;
mod bucket;
mod caller;
mod guard;
mod keys;
mod tokens;

use std::{net::IpAddr, sync::Arc};

use anyhow::{Context as _, bail};
use kernel::Env;
use tokio_rustls::rustls::pki_types::CertificateDer;

pub use self::{
    access::{Access, Who},
    caller::{Caller, InvalidRole, Role},
    guard::Guard,
};
use self::{
    bucket::Buckets,
    keys::Keys,
    tokens::{Tokens, Unproven},
};

/// By what callers are known.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Identity")]
pub struct IdentityArgs {
    /// Who issues the tokens of callers (OpenID Connect): the `iss` of their claims.
    #[arg(long, env = "PERENNIAL_OIDC_ISSUER", value_name = "URL", requires = "oidc_audience")]
    pub oidc_issuer: Option<String>,

    /// For whom tokens must have been issued: one of the `aud` of their claims.
    #[arg(long, env = "PERENNIAL_OIDC_AUDIENCE", value_name = "NAME", requires = "oidc_issuer")]
    pub oidc_audience: Option<String>,

    /// Where the issuer's keys are: an https:// address or a file; read again when they change. The
    /// issuer says so itself by default.
    #[arg(long, env = "PERENNIAL_OIDC_KEYS", value_name = "URL|FILE", requires = "oidc_issuer")]
    pub oidc_keys: Option<String>,

    /// The claim that lists roles: platform, product:ID, account:ID, service:NAME.
    #[arg(long, env = "PERENNIAL_OIDC_ROLES_CLAIM", value_name = "CLAIM", default_value = "roles")]
    pub oidc_roles_claim: String,

    /// A role of whoever has this `sub`, whatever the claims list; may be repeated.
    #[arg(
        long,
        env = "PERENNIAL_OIDC_SUBJECT_ROLES",
        value_name = "SUBJECT=ROLE",
        requires = "oidc_issuer",
        value_delimiter = ',',
        value_parser = assigned
    )]
    pub oidc_subject_role: Vec<(String, Role)>,

    /// A role of whoever proves by a certificate that this DNS name is theirs; may be repeated.
    #[arg(
        long,
        env = "PERENNIAL_CERTIFICATE_ROLES",
        value_name = "NAME=ROLE",
        requires_all = ["tls_cert_file", "tls_ca_file"],
        value_delimiter = ',',
        value_parser = assigned
    )]
    pub certificate_role: Vec<(String, Role)>,

    /// Calls a second that one caller may make; services of the suite have no bound. 0: any number.
    #[arg(long, env = "PERENNIAL_CALLS_PER_SECOND", value_name = "COUNT", default_value_t = 200)]
    pub calls_per_second: u32,

    /// Let anybody who reaches the server do everything, on whatever address it listens.
    #[arg(long, env = "PERENNIAL_INSECURE")]
    pub insecure: bool,
}

fn assigned(text: &str) -> Result<(String, Role), String> {
    let (name, role) = text.split_once('=').ok_or("must be NAME=ROLE")?;
    let role = role.parse().map_err(|error: InvalidRole| error.to_string())?;
    if name.is_empty() { Err("must be NAME=ROLE".to_owned()) } else { Ok((name.to_owned(), role)) }
}

/// Knows callers by their tokens and certificates.
#[derive(Debug)]
pub struct Identity {
    tokens: Option<Tokens>,
    names: Vec<(String, Role)>,
    buckets: Buckets,
    env: Env,
}

impl IdentityArgs {
    /// Whether anything is said of who may call.
    fn is_set(&self) -> bool {
        self.oidc_issuer.is_some() || !self.certificate_role.is_empty()
    }

    /// How callers are known; nothing where everybody may do everything, which is refused on addresses
    /// that others can reach unless it is asked for.
    pub async fn identity(
        &self,
        listen: IpAddr,
        env: &Env,
    ) -> anyhow::Result<Option<Arc<Identity>>> {
        if self.insecure && self.is_set() {
            bail!("--insecure and settings of identity contradict each other");
        }
        if !self.is_set() {
            if !listen.is_loopback() && !self.insecure {
                bail!(
                    "{listen} can be reached by others: say who may call (--oidc-issuer, \
                     --certificate-role), or --insecure for everybody"
                );
            }
            tracing::warn!(
                "nobody is asked who they are: whoever reaches the server may do everything"
            );
            return Ok(None);
        }
        let tokens = match &self.oidc_issuer {
            None => None,
            Some(issuer) => Some(self.tokens(issuer, env).await?),
        };
        let buckets = Buckets::new(self.calls_per_second);
        Ok(Some(Arc::new(Identity {
            tokens,
            names: self.certificate_role.clone(),
            buckets,
            env: env.clone(),
        })))
    }

    async fn tokens(&self, issuer: &str, env: &Env) -> anyhow::Result<Tokens> {
        let audience = self.oidc_audience.clone().context("tokens need an --oidc-audience")?;
        let keys = Keys::start(issuer, self.oidc_keys.as_deref()).await?;
        Ok(Tokens {
            issuer: issuer.to_owned(),
            audience,
            roles_claim: self.oidc_roles_claim.clone(),
            subject_roles: self.oidc_subject_role.clone(),
            keys,
            env: env.clone(),
        })
    }
}

impl Identity {
    /// Who brings this token and this certificate. A bad token is refused, whatever the certificate.
    async fn caller(
        &self,
        token: Option<&str>,
        certificate: Option<&CertificateDer<'_>>,
    ) -> Result<Caller, Unproven> {
        let by_token = match (token, &self.tokens) {
            (Some(token), Some(tokens)) => Some(tokens.caller(token).await?),
            (Some(_), None) => return Err(Unproven::NoTokens),
            (None, _) => None,
        };
        let by_name = certificate.map(|certificate| self.named(certificate));
        match (by_token, by_name) {
            (Some(caller), _) | (None, Some(caller)) => Ok(caller),
            (None, None) => Err(Unproven::Nothing),
        }
    }

    /// Whom a certificate proves, which the connection has checked already.
    fn named(&self, certificate: &CertificateDer<'_>) -> Caller {
        let names = webpki::EndEntityCert::try_from(certificate);
        let names: Vec<String> = names
            .map(|certificate| certificate.valid_dns_names().map(str::to_owned).collect())
            .unwrap_or_default();
        let roles = self.names.iter().filter(|(name, _)| names.contains(name));
        let roles = roles.map(|(_, role)| role.clone()).collect::<Vec<_>>();
        Caller::new(names.first().map_or("", String::as_str), roles)
    }
}

#[cfg(test)]
mod tests;
