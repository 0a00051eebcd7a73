use futures::future::BoxFuture;
use kernel::Env;
use platform::client::Peer;
use tonic::Status;

use super::*;
use crate::{
    app::{Interval, Own, Page, SandboxClock, Services, Settings, sandbox::SandboxError},
    domain::State,
    store::{Job, Store},
    tests::{Fake, TEST_KINDS, stores},
};

const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

fn start() -> DateTime<Utc> {
    "2026-03-01T01:00:00Z".parse().unwrap()
}

/// A sandbox, and what does its work.
struct World {
    scheduler: Arc<Scheduler>,
    fake: Arc<Fake>,
}

/// What the test says comes up.
fn told(
    services: Services,
    after: DateTime<Utc>,
) -> BoxFuture<'static, Result<Agenda, SchedulerError>> {
    Box::pin(async move { Ok(services.own.script.agenda(after)) })
}

/// Lives `test` on each database, in a sandbox whose schedules have these intervals.
async fn on_each(name: &str, intervals: &[&str], test: impl AsyncFn(World)) {
    let (stores, _folder) = stores(name).await;
    for store in stores {
        let clock = Arc::new(SandboxClock::open(store.clone(), start()).await.unwrap());
        let nobody = "http://127.0.0.1:1".parse::<Peer>().unwrap().connect();
        let fake = Arc::new(Fake::default());
        fake.comes_up(&[], None);
        let env = Env::with_clock(Arc::clone(&clock) as _);
        let own = Own { store, env, keep: TimeDelta::days(30), script: Arc::clone(&fake) };
        let services = Services { renewal: nobody.clone(), wallet: nobody, own };
        let read = |text: &&str| Interval::read(text, &TEST_KINDS).unwrap();
        let intervals = intervals.iter().map(read).collect();
        let settings = Settings { intervals, parts: 2, pages: 2 };
        let scheduler = Scheduler::new(&TEST_KINDS, services, &settings);
        let scheduler = Arc::new(scheduler.in_sandbox(Some(Sandbox::new(clock, told))));
        test(World { scheduler, fake }).await;
    }
}

impl World {
    fn now(&self) -> DateTime<Utc> {
        self.scheduler.env.now()
    }

    /// Moves the clock to `until`: the stops, and why it ended early.
    async fn play(&self, until: DateTime<Utc>) -> (Vec<Stop>, Option<SchedulerError>) {
        let (sender, mut told) = mpsc::channel(1);
        tokio::spawn(self.scheduler.player(until).unwrap().play(sender));
        let mut stops = Vec::new();
        while let Some(stop) = told.recv().await {
            match stop {
                Ok(stop) => stops.push(stop),
                Err(error) => return (stops, Some(error)),
            }
        }
        (stops, None)
    }

    /// Moves the clock to `until`, without an end before it: when it stopped.
    async fn times(&self, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let (stops, error) = self.play(until).await;
        assert!(error.is_none(), "{error:?}");
        stops.into_iter().map(|stop| stop.time).collect()
    }
}

fn page(done: i64, failed: &[(&str, i64)]) -> Page {
    let failed = failed.iter().map(|&(reason, count)| (reason.to_owned(), count)).collect();
    Page { tally: Tally { due: done, done, failed }, ..Page::default() }
}

#[tokio::test]
async fn the_clock_stops_when_something_comes_up_and_all_schedules_have_their_turn_in_order() {
    on_each("play_stops", &[], async |world| {
        let times = [start() - HOUR, start() + HOUR, start() + DAY * 2, start() + DAY * 9];
        world.fake.comes_up(&times, None);
        let until = start() + DAY * 3;
        assert_eq!(world.times(until).await, [start(), times[1], times[2], until]);
        assert_eq!(world.fake.kinds(), ["first", "second", "alone"].repeat(4));
        assert_eq!(world.now(), until);
        // Whoever comes again begins where it stands.
        assert_eq!(world.times(until).await, [until]);
    })
    .await;
}

#[tokio::test]
async fn what_comes_of_a_stop_is_done_at_the_same_instant() {
    on_each("play_rounds", &[], async |world| {
        world.fake.answer("first", 0, Ok(page(1, &[("NO_FUNDS", 2)])));
        world.fake.pages("alone", 0, &[4, 3]);
        world.fake.answer("first", 0, Ok(page(5, &[("NO_FUNDS", 1)])));
        let (stops, _) = world.play(start()).await;
        let done = BTreeMap::from([("alone", 7), ("first", 6)]);
        let failed = BTreeMap::from([("NO_FUNDS".to_owned(), 3)]);
        assert_eq!(stops, [Stop { time: start(), done, failed }]);
        let round = ["first", "second", "alone"];
        let second = ["first", "second", "alone", "alone"];
        assert_eq!(world.fake.kinds(), [&second[..], &round, &round].concat());
    })
    .await;
}

