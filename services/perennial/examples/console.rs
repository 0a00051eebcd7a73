//! The console of three products in small: virtual machines, Redis instances and ModelArts pools.
//!
//! It serves `ProvisionerService`, so that what is paid reaches the instances. All that Perennial
//! asks of a console is in `Console::apply`: keep the highest version of each instance before you
//! answer OK, do nothing for a lower one, and refuse for good only what can never be done.
//!
//! ```sh
//! cargo run -p perennial --example console -- --listen 127.0.0.1:50061 --state console.json
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use clap::Parser;
use proto::provisioner::v1::{
    ApplyEntitlementRequest, ApplyEntitlementResponse,
    apply_entitlement_request::State,
    provisioner_service_server::{ProvisionerService, ProvisionerServiceServer},
};
use tonic::{Code, Request, Response, Status, transport::Server};

#[derive(Parser)]
struct Args {
    /// Where to listen: the catalog names it as the product's `provisioner`.
    #[arg(long, default_value = "127.0.0.1:50061")]
    listen: SocketAddr,

    /// The file that remembers every instance.
    #[arg(long, default_value = "console.json")]
    state: PathBuf,

    /// An instance whose host is broken beyond repair: it is refused for good. May be repeated.
    #[arg(long)]
    broken: Vec<String>,
}

/// What the console knows of each instance: the version, and what it made of it.
type Known = BTreeMap<String, (i64, String)>;

/// A console that remembers what it has acknowledged in a file.
#[derive(Debug)]
pub struct Console {
    state: PathBuf,
    broken: BTreeSet<String>,
    known: Mutex<Known>,
}

impl Console {
    /// A console that goes on where the file `state` says that it was.
    pub fn open(state: PathBuf, broken: impl IntoIterator<Item = String>) -> io::Result<Self> {
        let known = match fs::read(&state) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Known::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { state, broken: broken.into_iter().collect(), known: Mutex::new(known) })
    }

    /// The version that the console has of an instance, and what it made of it.
    pub fn known(&self, id: &str) -> Option<(i64, String)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Makes the instance what it is entitled to be. Calls take turns.
    fn apply(&self, wanted: &ApplyEntitlementRequest) -> Result<(), Status> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let version = known.get(&wanted.instance_id).map_or(0, |(version, _)| *version);
        if wanted.version <= version {
            // A repeat, or one that was overtaken: it is done, or out of date.
            return Ok(());
        }
        // Final: the customer gets the money back. Nothing that may pass is refused so.
        if self.broken.contains(&wanted.instance_id) && wanted.state() == State::Active {
            return Err(Status::new(Code::FailedPrecondition, "its host is broken beyond repair"));
        }
        let made = work(wanted)?;
        let mut next = known.clone();
        next.insert(wanted.instance_id.clone(), (wanted.version, made));
        // Durable before OK: what is acknowledged is never told again.
        self.keep(&next).map_err(|error| Status::new(Code::Internal, error.to_string()))?;
        *known = next;
        Ok(())
    }

    fn keep(&self, known: &Known) -> io::Result<()> {
        let new = self.state.with_extension("new");
        let file = fs::File::create(&new)?;
        serde_json::to_writer(&file, known)?;
        file.sync_all()?;
        fs::rename(new, &self.state)
    }
}

/// What each product makes of an entitlement: here words; in a real console calls to its hosts, each
/// of which may be repeated.
fn work(wanted: &ApplyEntitlementRequest) -> Result<String, Status> {
    let setting = |name: &str| {
        let mut settings = wanted.configuration.iter().flat_map(|one| &one.settings);
        settings.find(|setting| setting.name == name).map_or("?", |setting| setting.value.as_str())
    };
    let (running, kept) = match wanted.product_id.as_str() {
        "jd-vm" => (format!("a machine {}", setting("flavor")), "its disks"),
        "al-redis" => (format!("a Redis {}", setting("instance_class")), "its last snapshot"),
        "hw-standard-pool" | "hw-lite-pool" => {
            (format!("{} nodes {}", setting("nodes"), setting("flavor")), "its volumes")
        }
        // A mistake of the catalog, which people can mend: not final.
        other => return Err(Status::new(Code::Unimplemented, format!("{other} is not ours"))),
    };
    Ok(match wanted.state() {
        State::Active | State::Grace => format!("runs {running}"),
        State::Retained => format!("stopped {running}, keeps {kept}"),
        State::Released => "deleted everything".to_owned(),
        // A state of a later contract: not final either.
        State::Unspecified => return Err(Status::new(Code::Unimplemented, "an unknown state")),
    })
}

#[tonic::async_trait]
impl ProvisionerService for Console {
    async fn apply_entitlement(
        &self,
        request: Request<ApplyEntitlementRequest>,
    ) -> Result<Response<ApplyEntitlementResponse>, Status> {
        self.apply(request.get_ref())?;
        Ok(Response::new(ApplyEntitlementResponse {}))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { listen, state, broken } = Args::parse();
    let console = ProvisionerServiceServer::new(Console::open(state, broken)?);
    Ok(Server::builder().add_service(console).serve(listen).await?)
}
