//! The command-line client, for people: every call of the suite as a command.
//!
//! ```text
//! value    what people type ─▶ messages         crate::text   messages ─▶ what people read
//! message  files ─▶ messages ─▶ JSON            failure       how a command ends
//! catalog, accounts, instances, renewals, forecast, orders, attempts, checkout,
//! wallet, vouchers, ledger, sandbox, events, webhooks, schedules, sweep, clock: the
//! commands
//! ```
//!
//! **Invariant:** speaks gRPC only; whatever it shows, any client could have asked for.

mod accounts;
mod attempts;
mod catalog;
mod checkout;
mod clock;
mod events;
mod failure;
mod forecast;
mod instances;
mod ledger;
mod message;
mod orders;
mod pages;
mod renewals;
mod sandbox;
mod schedules;
mod sweep;
mod value;
mod vouchers;
mod wallet;
mod webhooks;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::OnceLock,
    time::Duration,
};

use chrono_tz::Tz;
use kernel::Env;
use platform::{
    client::{Connection, Credentials, CredentialsArgs, Deadlines, Peer},
    tls::TlsArgs,
};
use prost::{Message, Name};

pub use self::failure::EXIT_CODES;
use self::failure::{Done, Failure};
use crate::output;

/// The client's commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Products, their rules and prices: apply a catalog, look at it.
    #[command(subcommand, after_help = EXIT_CODES)]
    Catalog(catalog::Command),
    /// Accounts: the customers of the cloud, and what they have chosen.
    #[command(subcommand, after_help = EXIT_CODES)]
    Accounts(accounts::Command),
    /// Instances: register, find, check, set what happens at expiry.
    #[command(subcommand, after_help = EXIT_CODES)]
    Instances(instances::Command),
    /// Say what a renewal would give and cost, and hold its price.
    #[command(after_help = renewals::QUOTE_EXAMPLES)]
    Quote(renewals::QuoteArgs),
    /// Renew instances: order and pay.
    #[command(after_help = renewals::RENEW_EXAMPLES)]
    Renew(Box<renewals::RenewArgs>),
    /// What will happen by itself: renewals and what pays them, expiries, releases, vouchers that are
    /// lost.
    #[command(after_help = forecast::EXAMPLES)]
    Forecast(forecast::ForecastArgs),
    /// Orders: list, look at, pay, cancel.
    #[command(subcommand, after_help = EXIT_CODES)]
    Orders(orders::Command),
    /// Automatic renewals: how attempts were decided, and the proof that each was, once.
    #[command(subcommand, after_help = EXIT_CODES)]
    Attempts(attempts::Command),
    /// Have a payment channel asked for an order, or for what vouchers and cash leave of it.
    #[command(after_help = checkout::EXAMPLES)]
    Checkout(checkout::CheckoutArgs),
    /// Wallets: cash, deposits and the ledger.
    #[command(subcommand, after_help = EXIT_CODES)]
    Wallet(wallet::Command),
    /// Vouchers: issue, redeem, revoke, list, and see what they would pay.
    #[command(subcommand, after_help = EXIT_CODES)]
    Vouchers(vouchers::Command),
    /// A month of an account: what there was, every movement, and what there is then.
    #[command(after_help = ledger::STATEMENT_EXAMPLES)]
    Statement(ledger::StatementArgs),
    /// The ledger: export it, and let it prove itself.
    #[command(subcommand, after_help = EXIT_CODES)]
    Ledger(ledger::Command),
    /// Pay as a payment gateway does, and do wrong what gateways do wrong. To try things out.
    #[command(after_help = sandbox::EXAMPLES)]
    PaySandbox(Box<sandbox::SandboxArgs>),
    /// What happened, in order.
    #[command(after_help = events::EXAMPLES)]
    Events(events::EventsArgs),
    /// Webhooks: have receivers told over HTTP what happens, and see how that goes.
    #[command(subcommand, after_help = EXIT_CODES)]
    Webhooks(webhooks::Command),
    /// When the suite sweeps and how it went; pause, resume and watch it.
    #[command(after_help = schedules::EXAMPLES)]
    Schedules(schedules::SchedulesArgs),
    /// What time it is for the suite; move the clock of a sandbox.
    #[command(after_help = clock::EXAMPLES)]
    Clock(clock::ClockArgs),
    /// Run schedules now, and watch them.
    #[command(after_help = sweep::EXAMPLES)]
    Sweep(sweep::SweepArgs),
}

