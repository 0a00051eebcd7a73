use chrono::TimeDelta;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use rule_engine::voucher::{PayableItem, ProductScope};

use super::*;
use crate::tests::*;

/// A month of UTC, so many after November 2026.
fn month(later: u32) -> Range<DateTime<Utc>> {
    let first = "2026-11-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let begins = |months| first.checked_add_months(chrono::Months::new(months)).unwrap();
    begins(later)..begins(later + 1)
}

fn part(after: Option<i64>, skip: u64, size: u64) -> Part<i64> {
    Part { after, skip, size, with_total: true }
}

async fn statement(world: &World, month: Range<DateTime<Utc>>, part: Part<i64>) -> Statement {
    let asked = Asked { account: acme(), month, part };
    world.wallets.statement(asked).await.unwrap().expect("the month has begun")
}

fn shown(line: &Line) -> String {
    let shares: Vec<_> = line.instances.iter().map(|(id, part)| format!("{id} {part}")).collect();
    let change = line.entry.change();
    format!(
        "{} {:?} {} {} {} {} [{}]",
        line.entry.number,
        line.entry.kind(),
        change.cash,
        change.held,
        change.vouchers,
        line.cash_after,
        shares.join(", ")
    )
}

// W-2, V-4: each movement with its instances, and what was there before and after.
#[tokio::test]
async fn a_statement_tells_every_movement_of_the_month() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.clock.set(month(1).start);
        world.with_vouchers(&[(30, 60)]).await;
        let mut paid_together = charge(1, 0);
        paid_together.items = vec![item("i-1", 20), item("i-2", 40)];
        paid_together.bill.amount = cny(60);
        paid_together.bill.as_of = month(1).start;
        assert_eq!(outcome(&world.charge(paid_together).await.unwrap()), "SUCCEEDED");
        world.clock.set(month(2).start - TimeDelta::microseconds(1));
        world.wallets.deposit(world.once(1), &acme(), cny(5), "").await.unwrap();
        world.clock.set(month(2).start);
        world.wallets.deposit(world.once(2), &acme(), cny(7), "").await.unwrap();

        let december = statement(world, month(1), part(None, 0, 10)).await;
        let lines: Vec<_> = december.lines.items.iter().map(shown).collect();
        let expected = [
            "2 VoucherIssued 0 0 30 100 []",
            "3 Payment 0 0 -30 100 [i-1 10, i-2 20]",
            "4 Payment -30 0 0 70 [i-1 10, i-2 20]",
            "5 Deposit 5 0 0 75 []",
        ];
        assert_eq!(lines, expected);
        let balances = |cash, vouchers| Balances { cash, held: 0, vouchers };
        assert_eq!((december.opening, december.closing), (balances(100, 0), balances(75, 0)));
        assert_eq!(december.totals[&MovementKind::Payment].count, 2);
        assert_eq!(december.totals[&MovementKind::Payment].change, balances(-30, -30));
        assert_eq!(december.times, month(1));
        let january = statement(world, month(2), part(None, 0, 10)).await;
        assert_eq!((january.opening, january.closing), (december.closing, balances(82, 0)));
        assert_eq!(january.times, month(2).start..month(2).start);
        let asked = Asked { account: acme(), month: month(3), part: part(None, 0, 10) };
        assert!(world.wallets.statement(asked).await.unwrap().is_none());
    })
    .await;
}

// W-3: what is held is told apart from what can be spent.
#[tokio::test]
async fn what_is_held_stands_in_a_column_of_its_own() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 100).await;
        world.intend(1, 130).await;
        let held = statement(world, month(0), part(None, 0, 10)).await;
        assert_eq!(held.closing, Balances { cash: 0, held: 100, vouchers: 0 });
        assert_eq!(shown(&held.lines.items[1]), "2 Hold -100 100 0 0 [i-1 100]");
        world.wallets.void(kernel::ids::PaymentId(id(1)), &acme()).await.unwrap();
        let released = statement(world, month(0), part(None, 0, 10)).await;
        assert_eq!(released.closing, Balances { cash: 100, held: 0, vouchers: 0 });
        assert_eq!(released.totals[&MovementKind::Release].change.held, -100);
    })
    .await;
}

