use chrono::TimeDelta;
use futures::{StreamExt as _, TryStreamExt as _};
use kernel::env::ManualClock;
use platform::{client::Peer, serve::Stopping, testing::Counted};
use proto::scheduler::v1::{self as pb, scheduler_service_server::SchedulerService as _};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use super::*;
use crate::{
    domain::{LEASE, State, Tally},
    grpc::SchedulerGrpc,
    store::Job,
    tests::{Fake, TEST_KINDS, stores},
};

/// A database, a clock, and as many schedulers as a test wants.
struct World {
    store: Store,
    clock: Arc<ManualClock>,
}

/// A scheduler and what does its work.
struct Desktop {
    scheduler: Arc<Scheduler>,
    fake: Arc<Fake>,
}

const MINUTE: TimeDelta = TimeDelta::minutes(1);

fn start() -> DateTime<Utc> {
    "2026-03-01T01:00:00Z".parse().unwrap()
}

/// Lives `test` on each database.
async fn on_each(name: &str, test: impl AsyncFn(World)) {
    let (stores, _folder) = stores(name).await;
    for store in stores {
        test(World { store, clock: ManualClock::at(start()) }).await;
    }
}

impl World {
    /// A scheduler with these intervals; all others run only when asked to.
    fn scheduler(&self, intervals: &[&str]) -> Desktop {
        self.scheduler_of(&TEST_KINDS, intervals)
    }

    fn scheduler_of(&self, kinds: &'static [Kind], intervals: &[&str]) -> Desktop {
        let nobody = "http://127.0.0.1:1".parse::<Peer>().unwrap().connect();
        let env = Env::with_clock(Arc::clone(&self.clock) as _);
        let fake = Arc::new(Fake::default());
        let (store, script) = (self.store.clone(), Arc::clone(&fake));
        let own = Own { store, env, keep: TimeDelta::days(30), script };
        let services = Services { renewal: nobody.clone(), wallet: nobody, own };
        let set = ["all=0"].iter().chain(intervals);
        let set = set.map(|text| Interval::read(text, kinds).unwrap()).collect();
        let settings = Settings { intervals: set, parts: 2, pages: 2 };
        Desktop { scheduler: Arc::new(Scheduler::new(kinds, services, &settings)), fake }
    }
}

impl Desktop {
    /// Has everything done that is due.
    async fn work(&self) {
        self.scheduler.look().await.unwrap();
        self.settle().await;
    }

    /// Waits until nobody is at anything.
    async fn settle(&self) {
        for desk in &self.scheduler.desks {
            drop(desk.turn.lock().await);
        }
    }

    /// Begins what is due, and returns when so many pages have been asked for in all.
    async fn begin(&self, pages: usize) {
        self.scheduler.look().await.unwrap();
        while self.fake.asked().len() < pages {
            tokio::task::yield_now().await;
        }
    }

    async fn runs(&self, kind: &str) -> Vec<Run> {
        let wanted = Wanted { kind: None, after: None, skip: 0, size: 100 };
        self.scheduler.runs(kind, wanted, false).await.unwrap().0
    }

    async fn last(&self, kind: &str) -> Run {
        self.runs(kind).await.remove(0)
    }
}

#[tokio::test]
async fn a_run_takes_every_page_that_is_due() {
    on_each("every_page", async |world| {
        let desktop = world.scheduler(&["alone=60"]);
        desktop.fake.pages("alone", 0, &[7, 7, 3]);
        desktop.work().await;
        let run = desktop.last("alone").await;
        assert_eq!((run.state(), run.tally().due, run.tally().done), (State::Done, 17, 17));
        assert_eq!((run.id.planned, run.ended()), (start(), Some(start())));
        let cursors: Vec<_> = desktop.fake.asked().into_iter().map(|page| page.2).collect();
        assert_eq!(cursors, ["", "after 0", "after 1"]);
    })
    .await;
}