/// What stands above the client's flags in the manual.
pub const HEADING: &str = "Client";

/// How the client reaches the suite, and how it answers.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = HEADING)]
pub struct ClientArgs {
    /// Where the suite listens.
    #[arg(
        long,
        global = true,
        env = "PERENNIAL_ADDRESS",
        default_value = "http://127.0.0.1:50051"
    )]
    pub address: Peer,

    /// PEM file of the authorities that sign the suite's certificate; those of the web by default.
    #[arg(
        id = "client_ca_file",
        long = "ca-file",
        global = true,
        env = "PERENNIAL_TLS_CA_FILE",
        value_name = "FILE"
    )]
    pub ca_file: Option<PathBuf>,

    /// File of the token that says who you are.
    #[arg(long, global = true, env = "PERENNIAL_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// PEM file of a certificate that says who you are.
    #[arg(
        id = "client_cert_file",
        long = "cert-file",
        global = true,
        env = "PERENNIAL_TLS_CERT_FILE",
        value_name = "FILE",
        requires = "client_key_file"
    )]
    pub cert_file: Option<PathBuf>,

    /// PEM file of the key of that certificate.
    #[arg(
        id = "client_key_file",
        long = "key-file",
        global = true,
        env = "PERENNIAL_TLS_KEY_FILE",
        value_name = "FILE",
        requires = "client_cert_file"
    )]
    pub key_file: Option<PathBuf>,

    /// How answers are printed: a table for people, JSON for programs.
    #[arg(long, short, global = true, env = "PERENNIAL_OUTPUT", default_value = "table")]
    pub output: Output,

    /// The zone of dates and times, typed and shown.
    #[arg(long, global = true, env = "PERENNIAL_ZONE", default_value = "Asia/Shanghai")]
    pub zone: Tz,

    /// Seconds to wait for an answer.
    #[arg(long, global = true, env = "PERENNIAL_TIMEOUT_SECONDS", default_value_t = 30)]
    pub timeout_seconds: u64,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Aligned columns, in colour on a terminal.
    Table,
    /// The messages of the contract by the protobuf JSON mapping.
    Json,
}

/// Carries `command` out, prints its answer to standard output and what went wrong to standard
/// error, and says how the process should end.
pub async fn run(command: Command, args: &ClientArgs, env: &Env) -> ExitCode {
    let client = match Client::new(args, env.clone()) {
        Ok(client) => client,
        Err(error) => {
            output::complain(format_args!("perennial: {error:#}\n"));
            return ExitCode::FAILURE;
        }
    };
    match command.run(&client).await {
        Ok(done) => done.into(),
        Err(failure) => {
            client.complain(&failure);
            failure.exit_code().into()
        }
    }
}

impl Command {
    async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Catalog(command) => command.run(client).await,
            Self::Accounts(command) => command.run(client).await,
            Self::Instances(command) => command.run(client).await,
            Self::Quote(args) => args.run(client).await,
            Self::Renew(args) => args.run(client).await,
            Self::Forecast(args) => args.run(client).await,
            Self::Orders(command) => command.run(client).await,
            Self::Attempts(command) => command.run(client).await,
            Self::Checkout(args) => args.run(client).await,
            Self::Wallet(command) => command.run(client).await,
            Self::Vouchers(command) => command.run(client).await,
            Self::Statement(args) => args.run(client).await,
            Self::Ledger(command) => command.run(client).await,
            Self::PaySandbox(args) => args.run(client).await,
            Self::Events(args) => args.run(client).await,
            Self::Webhooks(command) => command.run(client).await,
            Self::Schedules(args) => args.run(client).await,
            Self::Clock(args) => args.run(client).await,
            Self::Sweep(args) => args.run(client).await,
        }
    }
}

