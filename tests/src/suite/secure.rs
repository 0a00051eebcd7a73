//! A suite of four processes that speak TLS, prove to each other who they are, and ask their callers.

use std::{fs, path::Path};

use platform::{
    client::{Credentials, CredentialsArgs, Deadlines, Peer},
    tls::TlsArgs,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::{Backend, NO_SCHEDULES, SERVICES, Suite, settings::settings, start::port_of};
use crate::{
    clients::{Clients, Speaker, channel},
    issuer::Issuer,
    postgres,
};

/// Roles by which a suite's own clients do whatever a test asks for.
const EVERYTHING: [&str; 3] = ["platform", "service:renewal", "service:scheduler"];

/// With what processes and their callers prove who they are.
#[derive(Debug)]
pub(super) struct Proofs {
    issuer: Issuer,
    folder: TempDir,
}

impl Proofs {
    /// An authority that signs a certificate for each service, and an issuer of tokens.
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let write = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).expect("the folder is ours");
        };
        write("ca.crt", authority.pem());
        for service in SERVICES {
            let key = KeyPair::generate().expect("a key");
            let names = vec![format!("{service}.internal"), "127.0.0.1".to_owned()];
            let params = CertificateParams::new(names).expect("good names");
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            write(&format!("{service}.crt"), certificate.pem());
            write(&format!("{service}.key"), key.serialize_pem());
        }
        Self { issuer: Issuer::new(), folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What `service` is started with.
    pub fn words(&self, service: &str) -> Vec<String> {
        let mut words = self.issuer.words();
        for (flag, file) in [
            ("cert", format!("{service}.crt")),
            ("key", format!("{service}.key")),
            ("ca", "ca.crt".to_owned()),
        ] {
            words.extend([format!("--tls-{flag}-file"), self.path(&file)]);
        }
        for caller in ["renewal", "scheduler"] {
            let role = format!("{caller}.internal=service:{caller}");
            words.extend(["--certificate-role".to_owned(), role]);
        }
        words
    }

    /// By what whoever is in `roles` is known, and knows the services.
    fn credentials(&self, roles: &[&str]) -> Credentials {
        let token = self.path(&roles.join("+"));
        fs::write(&token, self.issuer.token(roles)).expect("the folder is ours");
        let tls = TlsArgs { tls_ca_file: Some(self.path("ca.crt").into()), ..TlsArgs::default() };
        let args = CredentialsArgs { tls, service_token_file: Some(Path::new(&token).to_owned()) };
        Credentials::read(&args).expect("good files")
    }
}

impl Suite {
    /// Four processes on PostgreSQL that prove by certificates who they are. The suite's own clients may do
    /// everything; those of others are [`Suite::clients_in`] their roles.
    pub async fn secured() -> Self {
        Self::secured_with(&[]).await
    }

    /// The same, with more `words` on the command lines.
    pub async fn secured_with(words: &[String]) -> Self {
        let proofs = Proofs::new();
        let cluster = postgres::address();
        let (databases, folder) = Box::pin(settings(&cluster, Backend::Postgres)).await;
        let groups: Vec<_> = SERVICES.iter().map(std::slice::from_ref).collect();
        let words: Vec<_> =
            NO_SCHEDULES.into_iter().chain(words.iter().map(String::as_str)).collect();
        let mut suite = Self::in_processes(&groups, databases, folder, &words, Some(proofs));
        suite.clients = suite.clients_in(&EVERYTHING);
        suite
    }

    /// How the commands of the client reach the wallet, where they may do everything.
    #[must_use]
    pub fn words_of_client(&self) -> Vec<String> {
        let address = format!("127.0.0.1:{}", self.wallet_port);
        let Some(proofs) = &self.proofs else {
            return vec!["--address".to_owned(), format!("http://{address}")];
        };
        let address = format!("https://{address}");
        let (ca, token) = (proofs.path("ca.crt"), proofs.path(&EVERYTHING.join("+")));
        let words = ["--address", &address, "--ca-file", &ca, "--token-file", &token];
        words.map(str::to_owned).into()
    }

    /// A connection to another process of this suite on `port`, for which the suite's own clients may do
    /// everything.
    pub(super) fn speaker_at(&self, port: u16) -> Speaker {
        match &self.proofs {
            Some(proofs) => shipped(port, &proofs.credentials(&EVERYTHING)),
            None => channel(port),
        }
    }

    /// Those who are in `roles`, who speak to a suite that is secured as programs do that are shipped.
    #[must_use]
    pub fn clients_in(&self, roles: &[&str]) -> Clients {
        let proofs = self.proofs.as_ref().expect("a suite that is secured");
        let credentials = proofs.credentials(roles);
        let port = |service| port_of(&self.processes, service);
        let speaker = |service| shipped(port(service), &credentials);
        Clients {
            catalog: speaker("catalog"),
            renewal: speaker("renewal"),
            wallet: speaker("wallet"),
            wallet_port: port("wallet"),
            scheduler: speaker("scheduler"),
        }
    }

    /// Has the process of `service` stop as Kubernetes does, and starts it again.
    pub fn roll(&mut self, service: &str) {
        let stopped = self.process_of(service).process.stop();
        assert!(stopped.success(), "{service} stops in order: {stopped:?}");
        self.restart(service, None);
    }
}

/// A connection to a server on this machine, with the client policy of the suite.
fn shipped(port: u16, credentials: &Credentials) -> Speaker {
    let peer: Peer = format!("https://127.0.0.1:{port}").parse().expect("an address");
    Speaker::Shipped(peer.with(credentials).connect_within(Deadlines::default()))
}