#[tokio::test]
async fn a_run_goes_over_each_shard_once_and_two_pages_at_a_time() {
    on_each("each_shard", async |world| {
        let desktop = world.scheduler(&["first=60"]);
        desktop.fake.pages("first", 8, &[5, 5]);
        desktop.fake.close();
        desktop.begin(2).await;
        desktop.fake.open(100);
        desktop.settle().await;

        let mut asked = desktop.fake.asked();
        asked.sort();
        let mut expected: Vec<_> =
            (0..64).step_by(4).map(|shard| ("first", shard, String::new())).collect();
        expected.push(("first", 8, "after 0".to_owned()));
        expected.sort();
        assert_eq!(asked, expected);
        assert_eq!(desktop.fake.most(), 2);
        let run = desktop.last("first").await;
        assert_eq!((run.state(), run.shards(), run.tally().done), (State::Done, (64, 64), 10));
        assert_eq!(run.parts.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn schedules_fall_behind_while_nobody_can_see_how_they_stand() {
    on_each("lags", async |world| {
        let counted = Counted::default();
        let lags = Lags::of(&counted.meter());
        let lag = || {
            let lines = counted.lines();
            assert!(lines.iter().all(|line| line.starts_with("schedule.lag ")), "{lines:?}");
            lines.into_iter().find(|line| line.contains(" first ")).unwrap()
        };
        let desktop = world.scheduler(&["first=60"]);
        desktop.work().await;
        let Scheduler { desks, plans, store, .. } = &*desktop.scheduler;
        lags.note(desks, plans, Some(&store.board().await.unwrap()), start());
        assert_eq!(lag(), "schedule.lag first 0");
        // Done a minute before the first of ten that nobody sees.
        lags.note(desks, plans, None, start() + MINUTE * 10);
        assert_eq!(lag(), "schedule.lag first 540");
        store.pause("first", start()).await.unwrap();
        lags.note(desks, plans, Some(&store.board().await.unwrap()), start() + MINUTE * 10);
        assert_eq!(lag(), "schedule.lag first 0");
    })
    .await;
}

#[tokio::test]
async fn two_schedulers_do_nothing_twice() {
    on_each("two_at_once", async |world| {
        let (one, other) = (world.scheduler(&["all=60"]), world.scheduler(&["all=60"]));
        for _ in 0..3 {
            tokio::join!(one.work(), other.work());
            // Whoever was too late for what follows comes again.
            tokio::join!(one.work(), other.work());
            world.clock.advance(MINUTE);
        }
        let mut asked = [one.fake.asked(), other.fake.asked()].concat();
        asked.sort();
        let mut expected = Vec::new();
        for _ in 0..3 {
            expected.push(("alone", 0, String::new()));
            for kind in ["first", "second"] {
                expected.extend((0..64).step_by(4).map(|shard| (kind, shard, String::new())));
            }
        }
        expected.sort();
        assert_eq!(asked, expected);
        let runs = one.runs("").await;
        assert_eq!(runs.len(), 9);
        assert!(runs.iter().all(|run| run.state() == State::Done));
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_scheduler_left_is_taken_over_when_its_lease_ends() {
    on_each("killed", async |world| {
        // What a scheduler leaves that is killed within a run: a lease, and a run under way.
        let job = Job { kind: "alone", planned: start(), shards: 0..0, asked: false };
        let killed = world.store.claim(&job, "killed", start()).await.unwrap();
        let tally = Tally { due: 3, done: 3, ..Tally::default() };
        world.store.progress(&killed.unwrap(), &tally, 0).await.unwrap();

        let desktop = world.scheduler(&["alone=3600"]);
        world.clock.advance(LEASE - TimeDelta::microseconds(1));
        desktop.work().await;
        assert!(desktop.fake.asked().is_empty());
        assert_eq!(desktop.last("alone").await.state(), State::Running);

        world.clock.advance(TimeDelta::microseconds(1));
        assert_eq!(desktop.last("alone").await.state(), State::Abandoned);
        desktop.fake.pages("alone", 0, &[4]);
        desktop.work().await;
        let run = desktop.last("alone").await;
        assert_eq!((run.state(), run.id.planned, run.tally().done), (State::Done, start(), 7));
        assert_eq!((run.parts[0].attempts, run.parts[0].holder != "killed"), (2, true));
        desktop.work().await;
        assert_eq!(desktop.fake.asked().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_run_that_was_asked_of_a_killed_scheduler_is_not_begun_again() {
    on_each("killed_asked", async |world| {
        let desktop = world.scheduler(&[]);
        let planned = world
            .store
            .ask("alone", &desktop.scheduler.plans[2].parts, start())
            .await
            .unwrap()
            .planned;
        let job = Job { kind: "alone", planned, shards: 0..0, asked: true };
        world.store.claim(&job, "killed", start()).await.unwrap().unwrap();
        world.clock.advance(LEASE);
        let second = desktop.scheduler.run_now("alone").await.unwrap();
        desktop.work().await;
        let states =
            desktop.runs("alone").await.into_iter().map(|run| (run.id.clone(), run.state()));
        let first = RunId { planned, ..second.id.clone() };
        assert_eq!(
            states.collect::<Vec<_>>(),
            [(second.id, State::Done), (first, State::Abandoned)]
        );
    })
    .await;
}

#[tokio::test]
async fn a_late_scheduler_runs_once_for_all_that_it_missed() {
    on_each("late", async |world| {
        let desktop = world.scheduler(&["alone=60"]);
        desktop.work().await;
        world.clock.advance(TimeDelta::days(31) + TimeDelta::seconds(59));
        desktop.work().await;
        desktop.work().await;
        let planned: Vec<_> =
            desktop.runs("alone").await.into_iter().map(|run| run.id.planned).collect();
        assert_eq!(planned, [start() + TimeDelta::days(31), start()]);
    })
    .await;
}

#[tokio::test]
async fn a_schedule_that_is_paused_runs_once_when_it_is_resumed() {
    on_each("paused", async |world| {
        let desktop = world.scheduler(&["alone=60"]);
        let paused = desktop.scheduler.pause("alone").await.unwrap();
        assert_eq!((paused.paused, paused.next), (Some(start()), None));
        for _ in 0..5 {
            desktop.work().await;
            world.clock.advance(MINUTE);
        }
        assert!(desktop.runs("").await.is_empty());

        let resumed = desktop.scheduler.resume("alone").await.unwrap();
        assert_eq!((resumed.paused, resumed.next), (None, Some(start() + MINUTE * 6)));
        desktop.work().await;
        assert_eq!(desktop.runs("alone").await.len(), 1);
        assert_eq!(desktop.last("alone").await.id.planned, start() + MINUTE * 5);
    })
    .await;
}

#[tokio::test]
async fn a_run_stops_between_two_pages_when_its_schedule_is_paused() {
    on_each("paused_meanwhile", async |world| {
        let desktop = world.scheduler(&["alone=60"]);
        desktop.fake.pages("alone", 0, &[1, 2, 4]);
        desktop.fake.close();
        desktop.begin(1).await;
        desktop.scheduler.pause("alone").await.unwrap();
        desktop.fake.open(1);
        desktop.settle().await;
        let run = desktop.last("alone").await;
        assert_eq!((run.state(), run.tally().done), (State::Stopped, 1));

        desktop.scheduler.resume("alone").await.unwrap();
        desktop.fake.open(100);
        desktop.work().await;
        let run = desktop.last("alone").await;
        assert_eq!((run.state(), run.tally().done, run.parts[0].attempts), (State::Done, 7, 2));
    })
    .await;
}

#[tokio::test]
async fn a_run_that_was_asked_for_goes_on_when_its_schedule_is_paused() {
    on_each("asked_and_paused", async |world| {
        let desktop = world.scheduler(&["all=60"]);
        desktop.scheduler.pause("alone").await.unwrap();
        let asked = desktop.scheduler.run_now("alone").await.unwrap();
        assert_eq!(asked.state(), State::Waiting);
        desktop.fake.pages("alone", 0, &[1, 2]);
        desktop.work().await;
        let run = desktop.scheduler.run(&asked.id).await.unwrap();
        assert_eq!((run.state(), run.tally().done), (State::Done, 3));
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_asked_for_meanwhile_comes_after_the_one_under_way() {
    on_each("asked_meanwhile", async |world| {
        let desktop = world.scheduler(&["alone=60"]);
        desktop.fake.pages("alone", 0, &[1]);
        desktop.fake.pages("alone", 0, &[2]);
        desktop.fake.close();
        desktop.begin(1).await;
        world.clock.advance(TimeDelta::seconds(1));
        let asked = desktop.scheduler.run_now("alone").await.unwrap();
        assert_eq!(asked.state(), State::Waiting);
        assert_eq!(desktop.scheduler.run_now("alone").await.unwrap(), asked);

        desktop.fake.open(100);
        desktop.settle().await;
        desktop.work().await;
        let done: Vec<_> = desktop.runs("alone").await;
        let done: Vec<_> = done.iter().map(|run| (run.state(), run.tally().done)).collect();
        assert_eq!(done, [(State::Done, 2), (State::Done, 1)]);
    })
    .await;
}

#[tokio::test]
async fn a_page_that_fails_fails_its_run_and_no_other_page() {
    on_each("failed_page", async |world| {
        let desktop = world.scheduler(&["first=3600", "second=3600"]);
        desktop.fake.pages("first", 0, &[5]);
        desktop.fake.answer("first", 4, Err(Status::invalid_argument("no such shard")));
        desktop.fake.pages("first", 32, &[2]);
        desktop.work().await;
        let run = desktop.last("first").await;
        assert_eq!((run.state(), run.tally().done, run.shards()), (State::Failed, 7, (64, 60)));
        assert_eq!(run.parts[0].error, "shards 4 to 7: InvalidArgument: no such shard");
        assert_eq!(run.parts[1].state, State::Done);
        // What follows waits where it failed, and only there.
        assert_eq!(desktop.last("second").await.parts.len(), 1);
        assert_eq!(desktop.last("second").await.parts[0].shards, 32..64);

        world.clock.advance(MINUTE - TimeDelta::microseconds(1));
        desktop.work().await;
        assert_eq!(desktop.last("first").await.state(), State::Failed);
        world.clock.advance(TimeDelta::microseconds(1));
        desktop.work().await;
        let run = desktop.last("first").await;
        assert_eq!((run.state(), run.id.planned, run.tally().done), (State::Done, start(), 7));
        assert_eq!((run.parts[0].attempts, run.parts[1].attempts), (2, 1));
        assert_eq!((run.parts[0].error.as_str(), run.shards()), ("", (64, 64)));
        assert_eq!(desktop.last("second").await.parts.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_could_not_be_dealt_with_is_counted_by_reason() {
    on_each("by_reason", async |world| {
        let desktop = world.scheduler(&[]);
        for (done, busy) in [(8, 2), (9, 1)] {
            let failed = BTreeMap::from([("BUSY".to_owned(), busy)]);
            let tally = Tally { due: 10, done, failed };
            let (cursor, more) = (String::new(), busy == 2);
            desktop.fake.answer("alone", 0, Ok(kinds::Page { tally, cursor, more }));
        }
        desktop.scheduler.run_now("alone").await.unwrap();
        desktop.work().await;
        let run = desktop.last("alone").await;
        let failed = BTreeMap::from([("BUSY".to_owned(), 3)]);
        assert_eq!(run.state(), State::Done, "single things do not fail a run");
        assert_eq!(run.tally(), Tally { due: 20, done: 17, failed });
    })
    .await;
}

#[tokio::test]
async fn what_follows_waits_for_what_comes_before() {
    on_each("in_order", async |world| {
        let desktop = world.scheduler(&["first=60", "second=60"]);
        desktop.fake.close();
        desktop.begin(2).await;
        while desktop.last("first").await.parts.len() < 2 {
            tokio::task::yield_now().await;
        }
        // Others see that `second` is due, and that somebody is at `first`.
        let other = world.scheduler(&["first=60", "second=60"]);
        other.work().await;
        assert!(other.fake.asked().is_empty());
        desktop.fake.open(1_000);
        desktop.settle().await;
        for part in [0..32, 32..64] {
            let asked = desktop.fake.asked();
            let kinds: Vec<_> =
                asked.iter().filter(|page| part.contains(&page.1)).map(|page| page.0).collect();
            assert_eq!(kinds, [["first"; 8], ["second"; 8]].concat());
        }
    })
    .await;
}

#[tokio::test]
async fn what_comes_before_holds_nothing_up_while_it_is_paused() {
    on_each("paused_before", async |world| {
        let desktop = world.scheduler(&["first=60", "second=60"]);
        desktop.scheduler.pause("first").await.unwrap();
        desktop.work().await;
        assert_eq!(desktop.fake.kinds(), ["second"; 16]);
    })
    .await;
}

#[tokio::test]
async fn who_looks_on_sees_a_run_to_its_end() {
    on_each("watch", async |world| {
        let desktop = world.scheduler(&[]);
        desktop.fake.pages("alone", 0, &[1, 2, 4]);
        desktop.fake.close();
        let asked = desktop.scheduler.run_now("alone").await.unwrap();
        let mut steps = Box::pin(desktop.scheduler.watch(asked.id).await.unwrap());
        let mut next = async || {
            let run = steps.next().await.unwrap().unwrap();
            (run.state(), run.tally().done)
        };
        assert_eq!(next().await, (State::Waiting, 0));
        desktop.begin(1).await;
        assert_eq!(next().await, (State::Running, 0));
        desktop.fake.open(1);
        assert_eq!(next().await, (State::Running, 1));
        desktop.fake.open(100);
        let mut last = next().await;
        while last.0 == State::Running {
            last = next().await;
        }
        assert_eq!(last, (State::Done, 7));
        assert!(steps.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn who_looks_on_elsewhere_sees_it_too() {
    on_each("watch_elsewhere", async |world| {
        let (here, elsewhere) = (world.scheduler(&[]), world.scheduler(&[]));
        let asked = here.scheduler.run_now("alone").await.unwrap();
        let steps = elsewhere.scheduler.watch(asked.id).await.unwrap();
        let (steps, ()) = tokio::join!(steps.try_collect::<Vec<_>>(), here.work());
        assert_eq!(steps.unwrap().last().unwrap().state(), State::Done);
    })
    .await;
}

// A run may take longer than a server may take to close.
#[tokio::test]
async fn who_looks_on_is_told_that_the_server_closes() {
    on_each("watch_closing", async |world| {
        let desktop = world.scheduler(&[]);
        let asked = desktop.scheduler.run_now("alone").await.unwrap();
        let stop = CancellationToken::new();
        let mut request = Request::new(pb::WatchRunRequest { run_id: asked.id.to_string() });
        request.extensions_mut().insert(Stopping::from(stop.clone()));
        let steps = SchedulerGrpc::new(desktop.scheduler).watch_run(request).await.unwrap();
        let mut steps = steps.into_inner();
        assert!(steps.next().await.unwrap().is_ok());

        stop.cancel();

        assert_eq!(steps.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
        assert!(steps.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn schedules_run_without_being_asked() {
    on_each("by_themselves", async |world| {
        let desktop = world.scheduler(&["alone=60"]);
        keep_running(&desktop.scheduler);
        while desktop.runs("alone").await.first().is_none_or(|run| run.state() != State::Done) {
            tokio::task::yield_now().await;
        }
        let asked = desktop.scheduler.run_now("first").await.unwrap();
        let steps = desktop.scheduler.watch(asked.id).await.unwrap();
        let last = steps.try_collect::<Vec<_>>().await.unwrap().pop().unwrap();
        assert_eq!((last.state(), last.parts.len()), (State::Done, 2));
    })
    .await;
}

#[tokio::test]
async fn nobody_looks_any_more_when_the_scheduler_is_gone() {
    on_each("gone", async |world| {
        let desktop = world.scheduler(&[]);
        keep_running(&desktop.scheduler);
        let gone = Arc::downgrade(&desktop.scheduler.wake);
        drop(desktop);
        while gone.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn old_runs_are_forgotten_by_a_schedule_of_their_own() {
    on_each("forgotten", async |world| {
        let desktop = world.scheduler_of(&KINDS, &[]);
        for _ in 0..3 {
            world.clock.advance(MINUTE);
            let planned = desktop.scheduler.now();
            let job = Job { kind: "advance", planned, shards: 0..0, asked: false };
            let claim = world.store.claim(&job, "a", planned).await.unwrap();
            world.store.finish(&claim.unwrap(), State::Done, "", planned).await.unwrap();
        }
        world.clock.advance(TimeDelta::days(1));
        desktop.scheduler.run_now("purge-runs").await.unwrap();
        desktop.work().await;
        let run = desktop.last("purge-runs").await;
        assert_eq!((run.state(), run.tally().done), (State::Done, 2));
        assert_eq!(desktop.runs("advance").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_there_is_not_is_refused() {
    on_each("refused", async |world| {
        let Desktop { scheduler, .. } = world.scheduler(&[]);
        for kind in ["", "ALONE", "renew now"] {
            let unknown = |error| matches!(error, SchedulerError::UnknownKind(_));
            assert!(unknown(scheduler.run_now(kind).await.unwrap_err()));
            assert!(unknown(scheduler.pause(kind).await.unwrap_err()));
            assert!(unknown(scheduler.resume(kind).await.unwrap_err()));
        }
        let id = RunId { kind: "alone".to_owned(), planned: start() };
        assert!(matches!(scheduler.run(&id).await, Err(SchedulerError::UnknownRun(_))));
        assert!(matches!(scheduler.watch(id).await, Err(SchedulerError::UnknownRun(_))));
    })
    .await;
}

// A-2, O-4, V-5, W-2, W-3
#[test]
fn the_table_of_kinds_is_consistent() {
    for (index, kind) in KINDS.iter().enumerate() {
        let before = &KINDS[..index];
        assert!(before.iter().all(|other| other.name != kind.name), "{kind:?} stands twice");
        assert!(!kind.description.is_empty() && kind.every > 0, "{kind:?}");
        assert!(["renewal", "wallet", "scheduler"].contains(&kind.service), "{kind:?}");
        let plain = |letter: char| letter.is_ascii_lowercase() || letter == '-';
        assert!(kind.name.chars().all(plain) && kind.name != "all", "{kind:?}");
        if !kind.after.is_empty() {
            let after = before.iter().find(|other| other.name == kind.after);
            let after = after.unwrap_or_else(|| panic!("{kind:?} stands above {}", kind.after));
            assert_eq!(after.sharded, kind.sharded, "{kind:?}");
        }
    }
}

#[test]
fn the_last_setting_of_an_interval_counts() {
    let settings = |texts: &[&str]| {
        texts.iter().map(|text| text.parse::<Interval>().unwrap()).collect::<Vec<_>>()
    };
    let advance = KINDS.iter().find(|kind| kind.name == "advance").unwrap();
    let of = |texts| Interval::of(advance, &settings(texts));
    assert_eq!(of(&[]), 10);
    assert_eq!(of(&["anchor=5"]), 10);
    assert_eq!(of(&["all=0", "advance=5"]), 5);
    assert_eq!(of(&["advance=5", "all=0"]), 0);
    for text in ["", "advance", "advance=", "advance=-1", "advance=1s", "renewals=1", "=1"] {
        assert!(text.parse::<Interval>().is_err(), "{text}");
    }
}
