//! What customers, consoles and operators do, lived on each database and in each layout.

pub mod automatic;
mod bad_input;
mod batch;
mod catalog;
pub mod change;
pub mod channels;
mod delivery;
mod events;
mod forecast;
mod instances;
mod leaps;
mod ledger;
mod life;
mod lists;
pub mod mixed;
mod money;
mod money_races;
mod prices;
mod races;
mod refusals;
mod restores;
mod schedules;
mod single;
mod unify;
mod wallet;
mod webhooks;

/// Defines journeys: each is lived on SQLite and on PostgreSQL, in one process and in four; by the four on
/// PostgreSQL over TLS, with a token.
///
/// The body gets a `&tests::Suite` with empty databases, its clock at 2026-03-01 09:00 in Shanghai.
#[macro_export]
macro_rules! journeys {
    ($($(#[$about:meta])* async fn $name:ident($suite:ident) $body:block)*) => {
        $($(#[$about])* pub async fn $name($suite: &tests::Suite) $body)*

        $crate::journeys!(
            @ sqlite_in_one_process, Suite::start(Backend::Sqlite, Layout::OneProcess), $($name)*
        );
        $crate::journeys!(
            @ sqlite_in_four_processes, Suite::start(Backend::Sqlite, Layout::FourProcesses), $($name)*
        );
        $crate::journeys!(
            @ postgres_in_one_process, Suite::start(Backend::Postgres, Layout::OneProcess), $($name)*
        );
        $crate::journeys!(@ postgres_in_four_processes, Suite::secured(), $($name)*);
    };
    (@ $module:ident, $start:expr, $($name:ident)*) => {
        mod $module {
            use tests::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let suite = $start.await;
                super::$name(&suite).await;
            })*
        }
    };
}