#[tokio::test]
async fn what_never_ends_does_not_hold_a_stop_up_for_ever() {
    on_each("play_endless", &[], async |world| {
        for _ in 0..100 {
            world.fake.answer("alone", 0, Ok(page(1, &[])));
        }
        let (stops, _) = world.play(start()).await;
        assert_eq!(stops[0].done["alone"], i64::from(MOST_ROUNDS));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_is_tried_after_a_growing_while() {
    on_each("play_retries", &[], async |world| {
        let noon = start() + DAY + HOUR;
        world.fake.comes_up(&[noon], Some(start() - DAY));
        let times = world.times(start() + DAY * 30).await;
        // It keeps nothing else from its time.
        assert!(times.contains(&noon), "{times:?}");
        let gaps: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).num_seconds()).collect();
        assert_eq!(gaps[..5], [1, 2, 4, 8, 16]);
        assert_eq!(gaps[gaps.len() - 3..gaps.len() - 1], [21_600, 21_600]);
        assert!(times.len() < 15 + 30 * 4 + 3, "{}", times.len());
    })
    .await;
}

#[tokio::test]
async fn what_is_tried_again_later_is_not_tried_before() {
    on_each("play_later", &[], async |world| {
        let again = start() + DAY;
        world.fake.comes_up(&[], Some(again));
        assert_eq!(world.times(again + HOUR / 3_600).await[..2], [start(), again]);
    })
    .await;
}

#[tokio::test]
async fn schedules_that_are_paused_or_switched_off_have_no_turn() {
    on_each("play_paused", &["second=0"], async |world| {
        world.scheduler.pause("alone").await.unwrap();
        world.times(start()).await;
        assert_eq!(world.fake.kinds(), ["first"]);
    })
    .await;
}

#[tokio::test]
async fn schedules_that_run_seldom_have_their_turn_when_they_are_planned() {
    on_each("play_seldom", &["first=0", "second=0", "alone=86400"], async |world| {
        let midnight = start() - HOUR + DAY;
        world.fake.comes_up(&[start() + HOUR], None);
        let times = world.times(midnight + DAY).await;
        assert_eq!(times, [start(), start() + HOUR, midnight, midnight + DAY]);
        // Not at the stop in between: once at the beginning, and then each midnight.
        assert_eq!(world.fake.kinds(), ["alone"; 3]);
    })
    .await;
}

#[tokio::test]
async fn the_clock_stays_where_a_service_fails_and_goes_on_from_there() {
    on_each("play_fails", &[], async |world| {
        let next = start() + HOUR;
        world.fake.comes_up(&[next], None);
        world.fake.answer("second", 0, Ok(Page::default()));
        world.fake.answer("second", 0, Err(Status::internal("the disk is full")));
        let (stops, error) = world.play(start() + DAY).await;
        assert_eq!(stops.len(), 1);
        assert!(matches!(error, Some(SchedulerError::Remote { service: "nobody", .. })));
        assert_eq!(world.now(), next);
        assert_eq!(world.times(start() + DAY).await, [next, start() + DAY]);
    })
    .await;
}

#[tokio::test]
async fn one_at_a_time_moves_the_clock() {
    on_each("play_busy", &[], async |world| {
        let player = world.scheduler.player(start() + DAY).unwrap();
        let other = world.scheduler.player(start() + DAY);
        assert!(matches!(other, Err(SchedulerError::Busy)));
        drop(player);
        world.scheduler.player(start() + DAY).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_clock_moves_forward_and_ten_years_at_most() {
    on_each("play_bounds", &[], async |world| {
        let second = TimeDelta::seconds(1);
        for bad in [start() - second, start() + MOST_DAYS + second] {
            let refused = world.scheduler.player(bad);
            assert!(matches!(refused, Err(SchedulerError::BadInstant(_))), "{bad}");
        }
        for good in [start(), start() + MOST_DAYS] {
            world.scheduler.player(good).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_goes_away_leaves_the_clock_where_it_has_come_to() {
    on_each("play_away", &[], async |world| {
        world.fake.comes_up(&[start() + HOUR, start() + HOUR * 2], None);
        let (sender, mut told) = mpsc::channel(1);
        let player = tokio::spawn(world.scheduler.player(start() + DAY).unwrap().play(sender));
        told.recv().await;
        drop(told);
        player.await.unwrap();
        assert!(world.now() < start() + DAY, "{}", world.now());
    })
    .await;
}

#[tokio::test]
async fn while_the_clock_stands_what_callers_make_due_is_done_and_nothing_else_runs() {
    on_each("play_stands", &[], async |world| {
        world.scheduler.look().await.unwrap();
        assert_eq!(world.fake.kinds().len(), 0, "nothing runs by itself");
        let first = world.scheduler.schedules().await.unwrap().remove(0);
        assert_eq!(first.next, None);
        world.scheduler.keep_up().await;
        assert_eq!(world.fake.kinds(), ["first", "second", "alone"]);
    })
    .await;
}

#[tokio::test]
async fn the_clock_stands_still_while_a_run_is_under_way() {
    on_each("play_run", &[], async |world| {
        world.fake.close();
        let asked = world.scheduler.run_now("alone").await.unwrap();
        world.scheduler.look().await.unwrap();
        while world.fake.kinds().is_empty() {
            tokio::task::yield_now().await;
        }
        // Nor does anything else begin.
        world.scheduler.keep_up().await;
        let (sender, mut told) = mpsc::channel(1);
        tokio::spawn(world.scheduler.player(start() + DAY).unwrap().play(sender));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((world.fake.kinds(), world.now()), (vec!["alone"], start()));
        world.fake.open(1_000);
        while told.recv().await.is_some() {}
        let run = world.scheduler.run(&asked.id).await.unwrap();
        assert_eq!((run.state(), run.ended()), (State::Done, Some(start())));
        assert_eq!(world.now(), start() + DAY);
    })
    .await;
}

#[tokio::test]
async fn without_a_sandbox_nobody_moves_the_clock() {
    let (stores, _folder) = stores("play_real").await;
    for store in stores {
        let nobody = "http://127.0.0.1:1".parse::<Peer>().unwrap().connect();
        let (env, script) = (Env::system(), Arc::default());
        let own = Own { store, env, keep: TimeDelta::days(30), script };
        let services = Services { renewal: nobody.clone(), wallet: nobody, own };
        let settings = Settings { intervals: Vec::new(), parts: 1, pages: 1 };
        let scheduler = Arc::new(Scheduler::new(&TEST_KINDS, services, &settings));
        assert!(!scheduler.is_sandbox());
        let refused = scheduler.player(start());
        assert!(matches!(refused, Err(SchedulerError::NoSandbox)));
        scheduler.keep_up().await;
        assert_eq!(scheduler.services.own.script.kinds().len(), 0);
    }
}

/// Lives `test` with each empty store.
async fn with_stores(name: &str, test: impl AsyncFn(Store)) {
    let (stores, _folder) = stores(name).await;
    for store in stores {
        test(store).await;
    }
}

/// Has a schedule run in `store`, and leaves it half-way.
async fn run_half(store: &Store) -> Job {
    let job = Job { kind: "alone", planned: start(), shards: 0..0, asked: false };
    store.claim(&job, "somebody", start()).await.unwrap().unwrap();
    job
}

#[tokio::test]
async fn a_sandbox_goes_on_where_it_was_whatever_instant_is_given() {
    with_stores("clock_reopen", async |store| {
        use kernel::env::Clock as _;
        let clock = Arc::new(SandboxClock::open(store.clone(), start()).await.unwrap());
        Sandbox::new(clock, told).move_to(start() + DAY).await.unwrap();
        for given in [start() - DAY, start(), start() + DAY * 300] {
            let clock = SandboxClock::open(store.clone(), given).await.unwrap();
            assert_eq!(clock.now(), start() + DAY, "{given}");
        }
        // Nor does a second one, which is behind, take the first one back.
        store.set_sandbox_time(start()).await.unwrap();
        assert_eq!(store.sandbox_time().await.unwrap(), Some(start() + DAY));
    })
    .await;
}

#[tokio::test]
async fn what_a_sandbox_was_at_when_it_stopped_is_not_waited_for() {
    with_stores("clock_leases", async |store| {
        SandboxClock::open(store.clone(), start()).await.unwrap();
        let job = run_half(&store).await;
        assert_eq!(store.claim(&job, "another", start()).await.unwrap(), None);
        SandboxClock::open(store.clone(), start()).await.unwrap();
        assert!(store.claim(&job, "another", start()).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn a_suite_is_a_sandbox_or_goes_by_the_real_time() {
    with_stores("clock_real", async |store| {
        SandboxClock::refuse(&store).await.unwrap();
        run_half(&store).await;
        let refused = SandboxClock::open(store.clone(), start()).await.unwrap_err();
        assert!(matches!(refused, SandboxError::Real));
        assert_eq!(store.sandbox_time().await.unwrap(), None, "it is none since");
        store.set_sandbox_time(start()).await.unwrap();
        let refused = SandboxClock::refuse(&store).await.unwrap_err();
        assert!(matches!(refused, SandboxError::Sandbox));
    })
    .await;
}
