//! What customers, consoles and operators do, lived on each database and in each layout.

mod automatic;
mod bad_input;
mod batch;
mod catalog;
mod change;
mod channels;
mod delivery;
mod events;
mod forecast;
mod instances;
mod leaps;
mod ledger;
mod life;
mod lists;
mod mixed;
mod money;
mod money_races;
mod prices;
mod races;
mod refusals;
mod schedules;
mod single;
mod unify;
mod wallet;
mod webhooks;

/// Defines journeys: each is lived on SQLite and on PostgreSQL, in one process and in four.
///
/// The body gets a `&tests::Suite` with empty databases, its clock at 2026-03-01 09:00 in Shanghai.
#[macro_export]
macro_rules! journeys {
    ($($(#[$about:meta])* async fn $name:ident($suite:ident) $body:block)*) => {
        $($(#[$about])* async fn $name($suite: &tests::Suite) $body)*

        $crate::journeys!(@ sqlite_in_one_process, Sqlite, OneProcess, $($name)*);
        $crate::journeys!(@ sqlite_in_four_processes, Sqlite, FourProcesses, $($name)*);
        $crate::journeys!(@ postgres_in_one_process, Postgres, OneProcess, $($name)*);
        $crate::journeys!(@ postgres_in_four_processes, Postgres, FourProcesses, $($name)*);
    };
    (@ $module:ident, $backend:ident, $layout:ident, $($name:ident)*) => {
        mod $module {
            use tests::{Backend, Layout, Suite};

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let suite = Suite::start(Backend::$backend, Layout::$layout).await;
                super::$name(&suite).await;
            })*
        }
    };
}
