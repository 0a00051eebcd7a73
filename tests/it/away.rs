//! Nights in which a database is away for a while, in the middle of the sweep: what came due is decided
//! once all the same, and the audit finds nothing off (A-2, A-6, O-4).

use std::path::PathBuf;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use platform::client::is_open;
use proto::renewal::internal::v1::{AdvanceRequest, RenewDueRequest};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};
use tests::{
    Backend, Layout, Suite,
    fixture::{at, prepaid, selection},
    postgres::Cluster,
};
use tonic::Status;

/// The accounts, each with the money for what is due of it.
const ACCOUNTS: [&str; 3] = ["one", "two", "three"];

/// Instances of each account that are due in a night.
const DUE: usize = 6;

/// Instances of a page: several pages are needed.
const PAGE: i32 = 4;

/// What is away.
enum Away {
    /// The server, with all databases.
    Server(Cluster),
    /// A file that somebody else has locked for writing, longer than anybody waits for it.
    File(PathBuf, Option<DatabaseConnection>),
}

impl Away {
    async fn begin(&mut self) {
        match self {
            Self::Server(cluster) => cluster.stop(),
            Self::File(path, lock) => {
                let mut options = ConnectOptions::new(format!("sqlite://{}", path.display()));
                options.max_connections(1);
                let connection = Database::connect(options).await.expect("the file is there");
                connection.execute_unprepared("BEGIN IMMEDIATE").await.expect("the lock is free");
                *lock = Some(connection);
            }
        }
    }

    async fn end(&mut self) {
        match self {
            Self::Server(cluster) => cluster.start_again(),
            Self::File(_, lock) => {
                let connection = lock.take().expect("it is locked");
                connection.execute_unprepared("ROLLBACK").await.expect("a transaction");
                connection.close().await.expect("an open connection");
            }
        }
    }
}

/// Nights of a suite.
struct Nights {
    suite: Suite,
    fee: i64,
    day: NaiveDate,
}

impl Nights {
    async fn begin(suite: Suite) -> Self {
        suite.apply_catalogs().await;
        for account in ACCOUNTS {
            suite.open_account(account, "kingsoft", 0).await;
        }
        Self { suite, fee: 0, day: NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date") }
    }

    fn midnight(&self) -> DateTime<Utc> {
        at(&format!("{} 00:00", self.day))
    }

    /// Goes on to noon before the next night, and registers what is due in it.
    async fn noon(&mut self) {
        self.suite.set_clock(at(&format!("{} 12:00", self.day)));
        self.day = self.day + Days::new(1);
        let end = format!("{} 00:00", self.day + Days::new(1));
        let settings = [("line_type", "bgp"), ("bandwidth_mbps", "5")];
        for account in ACCOUNTS {
            let ids: Vec<_> =
                (0..DUE).map(|number| format!("{account}-{}-{number}", self.day)).collect();
            let row = |id: &String| prepaid(account, id, "ks-eip", &settings, &end);
            self.suite.register(ids.iter().map(row).collect()).await;
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            self.suite.set_auto(account, &ids).await;
            let (bill, _) = self.suite.preview(account, selection(&ids[..1], "1m")).await;
            self.fee = bill.payable.expect("a price").minor_units;
            let count = i64::try_from(DUE).expect("a small number");
            self.suite.deposit(account, count * self.fee).await;
        }
    }

    /// A page after the other, until the first that fails.
    async fn sweep(&self) -> Result<i32, Status> {
        let mut request = RenewDueRequest { limit: PAGE, ..RenewDueRequest::default() };
        let mut done = 0;
        loop {
            let page = self.suite.sweeps().renew_due(request.clone()).await?.into_inner();
            done += page.done;
            if !page.more {
                return Ok(done);
            }
            request.cursor = page.next_cursor;
        }
    }

    /// One night: after a page or two the database is away, and comes back when `passed` has passed.
    async fn night(&mut self, away: &mut Away, passed: TimeDelta) {
        self.noon().await;
        self.suite.set_clock(self.midnight());
        let request = RenewDueRequest { limit: PAGE, ..RenewDueRequest::default() };
        let first = self.suite.sweeps().renew_due(request).await.expect("a page").into_inner();
        assert!(first.done > 0 && first.more, "{first:?}");
        let (swept, ()) = tokio::join!(self.sweep(), away.begin());
        // The pages that were under way may have got through; none does while it is away.
        let refused = match swept {
            Err(refused) => refused,
            Ok(_) => self.sweep().await.expect_err("nothing is decided without a database"),
        };
        assert!(is_open(&refused), "{refused:?}");
        self.suite.set_clock(self.midnight() + passed);
        away.end().await;
        self.mend().await;
        self.check().await;
    }

    /// What the schedules do in the minutes after.
    async fn mend(&self) {
        let mut quiet = 0;
        for _ in 0..60 {
            self.suite.set_clock(self.suite.now() + TimeDelta::minutes(1));
            let advanced = self.suite.sweeps().advance(AdvanceRequest { limit: 100 }).await;
            // Connections that were cut off are found out one by one.
            let (Ok(advanced), Ok(done)) = (advanced, self.sweep().await) else { continue };
            let nothing = advanced.into_inner().taken == 0 && done == 0;
            quiet = if nothing { quiet + 1 } else { 0 };
            // What a crash left behind is due within five minutes.
            if quiet > 6 {
                return;
            }
        }
        panic!("it never ends");
    }

    /// Each attempt of the night is decided, and once, and paid, and once.
    async fn check(&self) {
        for account in ACCOUNTS {
            let attempts = self.suite.attempts(account).await;
            let of_night = attempts.iter().filter(|one| one.contains(&format!(" {}/", self.day)));
            let expected =
                (0..DUE).map(|number| format!("{account}-{0}-{number} {0}/0 RENEWED", self.day));
            assert_eq!(of_night.cloned().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            assert_eq!(self.suite.cash(account).await, 0, "{account}");
            let decided = self.suite.decided_once(account, self.day).await;
            assert_eq!(decided, [format!("RENEWED {DUE}")], "{account} on {}", self.day);
        }
        self.suite.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_in_the_night_costs_no_renewal() {
    let cluster = Cluster::start().await;
    let suite = Suite::start_on(&cluster.address, Backend::Postgres, Layout::OneProcess, &[]).await;
    let mut nights = Nights::begin(suite).await;
    let mut away = Away::Server(cluster);
    // For so long that payments are still taken, that they are called off, and that the day is over.
    for passed in [TimeDelta::minutes(1), TimeDelta::minutes(10), TimeDelta::hours(30)] {
        nights.night(&mut away, passed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_others_lock_in_the_night_costs_no_renewal() {
    let suite = Suite::start(Backend::Sqlite, Layout::OneProcess).await;
    let mut nights = Nights::begin(suite).await;
    for (service, passed) in [("wallet", 10), ("renewal", 1)] {
        let path = nights.suite.folder().join(format!("{service}.db"));
        nights.night(&mut Away::File(path, None), TimeDelta::minutes(passed)).await;
    }
}
