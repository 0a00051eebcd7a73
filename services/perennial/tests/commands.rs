//! The client's commands against a suite, as a person at a terminal types them.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use clap::Parser as _;
use kernel::{Env, env::ManualClock};
use perennial::{serve, suite::SuiteArgs};
use platform::serve::{Entrance, ServeArgs};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

const CHANNELS: &str = "
channels:
  - name: sandbox
    currencies: [CNY]
    intent_minutes: 30
    secrets: [{ file: sandbox }]
";

/// A suite in this process, and the address that commands speak to.
struct Suite {
    address: String,
    data: TempDir,
    served: JoinHandle<anyhow::Result<()>>,
    stop: DropGuard,
}

#[derive(clap::Parser)]
struct Settings {
    #[command(flatten)]
    suite: SuiteArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

/// How a command ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn ended(command: &mut Command) -> Ended {
    let child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("the binary ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: status.code().expect("an exit"), out: text(stdout), err: text(stderr) }
}

/// The world on 2026-11-15, so many minutes after the suite has started.
fn suite_env(minutes: u32) -> Env {
    let now = format!("2026-11-15T02:{minutes:02}:00Z").parse().expect("an instant");
    Env::with_clock(ManualClock::at(now))
}

impl Suite {
    /// Starts it on 2026-11-15.
    async fn start() -> Self {
        Self::start_in(suite_env(0)).await
    }

    /// Starts it in a sandbox, on 2026-11-15.
    async fn sandbox() -> Self {
        let now = "2026-11-15T02:00:00Z".parse().expect("an instant");
        Self::start_with(async |suite| serve::in_sandbox(suite, now).await.expect("a sandbox"))
            .await
    }

    /// Starts it in `env`.
    async fn start_in(env: Env) -> Self {
        Self::start_with(async |_| env.clone()).await
    }

    /// Starts it in what `world` makes, with the channel `sandbox`, whose secret is in the file of this
    /// name.
    async fn start_with(world: impl AsyncFn(&mut SuiteArgs) -> Env) -> Self {
        Self::start_on(TempDir::new().expect("a temporary folder"), world).await
    }

    /// The same, on what is in the folder `data`.
    async fn start_on(data: TempDir, world: impl AsyncFn(&mut SuiteArgs) -> Env) -> Self {
        let folder = data.path().to_str().expect("a plain name");
        let channels = data.path().join("channels.yaml");
        let secret = "whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXRlc3Rz";
        std::fs::write(data.path().join("sandbox"), secret).expect("the folder is ours");
        std::fs::write(&channels, CHANNELS).expect("the folder is ours");
        let channels = channels.to_str().expect("a plain name");
        let words = ["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"];
        let words = words.into_iter().chain(["--wallet-channels", channels]);
        let Settings { mut suite, serve } = Settings::try_parse_from(words).expect("good settings");
        let env = world(&mut suite).await;
        let stop = CancellationToken::new();
        let started = serve::start(suite, serve, Entrance::default(), env, stop.clone()).await;
        let (address, served) = started.expect("a start");
        Self { address: format!("http://{address}"), data, served, stop: stop.drop_guard() }
    }

    /// Runs `perennial` with the words of `line`, split at spaces.
    fn run(&self, line: &str) -> Ended {
        self.run_words(&line.split(' ').collect::<Vec<_>>())
    }

    fn run_words(&self, words: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../catalog/examples");
        command.current_dir(examples).env("PERENNIAL_ADDRESS", &self.address).args(words);
        command.stdout(Stdio::piped());
        ended(&mut command)
    }

    /// Runs `perennial` with the words of `line` and its standard output going to `out`.
    fn run_into(&self, line: &str, out: impl Into<Stdio>) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
        command.env("PERENNIAL_ADDRESS", &self.address).args(line.split(' ')).stdout(out);
        ended(&mut command)
    }

    /// Runs a command that must be done.
    #[track_caller]
    fn done(&self, line: &str) -> String {
        let Ended { code, out, err } = self.run(line);
        assert_eq!(code, 0, "{line}\n{out}{err}");
        out
    }

