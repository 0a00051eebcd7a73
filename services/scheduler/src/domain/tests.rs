use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn planned_times_are_whole_intervals_the_same_for_everybody() {
    for (now, interval, expected) in [
        ("2026-03-01T01:00:00Z", 10, "2026-03-01T01:00:00Z"),
        ("2026-03-01T01:00:09.999999Z", 10, "2026-03-01T01:00:00Z"),
        ("2026-03-01T01:00:10Z", 10, "2026-03-01T01:00:10Z"),
        ("2026-03-01T23:59:59Z", 86_400, "2026-03-01T00:00:00Z"),
        ("1969-12-31T23:59:59Z", 10, "1969-12-31T23:59:50Z"),
    ] {
        assert_eq!(planned(at(now), seconds(interval)), at(expected), "{now}");
    }
}

#[test]
fn a_schedule_is_due_once_for_each_planned_time() {
    let lease = |until: &str, done: &str, failed: &str| Lease {
        until: at(until),
        done: at(done),
        failed: at(failed),
    };
    let (never, now) = ("1970-01-01T00:00:00Z", "2026-03-01T01:02:30Z");
    let due = Next::Now(at("2026-03-01T01:02:00Z"));
    for (until, done, failed, expected) in [
        (never, never, never, due),
        (never, "2026-03-01T01:01:00Z", never, due),
        (never, "2026-03-01T01:02:00Z", never, Next::Nothing),
        // It was asked for since.
        (never, "2026-03-01T01:02:20Z", never, Next::Nothing),
        // Somebody is at it, or was until now.
        ("2026-03-01T01:02:30.000001Z", never, never, Next::Later),
        ("2026-03-01T01:02:30Z", never, never, due),
        // It failed under this planned time, or the one before.
        (never, never, "2026-03-01T01:02:00Z", Next::Later),
        (never, never, "2026-03-01T01:01:59Z", due),
        // A clock was ahead for a while.
        (never, "2027-03-01T00:00:00Z", never, due),
        ("2027-03-01T00:00:00Z", never, never, due),
    ] {
        let lease = lease(until, done, failed);
        assert_eq!(next(at(now), seconds(60), &lease), expected, "{lease:?}");
    }
}

#[test]
fn a_part_lags_since_the_first_planned_time_that_was_not_done() {
    for (done, expected) in [
        ("2026-03-01T01:02:00Z", 0),
        ("2026-03-01T01:01:20Z", 30),
        ("2026-03-01T00:59:00Z", 150),
        // Never yet.
        ("1970-01-01T00:00:00Z", 30),
        // A clock was ahead for a while.
        ("2027-03-01T00:00:00Z", 0),
    ] {
        let lease = Lease { done: at(done), ..Lease::default() };
        let lag = lag(at("2026-03-01T01:02:30Z"), seconds(60), &lease);
        assert_eq!(lag, TimeDelta::seconds(expected), "{done}");
    }
}

#[test]
fn what_failed_is_tried_again_after_a_minute_under_the_same_planned_time() {
    let failed = at("2026-03-01T01:00:00Z");
    let lease = Lease { failed, ..Lease::default() };
    let next = |after| next(failed + after, seconds(3_600), &lease);
    assert_eq!(next(RETRY - TimeDelta::microseconds(1)), Next::Later);
    assert_eq!(next(RETRY), Next::Now(failed));
}

#[test]
fn parts_have_each_shard_once() {
    for count in [1, 2, 3, 4, 7, 64, 255] {
        let parts = parts(count);
        assert_eq!(parts.len(), usize::from(count.min(64)));
        assert_eq!(
            parts.iter().cloned().flatten().collect::<Vec<_>>(),
            (0..64).collect::<Vec<_>>()
        );
        let lengths = parts.iter().map(ExactSizeIterator::len);
        assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
    }
}

fn part(state: State, done: i64) -> Part {
    let begun = state != State::Waiting;
    Part {
        kind: "first".to_owned(),
        planned: at("2026-03-01T01:00:00Z"),
        shards: 0..32,
        shards_done: 0,
        asked: false,
        state,
        holder: String::new(),
        attempts: 1,
        started: begun.then(|| at("2026-03-01T01:00:10Z")),
        ended: state.has_ended().then(|| at("2026-03-01T01:00:20Z")),
        tally: Tally { due: done + 1, done, failed: BTreeMap::from([("BUSY".to_owned(), 1)]) },
        error: String::new(),
    }
}

#[test]
fn a_run_stands_as_its_parts_do() {
    use State::*;
    for (one, other, expected) in [
        (Waiting, Waiting, Waiting),
        (Waiting, Running, Running),
        (Waiting, Done, Running),
        (Running, Failed, Running),
        (Done, Done, Done),
        (Done, Stopped, Stopped),
        (Stopped, Failed, Failed),
        (Failed, Abandoned, Abandoned),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            let runs = Run::all(vec![part(one, 3), part(other, 4)]);
            assert_eq!(runs.len(), 1);
            assert_eq!(runs[0].state(), expected, "{one} {other}");
            assert_eq!(runs[0].ended().is_some(), expected.has_ended(), "{one} {other}");
            let Tally { due, done, failed } = runs[0].tally();
            assert_eq!((due, done, failed["BUSY"]), (9, 7, 2));
        }
    }
}

#[test]
fn parts_of_other_runs_are_other_runs() {
    let later = Part { planned: at("2026-03-01T01:01:00Z"), ..part(State::Done, 1) };
    let other = Part { kind: "second".to_owned(), ..part(State::Done, 1) };
    let runs = Run::all(vec![later, part(State::Done, 1), part(State::Done, 1), other]);
    assert_eq!(runs.iter().map(|run| run.parts.len()).collect::<Vec<_>>(), [1, 2, 1]);
}

#[test]
fn the_pace_of_a_run_tells_how_long_it_will_take() {
    let now = at("2026-03-01T01:00:30Z");
    let run = |parts| Run::all(parts).remove(0);
    let running = Part { shards_done: 8, ..part(State::Running, 99) };
    // 100 in 20 seconds, over a quarter of the shards.
    assert_eq!(run(vec![running.clone()]).pace(now), (5.0, Some(seconds(60))));
    // Nobody knows before the first shards are done, when it has ended, or when no time has passed.
    let begun = Part { shards_done: 0, ..running.clone() };
    assert_eq!(run(vec![begun]).pace(now), (5.0, None));
    let ended = Part { shards_done: 32, ..part(State::Done, 99) };
    assert_eq!(run(vec![ended]).pace(now), (10.0, None));
    assert_eq!(run(vec![running]).pace(at("2026-03-01T01:00:10Z")), (0.0, None));
    assert_eq!(run(vec![part(State::Waiting, 0)]).pace(now), (0.0, None));
}

#[test]
fn ids_of_runs_have_one_text() {
    let id = RunId { kind: "purge-runs".to_owned(), planned: at("2026-03-01T01:00:00Z") };
    assert_eq!(id.to_string(), "purge-runs-1772326800000000");
    assert_eq!("purge-runs-1772326800000000".parse(), Ok(id));
    for text in ["", "advance", "advance-", "advance-x", "advance-01", "advance-+1"] {
        assert!(text.parse::<RunId>().is_err(), "{text}");
    }
    // Larger than any instant.
    assert!(format!("advance-{}", i64::MAX).parse::<RunId>().is_err());
}

#[test]
fn states_have_names_of_their_own() {
    for state in State::ALL {
        assert_eq!(state.name().parse(), Ok(state));
    }
    assert!("ASLEEP".parse::<State>().is_err());
}