/// The account whose things a command is about.
#[derive(Debug, clap::Args)]
pub struct AccountArg {
    /// The account.
    #[arg(long, short, env = "PERENNIAL_ACCOUNT")]
    account: String,
}

/// What makes a repeat safe.
#[derive(Debug, clap::Args)]
pub struct RequestIdArg {
    /// Makes a repeat safe: the same id with the same content does nothing a second time. A UUID;
    /// a new one by default.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
}

/// How little is printed.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct QuietArg {
    /// Print nothing but the id that the next command needs.
    #[arg(long, short)]
    quiet: bool,
}

/// What a command works with.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    /// Where it leads.
    address: Peer,
    env: Env,
    output: Output,
    zone: Tz,
    /// How long to wait for an answer.
    timeout: Duration,
    /// Under which id the command moves something, if it does.
    request: OnceLock<String>,
}

impl Client {
    fn new(args: &ClientArgs, env: Env) -> anyhow::Result<Self> {
        let request = Duration::from_secs(args.timeout_seconds);
        let deadlines = Deadlines { request, ..Deadlines::default() };
        let tls = TlsArgs {
            tls_cert_file: args.cert_file.clone(),
            tls_key_file: args.key_file.clone(),
            tls_ca_file: args.ca_file.clone(),
        };
        let service_token_file = args.token_file.clone();
        let credentials = Credentials::read(&CredentialsArgs { tls, service_token_file })?;
        let address = args.address.clone().with(&credentials);
        let (request, connection) = (OnceLock::new(), address.connect_within(deadlines));
        let (output, zone) = (args.output, args.zone);
        let timeout = deadlines.request;
        Ok(Self { connection, address, env, output, zone, timeout, request })
    }

    fn request_id(&self, arg: RequestIdArg) -> String {
        let id = arg.request_id.unwrap_or_else(|| self.env.next_id().to_string());
        self.request.get_or_init(|| id).clone()
    }

    /// The instant that `flag` gives as `text`.
    fn instant(&self, flag: &str, text: &str) -> Result<prost_types::Timestamp, Failure> {
        value::instant(text, self.zone).map_err(|error| Failure::Usage(format!("{flag} {error}")))
    }

    /// The messages in a file.
    fn read_rows<M: Message + Name + Default>(&self, file: &Path) -> Result<Vec<M>, Failure> {
        message::read_rows(&read_file(file)?, self.zone)
            .map_err(|mistakes| Failure::File(file.display().to_string(), mistakes))
    }

    /// Prints `answer`: as JSON, or as the text that `people` makes of it.
    fn print<M: Message + Name>(
        &self,
        answer: &M,
        people: impl FnOnce(&M) -> String,
    ) -> Result<(), Failure> {
        match self.output {
            Output::Json => output::print(format_args!("{:#}\n", message::to_json(answer)))?,
            Output::Table => output::print(people(answer))?,
        }
        Ok(())
    }

    /// Prints `answer` as [`print`](Self::print) does; only `id`, where no more is wanted.
    fn print_or_id<M: Message + Name>(
        &self,
        QuietArg { quiet }: QuietArg,
        answer: &M,
        id: &str,
        people: impl FnOnce(&M) -> String,
    ) -> Result<(), Failure> {
        if quiet {
            return Ok(output::print(format_args!("{id}\n"))?);
        }
        self.print(answer, people)
    }

    /// Says what went wrong, and how to repeat what may have been done.
    fn complain(&self, failure: &Failure) {
        let repeat = self.request.get().filter(|_| failure.is_open());
        match self.output {
            Output::Table => output::complain(failure.text(repeat.map(String::as_str))),
            Output::Json if failure.is_quiet() => {}
            Output::Json => {
                let told = failure.json(repeat.map(String::as_str));
                output::complain(format_args!("{told:#}\n"));
            }
        }
    }
}

/// What is in a file, or on standard input where it is called `-`.
fn read_file(file: &Path) -> Result<String, Failure> {
    let text = if file == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|error| Failure::Usage(format!("could not read {}: {error}", file.display())))
}

#[cfg(test)]
mod tests;
