//! The example console, which tests can stop, and make refuse and forget to answer.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use proto::provisioner::v1::{
    ApplyEntitlementRequest, ApplyEntitlementResponse,
    provisioner_service_server::{ProvisionerService, ProvisionerServiceServer},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use self::example::Console;

#[path = "../../services/perennial/examples/console.rs"]
#[expect(dead_code, reason = "it also runs by itself")]
mod example;

/// The console of every product, on a port of its own; stopped when it is dropped.
#[derive(Debug)]
pub struct Desk {
    port: u16,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    console: Console,
    troubles: Mutex<Troubles>,
}

#[derive(Debug, Default)]
struct Troubles {
    down: bool,
    refused: BTreeSet<String>,
    answers_lost: u32,
    calls: Vec<(String, i64)>,
}

impl Shared {
    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Opens a console that remembers in `folder`.
    pub async fn open(folder: &Path) -> Self {
        let console = Console::open(folder.join("console.json"), []).expect("a folder of ours");
        let shared = Arc::new(Shared { console, troubles: Mutex::default() });
        let mut desk = Self { port: 0, shared, server: None };
        desk.start().await;
        desk
    }

    /// What the catalog says of where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Listens, where it did before.
    pub async fn start(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("a free port");
        self.shared.troubles().down = false;
        self.port = listener.local_addr().expect("a bound listener").port();
        let service = ProvisionerServiceServer::from_arc(Arc::new(Front(Arc::clone(&self.shared))));
        let server = Server::builder().add_service(service);
        self.server = Some(tokio::spawn(async move {
            server.serve_with_incoming(TcpIncoming::from(listener)).await.expect("it serves");
        }));
    }

    /// Listens no more, and answers nobody.
    pub async fn stop(&mut self) {
        // What is connected already stays so.
        self.shared.troubles().down = true;
        if let Some(server) = self.server.take() {
            server.abort();
            // It was aborted.
            let _ = server.await;
        }
    }

    /// Refuses this instance for good, from now on.
    pub fn refuse(&self, id: &str) {
        self.shared.troubles().refused.insert(id.to_owned());
    }

    /// Does what it is told for this instance again.
    pub fn accept(&self, id: &str) {
        self.shared.troubles().refused.remove(id);
    }

    /// So many of its answers get lost.
    pub fn lose_answers(&self, count: u32) {
        self.shared.troubles().answers_lost = count;
    }

    /// The instances and versions that it was told since it was asked last.
    #[must_use]
    pub fn calls(&self) -> Vec<(String, i64)> {
        std::mem::take(&mut self.shared.troubles().calls)
    }

    /// What it made of an instance; empty if it was never told of it.
    #[must_use]
    pub fn made(&self, id: &str) -> String {
        self.shared.console.known(id).map(|(_, made)| made).unwrap_or_default()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

/// What callers meet.
#[derive(Debug)]
struct Front(Arc<Shared>);

#[tonic::async_trait]
impl ProvisionerService for Front {
    async fn apply_entitlement(
        &self,
        request: Request<ApplyEntitlementRequest>,
    ) -> Result<Response<ApplyEntitlementResponse>, Status> {
        let ApplyEntitlementRequest { instance_id, version, .. } = request.get_ref().clone();
        let trouble = {
            let mut troubles = self.0.troubles();
            if !troubles.down {
                troubles.calls.push((instance_id.clone(), version));
            }
            if troubles.down {
                Some(Status::new(Code::Unavailable, "nobody is there"))
            } else if troubles.refused.contains(&instance_id) {
                Some(Status::new(Code::FailedPrecondition, "it has no room"))
            } else {
                None
            }
        };
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        let answer = self.0.console.apply_entitlement(request).await;
        let mut troubles = self.0.troubles();
        if troubles.answers_lost > 0 {
            troubles.answers_lost -= 1;
            return Err(Status::new(Code::Unavailable, "the answer is lost"));
        }
        answer
    }
}
