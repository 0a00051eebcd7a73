use super::*;

#[test]
fn a_line_says_how_far_a_run_has_got() {
    let mut run = Run {
        kind: "renew".to_owned(),
        state: State::Running.into(),
        due: 12_345,
        done: 12_340,
        failed: [("CANNOT_BE_PRICED".to_owned(), 3), ("OPEN_ORDER_EXISTS".to_owned(), 2)].into(),
        shards: 64,
        shards_done: 16,
        rate_per_second: 4_399.6,
        time_left: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
        ..Run::default()
    };
    assert_eq!(
        progress(&run),
        "renew: running, 16 of 64 shards, 12345 due, 12340 done, 5 failed, 4400 a second, 9 s left"
    );

    run = Run { kind: "advance".to_owned(), state: State::Waiting.into(), ..Run::default() };
    assert_eq!(progress(&run), "advance: waiting, 0 due, 0 done, 0 failed");
}