// O-6, V-4: what comes back is told by instance too, also where two have the same part.
#[tokio::test]
async fn what_is_given_back_names_its_instances() {
    on_each_database(async |world| {
        world.with_cash(&acme(), 50).await;
        world.with_vouchers(&[(40, 60)]).await;
        let mut together = charge(1, 0);
        together.items = vec![item("i-1", 40), item("i-2", 40)];
        together.bill.amount = cny(80);
        assert_eq!(outcome(&world.charge(together).await.unwrap()), "SUCCEEDED");
        let ask = ask(50, 1, &["i-1", "i-2"]);
        world.wallets.refund(&ask).await.unwrap();
        for after in [4, 5] {
            let page = statement(world, month(0), part(Some(after), 0, 10)).await;
            let lines: Vec<_> = page.lines.items.iter().map(shown).collect();
            let expected = [
                "5 Refund 0 0 20 10 [i-1 20]",
                "6 Refund 0 0 20 10 [i-2 20]",
                "7 Refund 40 0 0 50 [i-1 20, i-2 20]",
            ];
            assert_eq!(lines, expected[usize::try_from(after - 4).unwrap()..]);
        }
    })
    .await;
}

/// Has a payment taken: of `i-1` 10 from cash and 50 from the channel, of `i-2` 40 from a voucher
/// that forfeits 10.
async fn paid_by_all(world: &World) {
    world.with_cash(&acme(), 10).await;
    let of_disks = grant(50, 60, |terms| {
        terms.products = ProductScope::Only(["disk".parse().unwrap()].into());
        terms.single_use = true;
    });
    let issue = crate::app::Issue { once: world.once(1), grants: vec![of_disks] };
    world.wallets.issue(&issue).await.unwrap();
    let mut mixed = checkout(1, 100);
    let disk = PayableItem { product: "disk".parse().unwrap(), ..item("i-2", 40) };
    mixed.charge.items = vec![item("i-1", 60), disk];
    let intent = world.check_out(mixed).await.unwrap().into_inner().intent.unwrap();
    assert_eq!(world.told("m-1", &paid(intent.id, "CP-1", 50)).await, "PAID 50");
}

// W-3, W-4, V-5, O-6: of every source, and only what there is of it.
#[tokio::test]
async fn what_each_source_paid_and_gets_back_is_told_by_instance() {
    for (through_channel, ended) in [
        (false, &["12 Refund 50 0 0 60 [i-1 50]"][..]),
        (true, &["12 Refund 0 0 0 10 [i-1 50]", "13 Refund 50 0 0 60 [i-1 50]"]),
    ] {
        on_each_database(async |world| {
            paid_by_all(world).await;
            let ask = crate::domain::RefundAsk { through_channel, ..ask(50, 1, &["i-1", "i-2"]) };
            world.wallets.refund(&ask).await.unwrap();
            if through_channel {
                let body = format!(
                    r#"{{"type": "refund.failed", "data": {{"refund_id": "{}"}}}}"#,
                    id(50)
                );
                assert_eq!(world.told("m-2", &body).await, "REFUND_REFUSED 50");
            }
            let whole = statement(world, month(0), part(None, 0, 20)).await;
            let lines: Vec<_> = whole.lines.items.iter().map(shown).collect();
            let expected = [
                "1 Deposit 10 0 0 10 []",
                "2 VoucherIssued 0 0 50 10 []",
                "3 Hold 0 0 0 10 [i-2 40]",
                "4 Hold -10 10 0 0 [i-1 10]",
                "5 Payment 0 0 -40 0 [i-2 40]",
                "6 VoucherForfeited 0 0 -10 0 []",
                "7 Payment 0 -10 0 0 [i-1 10]",
                "8 Payment 0 0 0 0 [i-1 50]",
                "9 Refund 0 0 40 0 [i-2 40]",
                "10 Refund 0 0 10 0 [i-2 10]",
                "11 Refund 10 0 0 10 [i-1 10]",
            ];
            assert_eq!(lines, [&expected[..], ended].concat());
            adds_up(&whole);
            world.assert_sound().await;
        })
        .await;
    }
}

