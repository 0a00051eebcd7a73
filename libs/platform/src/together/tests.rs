use std::sync::Mutex;

use super::*;

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// Of this ask.
    Of(i32),
    Database,
    /// Of an ask whose row somebody keeps locked.
    Locked(i32),
    Shared,
    NoOutcome,
}

impl MaybeTransient for Fault {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Database => Trouble::Unreachable,
            Self::Locked(_) => Trouble::Locked,
            _ => Trouble::Lasting,
        }
    }
}

impl From<Unanswered<Self>> for Fault {
    fn from(unanswered: Unanswered<Self>) -> Self {
        match unanswered {
            Unanswered::Together(_) => Self::Shared,
            Unanswered::NoOutcome => Self::NoOutcome,
        }
    }
}

/// Doubles numbers; negative ones are at fault, 13 is a bug, 99 never ends, 500 is the database,
/// 700 and more are locked.
/// Numbers with the same last digit share a key.
#[derive(Debug, Clone, Default)]
struct Doubling(Arc<Mutex<Vec<Vec<i32>>>>);

#[async_trait]
impl Work for Doubling {
    type Ask = i32;
    type Answer = i32;
    type Error = Fault;
    type Key = i32;

    const NAME: &str = "doubling";

    fn keys(ask: &i32) -> Vec<i32> {
        vec![ask.abs() % 10]
    }

    async fn together(&self, asks: &[i32]) -> Result<Vec<i32>, Fault> {
        self.0.lock().unwrap().push(asks.to_vec());
        assert!(!asks.contains(&13), "a bug");
        if asks.contains(&99) {
            std::future::pending::<()>().await;
        }
        if asks.contains(&500) {
            return Err(Fault::Database);
        }
        if let Some(&locked) = asks.iter().find(|ask| **ask >= 700) {
            return Err(Fault::Locked(locked));
        }
        match asks.iter().find(|ask| **ask < 0) {
            Some(&ask) => Err(Fault::Of(ask)),
            None => Ok(asks.iter().map(|ask| ask * 2).collect()),
        }
    }
}

/// The same without keys.
#[derive(Debug, Clone, Default)]
struct Unkeyed(Doubling);

#[async_trait]
impl Work for Unkeyed {
    type Ask = i32;
    type Answer = i32;
    type Error = Fault;
    type Key = i32;

    const NAME: &str = "doubling";

    fn keys(_: &i32) -> Vec<i32> {
        Vec::new()
    }

    async fn together(&self, asks: &[i32]) -> Result<Vec<i32>, Fault> {
        self.0.together(asks).await
    }
}

/// What came of asks that had all come before the first round began, and the rounds that it took.
async fn done(asks: &[i32]) -> (Vec<Result<i32, Fault>>, Vec<Vec<i32>>) {
    let work = Doubling::default();
    let queue = Queue::start(work.clone());
    let answers = asks.iter().map(|ask| queue.ask(*ask));
    let answers = futures::future::join_all(answers).await;
    let rounds = work.0.lock().unwrap().clone();
    (answers, rounds)
}

#[tokio::test]
async fn all_that_wait_are_done_together() {
    let (answers, rounds) = done(&[1, 2, 3]).await;
    assert_eq!(answers, [Ok(2), Ok(4), Ok(6)]);
    assert_eq!(rounds, [[1, 2, 3]]);
}

#[tokio::test]
async fn asks_that_share_a_key_are_done_one_after_the_other() {
    let (answers, rounds) = done(&[1, 2, 11, 3, 21]).await;
    assert_eq!(answers, [Ok(2), Ok(4), Ok(22), Ok(6), Ok(42)]);
    assert_eq!(rounds, [vec![1, 2, 3], vec![11], vec![21]]);
}

#[tokio::test]
async fn an_ask_at_fault_fails_alone() {
    let (answers, rounds) = done(&[1, 2, -3, 4, 5, 6, 7, 8]).await;
    let of_3 = Err(Fault::Of(-3));
    assert_eq!(answers, [Ok(2), Ok(4), of_3, Ok(8), Ok(10), Ok(12), Ok(14), Ok(16)]);
    let halved = [
        &[1, 2, -3, 4, 5, 6, 7, 8][..],
        &[1, 2, -3, 4],
        &[1, 2],
        &[-3, 4],
        &[-3],
        &[4],
        &[5, 6, 7, 8],
    ];
    assert_eq!(rounds, halved);
}

#[tokio::test]
async fn a_database_that_fails_is_not_asked_again_for_each() {
    let (answers, rounds) = done(&[1, 500, 3]).await;
    assert_eq!(answers, [Err(Fault::Shared), Err(Fault::Shared), Err(Fault::Shared)]);
    assert_eq!(rounds.len(), 1);
}

#[tokio::test]
async fn who_stays_locked_keeps_nobody_else_waiting_for_long() {
    let asks: Vec<i32> = (0..64).map(|n| if n == 9 { 709 } else { 200 + n }).collect();
    let work = Unkeyed::default();
    let queue = Queue::start(work.clone());
    let answers = futures::future::join_all(asks.iter().map(|ask| queue.ask(*ask))).await;
    for (ask, answer) in asks.iter().zip(answers) {
        let expected = if *ask == 709 { Err(Fault::Locked(709)) } else { Ok(ask * 2) };
        assert_eq!(answer, expected);
    }
    let rounds = work.0.0.lock().unwrap().clone();
    let waits = rounds.iter().filter(|round| round.contains(&709)).count();
    assert_eq!(waits, 3, "64, then 8, then itself");
}