    /// Opens acme with CNY 1,000.00 and one JD virtual machine of 56.00 a month.
    fn with_a_vm(&self) {
        self.done("catalog apply jdcloud.yaml");
        self.done("accounts upsert acme --profile jdcloud --currency CNY");
        self.done("wallet create -a acme --currency CNY");
        self.done("wallet deposit -a acme 1000.00");
        self.done(
            "instances register -a acme vm-1 --product jd-vm --region cn-north-1 \
             --set flavor=g.s1.micro --start 2026-11-01 --end 2026-12-01",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_by_commands_from_the_catalog_to_the_ledger() {
    let suite = Suite::start().await;
    suite.with_a_vm();

    let quote = suite.done("quote -a acme vm-1 --duration 1y");
    assert!(quote.contains("CNY 560.00"), "{quote}");
    assert!(quote.contains("holds this price until 2026-11-15 10:15:00"), "{quote}");

    let order = suite.done("renew -a acme vm-1 --duration 1y");
    assert!(order.contains("COMPLETED"), "{order}");
    assert!(order.contains("2027-11-30 23:59:59"), "{order}");
    let list = suite.done("instances list -a acme");
    assert!(list.contains("2027-11-30 23:59:59"), "{list}");
    let wallet = suite.done("wallet get -a acme");
    assert!(wallet.contains("CNY 440.00"), "{wallet}");
    let ledger = suite.done("wallet entries -a acme");
    assert!(ledger.contains("CNY 560.00"), "{ledger}");
    let orders = suite.done("orders list -a acme --state completed --output json");
    let orders: serde_json::Value = serde_json::from_str(&orders).unwrap();
    assert_eq!(orders["orders"][0]["payable"]["minor_units"], "56000");

    let folder = suite.data.path().to_str().unwrap();
    let audit = suite.run(&format!("audit --data-dir {folder}"));
    assert_eq!(audit.code, 0, "{}{}", audit.out, audit.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_things_changes_nothing() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    for line in [
        "catalog products --catalog jdcloud",
        "catalog prices jd-vm --region cn-north-1 --set flavor=g.s1.micro --lines",
        "accounts get acme",
        "instances get -a acme vm-1",
        "instances bound -a acme vm-1 --duration 1y",
        "instances check -a acme vm-1 --duration 1y",
        "renew -a acme vm-1 --duration 1y --dry-run",
        "vouchers preview -a acme vm-1 --duration 1m",
        "vouchers list -a acme",
        "orders list -a acme --all",
        "events --account acme",
        "webhooks list",
        "forecast -a acme --days 90",
        "schedules",
        "sweep",
        "clock",
    ] {
        suite.done(line);
        let json = suite.done(&format!("{line} --output json"));
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{line}\n{json}");
    }
    let wallet = suite.done("wallet get -a acme");
    assert!(wallet.contains("CNY 1000.00"), "{wallet}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_line_by_line() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let json = suite.done("events --follow --limit 2 --account acme --output json");
    let types: Vec<_> = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].clone())
        .collect();
    assert_eq!(types, ["account.updated", "instance.registered"]);
    let table = suite.done("events --follow --limit 1 --product jd-vm");
    assert!(table.contains("instance.registered  acme  vm-1"), "{table}");
    assert_eq!(suite.run("events --from-now").code, 2, "only what is followed begins now");
    let expired = suite.run("events --follow --cursor forged");
    assert_eq!(expired.code, 2);
    assert!(expired.err.contains("CURSOR_EXPIRED"), "{}", expired.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_made_looked_at_and_deleted_by_commands() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let made = suite.done("webhooks create https://example.invalid/ -a acme --type order.paid");
    assert!(made.contains("whsec_"), "{made}");
    let list = suite.done("webhooks list --output json");
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let id = list["webhooks"][0]["webhook_id"].as_str().unwrap().to_owned();
    for line in ["webhooks list -a acme", "webhooks show ID", "webhooks dead-letters ID"] {
        let shown = suite.done(&line.replace("ID", &id));
        assert!(!shown.contains("whsec_"), "{shown}");
    }
    assert!(suite.done(&format!("webhooks rotate-secret {id}")).contains("whsec_"));
    assert_eq!(suite.done(&format!("webhooks replay {id}")), "0 messages tried again\n");
    let private = suite.run("webhooks create https://127.0.0.1/");
    assert_eq!(private.code, 2);
    assert!(private.err.contains("must not lead to a private address"), "{}", private.err);
    assert_eq!(suite.done(&format!("webhooks delete {id}")), "deleted\n");
    assert_eq!(suite.run(&format!("webhooks show {id}")).code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forecast_is_a_calendar() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    suite.done("instances policy -a acme vm-1 --policy auto --cycle 1y");
    let calendar = suite.done("forecast -a acme");
    for told in ["2026-11-23  08:00:00", "RENEWED", "CNY 560.00", "cash CNY 560.00", "CNY 440.00"] {
        assert!(calendar.contains(told), "{calendar}");
    }
    suite.done("instances policy -a acme vm-1 --policy auto --cycle 3y");
    let short = suite.run("forecast -a acme --days 60");
    let told = "money runs short on 2026-11-23: CNY 680.00 missing";
    assert!(short.code == 1 && short.out.contains(told), "{}{}", short.out, short.err);
    assert!(short.out.contains("2026-12-08  00:00:00"), "{}", short.out);
    // Every day until the 30th, and that evening: told once.
    assert!(short.out.contains("CNY 680.00 missing, 9 times"), "{}", short.out);
    assert_eq!(short.out.matches("INSUFFICIENT_FUNDS").count(), 1, "{}", short.out);

    let words = "vouchers issue -a acme --from 2026-11-01 --until 2026-11-20 --face";
    let words: Vec<_> = words.split(' ').chain(["CNY 30.00"]).collect();
    assert_eq!(suite.run_words(&words).code, 0);
    let lost = suite.done("forecast -a acme --days 6");
    assert!(lost.contains("VOUCHER EXPIRED") && lost.contains("CNY 30.00"), "{lost}");
    let quiet = suite.done("forecast -a acme --days 5");
    let told = "nothing happens by itself before 2026-11-20 00:00:00";
    assert!(quiet.contains(told) && quiet.contains("vouchers left"), "{quiet}");
    let unknown = suite.run("forecast -a nobody");
    assert!(unknown.code == 1 && unknown.err.contains("ACCOUNT_NOT_FOUND"), "{}", unknown.err);
    assert_eq!(suite.run("forecast -a acme --days 367").code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_customers_choose_is_set_by_commands() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let settings = suite.done("accounts settings acme --standard-day 1");
    assert!(settings.contains("standard day"), "{settings}");
    let settings = suite.done("accounts settings acme --standard-day none");
    assert!(!settings.contains("standard day  "), "{settings}");

    let policy = suite.done("instances policy -a acme vm-1 --policy auto --cycle 1m");
    assert_eq!(policy, "vm-1: AUTO every 1 month (was MANUAL)\n");
    let auto = suite.done("instances list -a acme --tab auto");
    assert!(auto.contains("vm-1"), "{auto}");

    let why = "instances correct -a acme vm-1 --expiry 2026-12-03 --why outage";
    let corrected = suite.done(why);
    assert!(corrected.contains("2026-12-02 23:59:59"), "{corrected}");

    let issued = suite.run_words(&[
        "vouchers",
        "issue",
        "-a",
        "acme",
        "--face",
        "CNY 30.00",
        "--from",
        "2026-11-01",
        "--until",
        "2026-12-31",
    ]);
    assert_eq!(issued.code, 0, "{}", issued.err);
    let vouchers = suite.done("vouchers list -a acme --usable");
    assert!(vouchers.contains("CNY 30.00"), "{vouchers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_paid_at_once_is_paid_or_cancelled_later() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let id = |order: &str| {
        let order: serde_json::Value = serde_json::from_str(order).unwrap();
        order["order"]["order_id"].as_str().unwrap().to_owned()
    };
    let first = id(&suite.done("renew -a acme vm-1 -d 1m --unpaid -o json"));
    let cancelled = suite.done(&format!("orders cancel -a acme {first}"));
    assert!(cancelled.contains("CANCELLED"), "{cancelled}");

    let second = id(&suite.done("renew -a acme vm-1 -d 1m --unpaid -o json"));
    let paid = suite.done(&format!("orders pay -a acme {second}"));
    assert!(paid.contains("COMPLETED"), "{paid}");
    let again = suite.run(&format!("orders pay -a acme {second}"));
    assert_eq!(again.code, 1);
    assert!(again.err.starts_with("ORDER_ALREADY_PAID"), "{}", again.err);

    // Three years are CNY 1,680.00, and 944.00 are left.
    let unpaid = suite.run("renew -a acme vm-1 -d 3y");
    assert_eq!(unpaid.code, 1);
    assert!(unpaid.out.contains("INSUFFICIENT_FUNDS"), "{}", unpaid.out);
}

// W-4, O-6: `pay-sandbox` signs by the system's clock, so the suite has it too.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_by_the_sandbox_and_goes_back_through_it() {
    let env = Env::system();
    let today = env.now().date_naive();
    let suite = Suite::start_in(env).await;
    let secret = suite.data.path().join("sandbox").display().to_string();
    suite.done("catalog apply jdcloud.yaml");
    suite.done("accounts upsert acme --profile jdcloud --currency CNY");
    suite.done("wallet create -a acme --currency CNY");
    suite.done("wallet deposit -a acme 16.00");
    let (start, end) = (today - chrono::Days::new(10), today + chrono::Days::new(10));
    suite.done(&format!(
        "instances register -a acme vm-1 --product jd-vm --region cn-north-1 \
         --set flavor=g.s1.micro --start {start} --end {end}"
    ));

    let unpaid = suite.done("renew -a acme vm-1 -d 1m --unpaid");
    let order = unpaid.lines().next().unwrap().split(' ').next_back().unwrap();
    assert!(unpaid.contains(&format!("perennial orders pay -a acme {order}\n")), "{unpaid}");
    suite.done(&format!("orders cancel -a acme {order}"));
    let order = suite.done("renew -a acme vm-1 -d 1m --unpaid --quiet");
    let order = order.trim();
    let channel = format!("checkout -a acme {order} --channel sandbox --use-cash");
    let checkout = suite.done(&format!("{channel} -q"));
    let checkout = checkout.trim();
    let asked = suite.done(&format!("orders get -a acme {order}"));
    assert!(asked.contains(&format!("{checkout} at sandbox, CNY 40.00 until")), "{asked}");

    let sandbox = format!("pay-sandbox --secret-file {secret}");
    let paid = suite.done(&format!("{sandbox} {checkout}"));
    assert!(paid.contains("PAID") && paid.contains("CNY 40.00"), "{paid}");
    // The channel was first: to pay it now finds that out, before the sweep does.
    suite.run(&format!("orders pay -a acme {order}"));
    let paid = suite.done(&format!("orders get -a acme {order} --wait"));
    assert!(paid.contains("COMPLETED"), "{paid}");

    let refund = suite.done(&format!("orders refund -a acme {order} --to-channel --quiet"));
    let refund = refund.trim();
    let owed = suite.done(&format!("orders get -a acme {order}"));
    let line = format!("refund {refund} awaits the channel, which owes CNY 40.00\n");
    assert!(owed.contains(&line), "{owed}");
    let amount = suite.run(&format!("{sandbox} --refund {refund}"));
    assert_eq!(amount.code, 2, "{}", amount.err);
    let words = ["pay-sandbox", "--secret-file", &secret, "--refund", refund, "--amount"];
    let given = suite.run_words(&words.into_iter().chain(["CNY 40.00"]).collect::<Vec<_>>());
    assert_eq!(given.code, 0, "{}", given.err);
    let wallet = suite.done("wallet get -a acme");
    assert!(wallet.contains("CNY 16.00"), "{wallet}");
    let folder = suite.data.path().to_str().unwrap();
    let audit = suite.run(&format!("audit --data-dir {folder}"));
    assert_eq!(audit.code, 0, "{}{}", audit.out, audit.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_mistakes_have_their_exit_codes() {
    let suite = Suite::start().await;
    suite.with_a_vm();

    let refused = suite.run("renew -a acme vm-1 --duration 11m");
    assert_eq!(refused.code, 1);
    assert!(refused.err.starts_with("TERM_NOT_OFFERED"), "{}", refused.err);
    assert_eq!(refused.out, "");

    let unknown = suite.run("instances get -a acme vm-2 -o json");
    assert_eq!(unknown.code, 1);
    let error: serde_json::Value = serde_json::from_str(&unknown.err).unwrap();
    assert_eq!(error["error"]["reason"], "INSTANCE_NOT_FOUND");

    let twice = suite.run("renew -a acme vm-1 vm-1 --duration 1m");
    assert_eq!(twice.code, 2);
    assert!(twice.err.starts_with("DUPLICATE_INSTANCE"), "{}", twice.err);

    let usage = suite.run("renew -a acme vm-1 --duration soon");
    assert_eq!(usage.code, 2);

    let nobody = suite.run("wallet get -a acme --address http://127.0.0.1:1");
    assert_eq!(nobody.code, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_instances_is_registered_and_its_refused_rows_are_named() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let file = suite.data.path().join("rows.yaml");
    let row = |i: usize| {
        format!(
            "- {{instance_id: vm-{i:04}, account_id: acme, product_id: jd-vm, region: cn-north-1, \
             configuration: {{flavor: g.s1.micro}}, postpaid: {{}}}}\n"
        )
    };
    let mut rows: String = (0..1_200).map(row).collect();
    rows +=
        "- {instance_id: vm-x, account_id: acme, product_id: no-such, region: r, postpaid: {}}\n";
    std::fs::write(&file, rows).unwrap();

    let ended = suite.run(&format!("instances register --file {}", file.display()));
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.out.starts_with("1200 created\n"), "{}", ended.out);
    assert!(ended.out.contains("vm-x: PRODUCT_NOT_FOUND"), "{}", ended.out);

    std::fs::write(&file, "- instance_id: vm-y\n  colour: red\n").unwrap();
    let ended = suite.run(&format!("instances register --file {}", file.display()));
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("line 2: colour is not a field of this"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_in_part_has_its_own_exit_code() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let part = "-a acme vm-1 vm-9 --duration 1m --best-effort";
    for command in ["quote", "renew --dry-run", "renew --unpaid"] {
        let ended = suite.run(&format!("{command} {part}"));
        assert_eq!(ended.code, 4, "{command}\n{}{}", ended.out, ended.err);
        assert!(ended.out.contains("INSTANCE_NOT_FOUND"), "{}", ended.out);
    }
    let policies = suite.run("instances policy -a acme vm-1 vm-9 --policy not-renew");
    assert_eq!(policies.code, 4, "{}{}", policies.out, policies.err);
    let nothing = suite.run("instances policy -a acme vm-9 --policy not-renew");
    assert_eq!(nothing.code, 1, "{}{}", nothing.out, nothing.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_that_is_stale_and_a_day_that_is_not_offered_are_refused() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let stale = suite.run("accounts settings acme --standard-day 5 --etag v9");
    assert_eq!(stale.code, 1, "{}", stale.err);
    assert!(stale.err.starts_with("ETAG_STALE: "), "{}", stale.err);
    assert!(!stale.err.contains("--request-id"), "{}", stale.err);

    let day = suite.run("accounts settings acme --auto-days 5");
    assert_eq!(day.code, 2, "{}", day.err);
    assert!(day.err.contains("none of its products lets an account do so"), "{}", day.err);
    assert!(!suite.done("accounts get acme").contains("first automatic attempt"));
}

// O-3
#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_done_is_repeated_under_the_id_that_is_told() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let nobody = "--address http://127.0.0.1:1";
    let open = suite.run(&format!("renew -a acme vm-1 -d 1m {nobody}"));
    assert_eq!(open.code, 3, "{}", open.err);
    let told = open.err.lines().last().unwrap();
    let id = told.strip_prefix("It may have been done. To repeat it safely: --request-id ");
    let id = id.expect(told);
    let first = suite.done(&format!("renew -a acme vm-1 -d 1m --request-id {id}"));
    assert_eq!(suite.done(&format!("renew -a acme vm-1 -d 1m --request-id {id}")), first);

    let open = suite.run_words(&[
        "wallet",
        "deposit",
        "-a",
        "acme",
        "CNY 1.00",
        "-o",
        "json",
        "--address",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(open.code, 3, "{}", open.err);
    let told: serde_json::Value = serde_json::from_str(&open.err).unwrap();
    assert_eq!(told["error"]["requestId"].as_str().map(str::len), Some(36), "{told}");
    let read = suite.run(&format!("wallet get -a acme {nobody}"));
    assert!(!read.err.contains("--request-id"), "{}", read.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_ends_the_command_quietly() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let folder = suite.data.path().to_str().unwrap();
    for line in [
        "catalog products",
        "instances get -a acme vm-1 --output json",
        &format!("audit --data-dir {folder}"),
        &format!("migrate --data-dir {folder}"),
        "demo",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let Ended { code, err, .. } = suite.run_into(line, writer);
        assert_eq!((code, err.as_str()), (141, ""), "{line}");

        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let Ended { code, err, .. } = suite.run_into(line, full);
        assert_eq!(code, 74, "{line}\n{err}");
        assert!(err.contains("could not write to standard output"), "{line}\n{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_makes_no_database_and_changes_none() {
    let suite = Suite::start().await;
    let missing = suite.data.path().join("nothing");
    let audit = suite.run(&format!("audit --data-dir {}", missing.display()));
    assert_eq!(audit.code, 5, "{}", audit.err);
    assert_eq!(audit.out, "");
    let file = missing.join("catalog.db");
    let told = format!(
        "perennial: not audited: cannot audit the catalog: there is no database at {}\n",
        file.display()
    );
    assert_eq!(audit.err.replace("wallet", "catalog"), told);
    assert!(!missing.exists());

    std::fs::create_dir(&missing).unwrap();
    for service in ["catalog", "wallet", "renewal"] {
        std::fs::write(missing.join(format!("{service}.db")), "").unwrap();
    }
    let audit = suite.run(&format!("audit --data-dir {}", missing.display()));
    assert_eq!(audit.code, 5, "{}", audit.err);
    assert!(audit.err.contains("run `perennial migrate` first"), "{}", audit.err);
    for entry in std::fs::read_dir(&missing).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(["catalog.db", "wallet.db", "renewal.db"].contains(&name.as_str()), "{name}");
        assert_eq!(entry.metadata().unwrap().len(), 0, "{name}");
    }
}

/// What a suite answers whose start is refused.
fn refused_start(suite: &Suite, more: &str) -> String {
    let ended = suite.run(&format!("serve --listen 127.0.0.1:0 {more}"));
    assert_eq!(ended.code, 1, "{more}\n{}{}", ended.out, ended.err);
    ended.err
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_refused_where_it_would_do_harm() {
    let suite = Suite::start().await;
    let clock = "--sandbox-clock 2026-03-01T09:00:00+08:00";
    // Others would go by the real time.
    let few = refused_start(&suite, &format!("catalog wallet renewal {clock}"));
    assert!(few.contains("needs all four services"), "{few}");
    // Nothing of this suite is due in that year.
    suite.done("sweep renew");
    let folder = suite.data.path().to_str().unwrap();
    let real = refused_start(&suite, &format!("--data-dir {folder} {clock}"));
    assert!(real.contains("a sandbox needs databases of its own"), "{real}");
    let off = suite.run("clock advance --days 1");
    assert!(off.code != 0 && off.err.contains("SANDBOX_CLOCK_OFF"), "{} {}", off.code, off.err);
    let told = suite.done("clock");
    assert!(told.contains("by itself"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_lives_through_time_by_commands() {
    let suite = Suite::sandbox().await;
    suite.with_a_vm();
    assert!(suite.done("clock").contains("2026-11-15 10:00:00"));
    let still = suite.done("clock advance --until 2026-11-15T10:00");
    assert_eq!(still.lines().last(), Some("2026-11-15 10:00:00  now"), "{still}");
    suite.done("instances policy -a acme vm-1 --policy auto");
    let month = suite.done("clock advance --days 31");
    assert!(month.contains("2026-11-23 08:00:00  anchor 1, renew 1\n"), "{month}");
    assert_eq!(month.lines().last(), Some("2026-12-16 10:00:00  now"), "{month}");
    let list = suite.done("instances list -a acme");
    assert!(list.contains("2026-12-30 23:59:59"), "{list}");
    // What signs, and what begins now, goes by its time too: not by that of this machine.
    let order = suite.done("renew -a acme vm-1 --duration 1y --unpaid --quiet");
    let checkout =
        suite.done(&format!("checkout -a acme {} --channel sandbox --quiet", order.trim()));
    let secret = suite.data.path().join("sandbox").display().to_string();
    suite.done(&format!("pay-sandbox --secret-file {secret} {}", checkout.trim()));
    let minute = suite.done("clock advance --until 2026-12-16T10:01");
    assert!(minute.contains("2026-12-16 10:00:05  advance 1"), "{minute}");
    assert!(suite.done(&format!("orders get -a acme {}", order.trim())).contains("COMPLETED"));
    let issue = ["vouchers", "issue", "-a", "acme", "--face", "CNY 10.00", "--until", "2027-01-01"];
    assert_eq!(suite.run_words(&issue).code, 0);
    let vouchers = suite.done("vouchers list -a acme --output json");
    assert!(vouchers.contains("2026-12-16T02:01:00"), "{vouchers}");
    let json = suite.done("clock advance --until 2027-01-01T00:00 --output json");
    for line in json.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    for (line, field) in [
        ("clock advance --until 2026-11-15T10:00", "until"),
        ("clock advance --until soon", "--until"),
        ("clock advance --days 0", "--days"),
        ("clock advance", "--days"),
    ] {
        let bad = suite.run(line);
        assert!(bad.code == 2 && bad.err.contains(field), "{line}: {} {}", bad.code, bad.err);
    }
    let folder = suite.data.path().to_str().unwrap();
    let audit = suite.run(&format!("audit --data-dir {folder}"));
    assert_eq!(audit.code, 0, "{}{}", audit.out, audit.err);
    // By the real time, its terms would be somewhere else.
    let sandbox = refused_start(&suite, &format!("--data-dir {folder}"));
    assert!(sandbox.contains("start the suite with --sandbox-clock"), "{sandbox}");
}

// Whoever copies the files of a suite that has stopped has everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_has_stopped_leaves_whole_files() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    suite.done("renew -a acme vm-1 --duration 1m");
    let Suite { data, served, stop, .. } = suite;
    drop(stop);
    served.await.expect("it does not break").expect("it stops");
    let files = std::fs::read_dir(data.path()).expect("the folder is ours");
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    let beside: Vec<_> = names.filter(|name| name.contains(".db-")).collect();
    assert_eq!(beside, Vec::<String>::new());
}

/// W-2, O-1: all that was paid until then is in the copies, and nothing is off; what happens later is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_suite_that_runs_is_a_suite() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    suite.done("renew -a acme vm-1 --duration 1m");
    // What cannot be copied leaves nothing that the next one would stumble over.
    let copies = TempDir::new().expect("a temporary folder");
    std::fs::remove_dir(copies.path()).expect("it is empty");
    let none = TempDir::new().expect("a temporary folder");
    let nothing =
        format!("backup --data-dir {} --to {}", none.path().display(), copies.path().display());
    assert_eq!(suite.run(&nothing).code, 1);
    let (data, to) = (suite.data.path().display(), copies.path().display().to_string());
    let line = format!("backup --data-dir {data} --to {to}");
    let told = suite.done(&line);
    assert_eq!(told, "catalog: copied\nscheduler: copied\nrenewal: copied\nwallet: copied\n");
    suite.done("renew -a acme vm-1 --duration 1m");

    let again = suite.run(&line);
    assert_eq!(again.code, 1, "{}", again.out);
    assert!(again.err.contains("is there already: name another folder"), "{}", again.err);
    let audit = suite.done(&format!("audit --data-dir {to}"));
    assert_eq!(audit, "nothing is off\n");
    let restored = Suite::start_on(copies, async |_| suite_env(0)).await;
    assert!(restored.done("wallet get -a acme").contains("CNY 944.00"));
    assert!(restored.done("renew -a acme vm-1 --duration 1m").contains("COMPLETED"));
}

/// O-4: whatever is paid meanwhile, each payment in the copies belongs to an order in them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_while_customers_pay_belongs_together() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    suite.done("wallet deposit -a acme 9000.00");
    let folders: Vec<_> = (0..4).map(|_| TempDir::new().expect("a temporary folder")).collect();
    std::thread::scope(|scope| {
        for customer in 0..2 {
            let suite = &suite;
            scope.spawn(move || {
                suite.done(&format!(
                    "instances register -a acme of-{customer} --product jd-vm --region cn-north-1 \
                     --set flavor=g.s1.micro --start 2026-11-01 --end 2026-12-01"
                ));
                for _ in 0..12 {
                    suite.done(&format!("renew -a acme of-{customer} --duration 1m"));
                }
            });
        }
        for folder in &folders {
            std::fs::remove_dir(folder.path()).expect("it is empty");
            let (data, to) = (suite.data.path().display(), folder.path().display());
            suite.done(&format!("backup --data-dir {data} --to {to}"));
        }
    });
    for folder in folders {
        // What was being paid when it was copied is finished.
        let restored = Suite::start_on(folder, async |_| suite_env(2)).await;
        restored.done("sweep advance");
        let list = "orders list -a acme --state completed --page-size 100 --output json";
        let orders: serde_json::Value = serde_json::from_str(&restored.done(list)).unwrap();
        let paid = orders["orders"].as_array().map_or(0, Vec::len) * 56;
        let wallet = restored.done("wallet get -a acme --output json");
        let wallet: serde_json::Value = serde_json::from_str(&wallet).unwrap();
        let cash = wallet.pointer("/wallet/cash/minor_units").expect("cash");
        assert_eq!(cash, &format!("{}00", 10_000 - paid));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_cannot_be_whole_is_none() {
    let suite = Suite::start().await;
    let copies = suite.data.path().join("copies");
    for (more, expected) in [
        (format!("--data-dir {}", copies.display()), "there is no database at"),
        ("wallet --wallet-database-url postgres://me@127.0.0.1:1/x".to_owned(), "`pg_dump`"),
    ] {
        let backup = suite.run(&format!("backup {more} --to {}", copies.display()));
        assert_eq!(backup.code, 1, "{}", backup.out);
        assert!(backup.err.contains(expected), "{}", backup.err);
        assert!(!copies.exists());
    }
}

/// O-4: what an older copy has forgotten is told, made good, and then nothing is left of it but what only
/// people know.
#[tokio::test(flavor = "multi_thread")]
async fn a_reconciliation_says_what_is_left() {
    let suite = Suite::start().await;
    suite.with_a_vm();
    let folders = TempDir::new().expect("a temporary folder");
    let copied = |name: &str| {
        let to = folders.path().join(name);
        suite.done(&format!(
            "backup --data-dir {} --to {}",
            suite.data.path().display(),
            to.display()
        ));
        to
    };
    let older = copied("older");
    suite.done("wallet deposit -a acme 5000.00");
    suite.done("renew -a acme vm-1 --duration 3y");
    let reconciled = |name: &str, database: &str| {
        let newer = copied(name);
        std::fs::copy(older.join(database), newer.join(database)).expect("the folder is ours");
        let since = "--since 2026-11-15T10:00:00+08:00";
        (format!("reconcile --data-dir {} {since}", newer.display()), newer)
    };

    let (line, newer) = reconciled("without-order", "renewal.db");
    let report = suite.run(&line);
    assert_eq!(report.code, 1, "{}{}", report.out, report.err);
    assert!(report.out.contains("give the payment back"), "{}", report.out);
    assert!(
        report.out.ends_with("\n0 made good, 1 to do with --apply, 0 for somebody to see to\n")
    );
    let applied = suite.done(&format!("{line} --apply --raise-versions"));
    let end = "\n1 made good, 0 for somebody to see to\n\
               1 instances have versions that nobody was told before\n";
    assert!(applied.ends_with(end), "{applied}");
    assert_eq!(suite.done(&line), "orders and payments belong together\n");
    let audit = suite.done(&format!("audit --data-dir {}", newer.display()));
    assert_eq!(audit, "nothing is off\n");

    let (line, _) = reconciled("without-deposit", "wallet.db");
    let applied = suite.run(&format!("{line} --apply"));
    assert_eq!(applied.code, 6, "{}{}", applied.out, applied.err);
    assert!(applied.out.contains("is missing"), "{}", applied.out);
    assert!(applied.out.ends_with("\n0 made good, 1 for somebody to see to\n"), "{}", applied.out);

    // A database that is not there is not made, and nothing is given back for its sake.
    let missing = folders.path().join("missing");
    for apply in ["", " --apply"] {
        let line = format!("reconcile --data-dir {}", missing.display());
        let nothing = suite.run(&format!("{line} --since 2026-11-15T10:00:00+08:00{apply}"));
        assert_eq!(nothing.code, 1);
        assert!(nothing.err.contains("there is no database at"), "{}", nothing.err);
    }
    assert!(!missing.exists());
    let alone = suite.run("reconcile wallet --since 2026-11-15T10:00:00+08:00");
    assert_eq!(alone.code, 1);
    assert!(alone.err.contains("name renewal too"), "{}", alone.err);
}
