use std::collections::BTreeSet;

use kernel::env::{Clock as _, ManualClock};
use platform::{database::Database, status::ApiError as _};
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::{domain::document::tests::small, store::Migrator};

/// A catalog database, and what time it is.
pub struct World {
    pub clock: Arc<ManualClock>,
    database: Database,
    _folder: Arc<TempDir>,
}

impl World {
    /// On SQLite, and on PostgreSQL where the test run has one.
    pub async fn all() -> Vec<Self> {
        let (databases, folder) = platform::testing::databases::<Migrator>("catalog").await;
        let folder = Arc::new(folder);
        let at = |database| Self {
            clock: ManualClock::at("2026-03-10T00:00:00Z".parse().unwrap()),
            database,
            _folder: Arc::clone(&folder),
        };
        databases.into_iter().map(at).collect()
    }

    /// One more replica.
    pub async fn replica(&self) -> Arc<Catalogs> {
        let env = Env::with_clock(Arc::clone(&self.clock) as _);
        Arc::new(Catalogs::load(Store::new(self.database.clone()), env).await.unwrap())
    }
}

fn priced(prices: &[(&str, &str)]) -> String {
    let prices = prices.iter().map(|(from, monthly)| {
        format!(
            "  - {{product: vm, component: c, currency: CNY, effective_from: {from}, monthly: {monthly}}}\n"
        )
    });
    small(&format!("    components: [{{name: c}}]\nprices:\n{}", prices.collect::<String>()))
}

const PAST: &str = "2024-01-01T00:00:00Z";
const LATER: &str = "2026-04-01T00:00:00Z";

async fn refused(catalogs: &Catalogs, text: &str) -> String {
    catalogs.apply(text, false).await.unwrap_err().to_string()
}

#[tokio::test]
async fn the_same_content_makes_no_version() {
    for world in World::all().await {
        let catalogs = world.replica().await;
        let text = priced(&[(PAST, "56")]);
        let dry = catalogs.apply(&text, true).await.unwrap();
        assert_eq!((dry.version, dry.changes.len()), (0, 3));
        assert_eq!(catalogs.snapshot().version, 0);

        let first = catalogs.apply(&text, false).await.unwrap();
        assert_eq!((first.version, first.changes), (1, dry.changes));
        let again = catalogs.apply(&format!("# a comment\n{text}"), false).await.unwrap();
        assert_eq!((again.version, again.changes.len()), (1, 0));
    }
}

#[tokio::test]
async fn a_bad_document_changes_nothing() {
    for world in World::all().await {
        let catalogs = world.replica().await;
        catalogs.apply(&priced(&[(PAST, "56")]), false).await.unwrap();
        let bad = priced(&[(PAST, "fifty")]);
        assert_eq!(refused(&catalogs, &bad).await, "the catalog document has 1 mistakes");
        assert_eq!(catalogs.snapshot().version, 1);
    }
}

// M-8: also over versions in which the product was gone.
#[tokio::test]
async fn prices_in_force_do_not_change() {
    for world in World::all().await {
        let catalogs = world.replica().await;
        catalogs.apply(&priced(&[(PAST, "56")]), false).await.unwrap();
        assert!(refused(&catalogs, &priced(&[(PAST, "55")])).await.contains("cannot change"));
        catalogs.apply(&priced(&[(PAST, "56"), (LATER, "60")]), false).await.unwrap();
        catalogs.apply(&priced(&[(PAST, "56"), (LATER, "61")]), false).await.unwrap();
        world.clock.set(LATER.parse().unwrap());
        let changed = priced(&[(PAST, "56"), (LATER, "62")]);
        assert!(refused(&catalogs, &changed).await.contains("cannot change"));

        let other = small("").replace("id: vm", "id: other");
        let removed = catalogs.apply(&other, false).await.unwrap();
        assert_eq!(removed.version, 4);
        assert!(removed.impacts[0].starts_with("vm is removed"));
        catalogs.apply(&other.replace("Machine", "Engine"), false).await.unwrap();
        assert!(refused(&catalogs, &changed).await.contains("cannot change"));
        catalogs.apply(&priced(&[(PAST, "56"), (LATER, "61")]), false).await.unwrap();
    }
}