#[tokio::test]
async fn a_bug_leaves_its_round_without_an_outcome_and_nobody_after_it() {
    let work = Doubling::default();
    let queue = Queue::start(work);
    assert_eq!(queue.ask(13).await, Err(Fault::NoOutcome));
    assert_eq!(queue.ask(1).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_round_that_does_not_end_is_given_up() {
    let queue = Queue::start(Doubling::default());
    let begin = tokio::time::Instant::now();
    assert_eq!(queue.ask(99).await, Err(Fault::NoOutcome));
    assert_eq!(begin.elapsed(), ROUND_TIMEOUT);
    assert_eq!(queue.ask(1).await, Ok(2));
}

/// Lets all other tasks run until they wait.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_a_round_waits_for_its_turn_is_taken_along() {
    let (turns, work) = (Turns::new(1, 0), Doubling::default());
    let queue = Queue::start_among(&turns, work.clone());
    let turn = turns.next().await.unwrap();
    let others_come = async {
        settle().await;
        let others = futures::future::join(queue.ask(2), queue.ask(3));
        let end_of_turn = async {
            settle().await;
            drop(turn);
        };
        tokio::join!(others, end_of_turn).0
    };
    let (first, others) = tokio::join!(queue.ask(1), others_come);
    assert_eq!((first, others), (Ok(2), (Ok(4), Ok(6))));
    assert_eq!(*work.0.lock().unwrap(), [[1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn a_round_that_is_held_up_does_not_hold_up_other_queues_for_long() {
    let turns = Turns::new(1, 0);
    let [held_up, other] = [(); 2].map(|()| Queue::start_among(&turns, Doubling::default()));
    let begin = tokio::time::Instant::now();
    let other = async {
        settle().await;
        assert_eq!(other.ask(1).await, Ok(2));
        begin.elapsed()
    };
    let (never, waited) = tokio::join!(held_up.ask(99), other);
    assert_eq!(never, Err(Fault::NoOutcome));
    // The timer counts whole milliseconds.
    assert!((PATIENCE..PATIENCE * 2).contains(&waited), "{waited:?}");
}

/// Two queues, the second one behind the first, and what each has done.
fn in_a_row() -> ([Queue<Doubling>; 2], [Doubling; 2]) {
    let (turns, works) = (Turns::new(2, 2), <[Doubling; 2]>::default());
    (works.clone().map(|work| Queue::start_among(&turns, work)), works)
}

#[tokio::test(start_paused = true)]
async fn who_was_answered_together_is_taken_together_by_the_next_queue() {
    let ([first, second], works) = in_a_row();
    let begin = Instant::now();
    let at_once = async {
        first.ask(1).await.unwrap();
        second.ask(1).await.unwrap();
    };
    let later = async {
        first.ask(2).await.unwrap();
        settle().await;
        second.ask(2).await.unwrap();
    };
    tokio::join!(at_once, later);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(works.map(|work| work.0.lock().unwrap().clone()), [[[1, 2]], [[1, 2]]]);
}

#[tokio::test(start_paused = true)]
async fn who_was_answered_and_does_not_come_is_not_waited_for_for_long() {
    let ([first, second], works) = in_a_row();
    let (one, other) = tokio::join!(first.ask(1), first.ask(2));
    assert_eq!((one, other), (Ok(2), Ok(4)));
    let begin = Instant::now();
    assert_eq!(second.ask(1).await, Ok(2));
    let waited = begin.elapsed();
    assert!((COME_WITHIN..COME_WITHIN * 2).contains(&waited), "{waited:?}");
    // Nor is anybody waited for later, who never came.
    assert_eq!(second.ask(3).await, Ok(6));
    assert_eq!(begin.elapsed(), waited);
    assert_eq!(*works[1].0.lock().unwrap(), [[1], [3]]);
}

#[tokio::test(start_paused = true)]
async fn who_stays_away_is_waited_for_once_while_others_go_on() {
    let ([first, second], _) = in_a_row();
    let (one, other) = tokio::join!(first.ask(1), first.ask(2));
    assert_eq!((one, other), (Ok(2), Ok(4)));
    // The second stays away. The others follow each other so closely that somebody is always on the way.
    let follow = async {
        tokio::time::advance(COME_WITHIN / 2).await;
        assert_eq!(first.ask(3).await, Ok(6));
    };
    let (one, ()) = tokio::join!(second.ask(1), follow);
    assert_eq!(one, Ok(2));
    let begin = Instant::now();
    assert_eq!(second.ask(3).await, Ok(6));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_round_that_is_full_waits_for_nobody() {
    let turns = Turns::new(2, 2);
    let [first, second] = [(); 2].map(|()| Queue::start_among(&turns, Unkeyed::default()));
    let crowd = async |queue: &Queue<Unkeyed>, count: i32| {
        let asks = futures::future::try_join_all((200..200 + count).map(|ask| queue.ask(ask)));
        // All ask before the queue can take anybody.
        tokio::task::unconstrained(asks).await.unwrap();
    };
    let begin = Instant::now();
    let most = i32::try_from(MOST_TOGETHER).unwrap();
    crowd(&first, most + 1).await;
    crowd(&second, most).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_single_caller_waits_for_nobody() {
    let ([first, second], _) = in_a_row();
    let begin = Instant::now();
    for queue in [&first, &second, &first, &second] {
        assert_eq!(queue.ask(1).await, Ok(2));
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}