/// Something that happens to an account.
#[derive(Debug, Clone, Copy)]
enum Step {
    Deposit(i64),
    Issue(i64),
    Charge(i64),
    Hold(i64),
    Wait(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1i64..50).prop_map(Step::Deposit),
        (1i64..50).prop_map(Step::Issue),
        (1i64..60).prop_map(Step::Charge),
        (1i64..60).prop_map(Step::Hold),
        (1i64..40).prop_map(Step::Wait),
    ]
}

async fn step(world: &World, number: u128, step: Step) {
    let now = world.wallets.now();
    match step {
        Step::Deposit(minor) => {
            world.wallets.deposit(world.once(minor), &acme(), cny(minor), "").await.unwrap();
        }
        Step::Issue(face) => drop(world.with_vouchers(&[(face, 3_000)]).await),
        Step::Charge(amount) => {
            let mut charge = charge(number, amount);
            charge.bill.as_of = now;
            world.charge(charge).await.unwrap();
        }
        Step::Hold(amount) => {
            let mut checkout = checkout(number, amount);
            checkout.charge.bill.as_of = now;
            checkout.expire_by = now + TimeDelta::days(1);
            // What vouchers and cash cover needs no channel.
            drop(world.check_out(checkout).await);
        }
        Step::Wait(days) => world.clock.advance(TimeDelta::days(days)),
    }
}

// W-2: opening, lines and closing add up, whichever way the lines are read; each month opens with
// what the one before closed with.
#[tokio::test]
async fn totals_add_up_whatever_happens() {
    let mut runner = TestRunner::deterministic();
    let cases = prop::collection::vec(any_step(), 20..30);
    for _ in 0..6 {
        let steps = cases.new_tree(&mut runner).unwrap().current();
        on_each_database(async |world| {
            world.with_cash(&acme(), 0).await;
            for (number, &it) in (1..).zip(&steps) {
                step(world, number, it).await;
            }
            let mut before = Balances::default();
            let mut lines = 0;
            for month in (0..).map(month).take_while(|month| month.start <= world.wallets.now()) {
                let whole = statement(world, month.clone(), part(None, 0, 500)).await;
                assert_eq!(whole.opening, before, "{steps:?}");
                adds_up(&whole);
                in_parts(world, &month, &whole).await;
                lines += whole.lines.items.len();
                before = whole.closing;
            }
            let wallet = world.wallets.wallet(&acme()).await.unwrap();
            assert_eq!((before.cash, before.held), (wallet.cash, wallet.held), "{steps:?}");
            assert_eq!(i64::try_from(lines), Ok(wallet.entries), "{steps:?}");
        })
        .await;
    }
}

fn adds_up(whole: &Statement) {
    let (mut sum, mut by_kind) = (whole.opening, BTreeMap::<_, Total>::new());
    for line in &whole.lines.items {
        sum += line.entry.change();
        assert_eq!(line.cash_after, sum.cash);
        let total = by_kind.entry(line.entry.kind()).or_default();
        total.count += 1;
        total.change += line.entry.change();
    }
    assert_eq!((sum, &by_kind), (whole.closing, &whole.totals));
    assert_eq!(whole.lines.total, Some(whole.lines.items.len() as u64));
}

async fn in_parts(world: &World, month: &Range<DateTime<Utc>>, whole: &Statement) {
    let numbers = |statement: &Statement| {
        let lines = statement.lines.items.iter();
        lines.map(|line| (line.entry.number, line.cash_after)).collect::<Vec<_>>()
    };
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = statement(world, month.clone(), part(after, 0, 3)).await;
        assert_eq!((page.opening, page.closing), (whole.opening, whole.closing));
        read.extend(numbers(&page));
        after = page.lines.items.last().map(|line| line.entry.number);
        if !page.lines.more {
            break;
        }
    }
    assert_eq!(read, numbers(whole));
    let skipped = statement(world, month.clone(), part(None, 2, 500)).await;
    assert_eq!(numbers(&skipped), read.into_iter().skip(2).collect::<Vec<_>>());
}