#[tokio::test]
async fn a_product_belongs_to_one_catalog() {
    for world in World::all().await {
        let catalogs = world.replica().await;
        catalogs.apply(&small(""), false).await.unwrap();
        let thief = small("").replace("catalog: test", "catalog: thief");
        let ApplyError::Invalid(mistakes) = catalogs.apply(&thief, false).await.unwrap_err() else {
            panic!("it was applied, or refused for something else");
        };
        assert_eq!(mistakes[0].line, 7);
        assert_eq!(mistakes[0].problem, "the product vm belongs to the catalog test");
    }
}

// M-9
#[tokio::test]
async fn a_money_policy_is_one_thing_in_all_catalogs_and_at_all_times() {
    for world in World::all().await {
        let catalogs = world.replica().await;
        catalogs.apply(&small(""), false).await.unwrap();
        let cut = small("").replace("rounding: HALF_UP", "rounding: TRUNCATE");
        let elsewhere =
            cut.replace("catalog: test", "catalog: other").replace("id: vm", "id: disk");
        for text in [&cut, &elsewhere] {
            let error = catalogs.apply(text, true).await.unwrap_err();
            let ApplyError::Invalid(mistakes) = error else { panic!("{error}") };
            assert_eq!((mistakes.len(), mistakes[0].line), (1, 7));
            assert!(mistakes[0].problem.contains("with vm; count its version up"));
        }
        catalogs.apply(&cut.replace("version: 1", "version: 2"), false).await.unwrap();
        // Also once nobody has it any more.
        assert!(refused(&catalogs, &cut).await.contains("1 mistakes"));
    }
}

#[tokio::test]
async fn replicas_follow_by_version() {
    for world in World::all().await {
        let (first, second) = (world.replica().await, world.replica().await);
        first.apply(&small(""), false).await.unwrap();
        assert_eq!(second.snapshot().version, 0);
        assert_eq!(second.follow().await.unwrap().version, 1);
        assert!(second.snapshot().product(&"vm".parse().unwrap()).is_ok());
        // A replica that is behind decides by what is stored, not by what it remembers.
        first.apply(&priced(&[(PAST, "56")]), false).await.unwrap();
        assert_eq!(second.apply(&priced(&[(PAST, "56")]), false).await.unwrap().version, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_applied_at_once_all_count() {
    for world in World::all().await {
        let replicas = [world.replica().await, world.replica().await];
        let applies = (0..8).map(|nth| {
            let catalogs = Arc::clone(&replicas[nth % 2]);
            let text = small("")
                .replace("catalog: test", &format!("catalog: test{nth}"))
                .replace("id: vm", &format!("id: vm{nth}"));
            tokio::spawn(async move {
                loop {
                    match catalogs.apply(&text, false).await {
                        Err(ApplyError::Busy) => {}
                        result => return result.unwrap().version,
                    }
                }
            })
        });
        let mut versions = BTreeSet::new();
        for apply in applies.collect::<Vec<_>>() {
            versions.insert(apply.await.unwrap());
        }
        assert_eq!(versions, (1..=8).collect());
        assert_eq!(replicas[0].follow().await.unwrap().products("", None).count(), 8);
    }
}

// L-5: rules over time; the first hold since ever, later ones from their apply on.
#[tokio::test]
async fn rules_are_kept_over_time() {
    for world in World::all().await {
        let catalogs = world.replica().await;
        let etag =
            |snapshot: &Snapshot| snapshot.product(&"vm".parse().unwrap()).unwrap().etag.clone();
        catalogs.apply(&small(""), false).await.unwrap();
        let before = etag(&catalogs.snapshot());
        let longer = small("").replace("grace_days: 0", "grace_days: 5");
        catalogs.apply(&longer, false).await.unwrap();
        catalogs.apply(&longer.replace("Machines", "Engines"), false).await.unwrap();

        let snapshot = world.replica().await.snapshot();
        let entry = snapshot.product(&"vm".parse().unwrap()).unwrap();
        let over_time: Vec<_> = entry
            .profiles
            .iter()
            .map(|version| (version.effective_at, version.profile.grace_days))
            .collect();
        assert_eq!(over_time, [(DateTime::UNIX_EPOCH, 0), (world.clock.now(), 5)]);
        assert_ne!(etag(&snapshot), before);
        assert_eq!(etag(&snapshot), etag(&catalogs.snapshot()));
    }
}

#[tokio::test]
async fn a_database_that_nobody_reaches_is_to_be_asked_again() {
    for world in World::all().await {
        let catalogs = world.replica().await;
        world.database.clone().close().await;
        let error = catalogs.apply(&small(""), false).await.unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, "SERVICE_UNAVAILABLE"));
    }
}
