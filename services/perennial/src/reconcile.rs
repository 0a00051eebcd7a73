//! `perennial reconcile`.

use std::process::ExitCode;

use anyhow::ensure;
use chrono::{DateTime, FixedOffset};
use kernel::Env;
use platform::memory;
pub use renewal::{Difference, Ending};
use tonic::service::Routes;

use crate::{
    output::print,
    suite::{Role, SuiteArgs},
    text::table::Table,
    within,
};

/// The exit code where something is left that somebody has to see to.
pub const FOR_PEOPLE: u8 = 6;

/// What is reconciled.
#[derive(Debug, Clone, clap::Args)]
pub struct ReconcileArgs {
    /// The services whose databases are opened; others are asked by address.
    #[command(flatten)]
    pub suite: SuiteArgs,

    /// The instant of the copy that was put back, or any before it, such as 2026-03-01T09:00:00+08:00:
    /// what has not changed since is not looked at.
    #[arg(long, value_name = "INSTANT")]
    pub since: DateTime<FixedOffset>,

    /// Make good what can be; without it nothing is changed.
    #[arg(long)]
    pub apply: bool,

    /// Where the copy of the renewal database was put back: give every instance a version that no console
    /// was told before, and have consoles told all states again. Once is enough.
    #[arg(long, requires = "apply")]
    pub raise_versions: bool,
}

/// Compares orders with payments, says what does not belong together, and makes it good if it is to.
pub async fn run(args: ReconcileArgs, env: Env) -> anyhow::Result<ExitCode> {
    let mut left = Left::default();
    let tell = |page: Vec<Difference>| {
        left.note(&page);
        Ok(print(text(&page))?)
    };
    let raised = reconcile(args, &env, tell).await?;
    print(format_args!("{}\n", left.summary()))?;
    if let Some(raised) = raised {
        print(format_args!("{raised} instances have versions that nobody was told before\n"))?;
    }
    Ok(left.exit_code())
}

/// Does what `args` say, and has `tell` tell of what does not belong together, page by page; answers how
/// many instances have other versions, if versions were to be raised.
pub async fn reconcile(
    ReconcileArgs { mut suite, since, apply, raise_versions }: ReconcileArgs,
    env: &Env,
    mut tell: impl FnMut(Vec<Difference>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<u64>> {
    suite.name_all()?;
    let here = suite.runs(Role::Renewal);
    ensure!(here, "name renewal too: its database is what payments are compared with");
    let (connector, listener) = memory::pair();
    let wired = suite.wired(&connector)?;
    let mut routes = Routes::builder();
    if suite.runs(Role::Wallet) {
        // A database that is not there is not made.
        wallet::mount_to_read(&suite.wallet, env.clone(), &mut routes).await?;
        if apply {
            routes = Routes::builder();
            wallet::mount(&suite.wallet, env.clone(), &mut routes).await?;
        }
    }
    if suite.runs(Role::Catalog) {
        catalog::mount_to_read(&suite.catalog, env.clone(), &mut routes).await?;
    }
    let _answering = within::answer(routes, listener).await?;
    let since = since.to_utc();
    let mut reconciliation = renewal::reconcile(&wired.renewal, env, since, apply).await?;
    while let Some(page) = reconciliation.page().await? {
        tell(page)?;
    }
    Ok(if raise_versions { Some(reconciliation.raise_versions().await?) } else { None })
}

/// How many differences there were, by what became of them.
#[derive(Debug, Default)]
struct Left {
    done: usize,
    open: usize,
    for_people: usize,
}

impl Left {
    fn note(&mut self, page: &[Difference]) {
        for difference in page {
            match difference.ending {
                Ending::Done => self.done += 1,
                Ending::Open => self.open += 1,
                Ending::ForPeople(_) => self.for_people += 1,
            }
        }
    }

    fn summary(&self) -> String {
        let Self { done, open, for_people } = self;
        if done + open + for_people == 0 {
            return "orders and payments belong together".to_owned();
        }
        let open = if *open > 0 { format!("{open} to do with --apply, ") } else { String::new() };
        format!("{done} made good, {open}{for_people} for somebody to see to")
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self { for_people: 1.., .. } => FOR_PEOPLE.into(),
            Self { open: 1.., .. } => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }
}

/// The rows of a page, without headings where there are none.
fn text(page: &[Difference]) -> String {
    if page.is_empty() {
        return String::new();
    }
    let headings =
        ["ACCOUNT", "ORDER", "PAYMENT", ">AMOUNT", "WALLET", "RENEWAL", "REMEDY", "OUTCOME"];
    let mut table = Table::new(&headings);
    for it in page {
        let amount = it.amount.map_or("-".to_owned(), |amount| amount.to_string());
        let (remedy, ending) = (it.remedy.to_string(), it.ending.to_string());
        let (account, order, payment) = (&*it.account, &*it.order, &*it.payment);
        let (wallet, renewal) = (&*it.wallet, &*it.renewal);
        table.row([account, order, payment, &amount, wallet, renewal, &remedy, &ending]);
    }
    table.text()
}
