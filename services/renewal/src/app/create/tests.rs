use futures::future::join_all;
use rule_engine::{
    instance::BindingKind,
    plan::{Mode, Ticked},
    registration::{RegisteredBilling, Registration},
};

use super::*;
use crate::tests::{
    cloud::{UNSOLD, acme, at, bound, clouds, id, prepaid},
    purse::Trouble,
    renewals::{create, create_paid, reason, wanted},
};

// O-1, T-2, T-5
#[tokio::test]
async fn an_order_paid_at_once_extends_its_instance_and_takes_its_price() {
    let (clouds, _folder) = clouds("create_paid").await;
    for cloud in clouds {
        cloud.purse.put(150);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;

        let order = cloud.order(&create_paid(1, &["vm"])).await.unwrap();

        assert_eq!(order.state, State::Completed);
        assert_eq!(cloud.purse.cash(), 50);
        assert_eq!(cloud.expiry("vm").await, "2026-04-10 23:59:59");
        let told = cloud.events().await;
        assert_eq!(told[told.len() - 3..], ["order.created", "order.paid", "instance.renewed"]);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

/// The budget: two transactions and eight statements, whether there is one instance or a hundred.
#[tokio::test]
async fn a_batch_takes_no_more_statements_than_a_single_renewal() {
    let (clouds, _folder) = clouds("create_budget").await;
    for cloud in clouds {
        cloud.purse.put(1_000_000);
        let names: Vec<_> = (0..101).map(|number| format!("vm-{number}")).collect();
        let rows = names.iter().map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.collect()).await;
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for (number, names) in [(1, &names[..1]), (2, &names[1..])] {
            let before = cloud.store.database().usage();
            let order = cloud.order(&create_paid(number, names)).await.unwrap();
            let used = cloud.store.database().usage() - before;
            assert_eq!(order.instances().count(), names.len());
            assert!(used.statements <= 8, "{used:?} for {}", names.len());
            assert_eq!(used.transactions, 2);
        }
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-3: REQUEST_ID_REUSED
#[tokio::test]
async fn a_repeat_answers_with_the_order_and_another_request_is_refused() {
    let (clouds, _folder) = clouds("create_repeat").await;
    for cloud in clouds {
        let rows = ["a", "b"].map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        let first = cloud.orders.create(&create(1, &["a"])).await.unwrap();
        let again = cloud.orders.create(&create(1, &["a"])).await.unwrap();
        assert_eq!(again, Replayed::Again(first.into_inner()));
        let other = cloud.order(&create(1, &["b"])).await.unwrap_err();
        assert_eq!(reason(&other), "REQUEST_ID_REUSED");
    }
}

// O-3: a refused validation is not kept.
#[tokio::test]
async fn what_was_refused_may_be_asked_for_again_under_the_same_request() {
    let (clouds, _folder) = clouds("create_refused").await;
    for cloud in clouds {
        let error = cloud.order(&create(1, &["vm"])).await.unwrap_err();
        assert_eq!(reason(&error), "INSTANCE_NOT_FOUND");
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        cloud.order(&create(1, &["vm"])).await.unwrap();
    }
}

// O-2: OPEN_ORDER_EXISTS
#[tokio::test]
async fn of_many_orders_on_one_instance_one_is_made() {
    let (clouds, _folder) = clouds("create_race").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let commands: Vec<_> = (0..8).map(|number| create(number, &["vm"])).collect();
        let made = join_all(commands.iter().map(|command| cloud.order(command))).await;
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
        for error in made.into_iter().filter_map(Result::err) {
            assert!(["OPEN_ORDER_EXISTS", "BUSY"].contains(&reason(&error)), "{error}");
        }
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// B-4, O-2: what is bound between the plan and the claim is not left behind.
#[tokio::test]
async fn an_order_that_was_planned_without_a_member_of_its_group_is_planned_anew() {
    let (clouds, _folder) = clouds("create_joined").await;
    for cloud in clouds {
        let end = "2026-03-11 00:00";
        cloud.register(vec![prepaid("kec", "kec", end)]).await;
        let command = create(1, &["kec"]);
        let (ready, now) = cloud.orders.ready(&command).await.unwrap();
        let child = bound(prepaid("ebs", "ebs", end), "kec", BindingKind::Strong);
        assert_eq!(cloud.register(vec![child]).await, ["Created"]);
        assert_eq!(cloud.orders.make(&command, ready, now).await.unwrap(), None);

        let order = cloud.order(&command).await.unwrap();
        assert_eq!(order.instances().collect::<Vec<_>>(), ["kec", "ebs"]);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-3: one request, many times at once.
#[tokio::test]
async fn one_request_in_flight_many_times_makes_one_order_and_one_payment() {
    let (clouds, _folder) = clouds("create_flight").await;
    for cloud in clouds {
        cloud.purse.put(1_000);
        cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
        let command = create_paid(1, &["vm"]);
        let made = join_all((0..8).map(|_| cloud.order(&command))).await;
        for order in made {
            assert_eq!(order.unwrap().state, State::Completed);
        }
        assert_eq!(cloud.purse.cash(), 900);
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// M-6: QUOTE_EXPIRED, PRICE_CHANGED
#[tokio::test]
async fn a_quote_holds_its_price_until_it_expires_or_its_instance_changes() {
    let (clouds, _folder) = clouds("create_quote").await;
    for cloud in clouds {
        let rows = ["a", "b"].map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        let quote = async |name: &str| {
            let preview = cloud.orders.preview(&wanted(&[name]), None).await.unwrap();
            preview.quote.unwrap().0
        };
        let from = |number, quote| Create { what: What::Quote(quote), ..create(number, &[]) };
        let (a, b) = (quote("a").await, quote("b").await);
        cloud.catalog.change();

        assert_eq!(cloud.order(&from(1, a)).await.unwrap().payable.minor(), 100);
        let expected = Create { expected: Some(cny(100)), ..create(2, &["b"]) };
        assert_eq!(reason(&cloud.order(&expected).await.unwrap_err()), "PRICE_CHANGED");

        let configuration = [("flavor", "large"), ("note", "x")].into_iter().collect();
        let row = prepaid("b", "vm", "2026-03-11 00:00");
        cloud.register(vec![Registration { configuration, source_version: 2, ..row }]).await;
        assert_eq!(reason(&cloud.order(&from(3, b)).await.unwrap_err()), "QUOTE_EXPIRED");

        let b = quote("b").await;
        cloud.clock.advance(TimeDelta::minutes(15));
        let late = cloud.order(&from(4, b)).await.unwrap_err();
        assert_eq!(reason(&late), "QUOTE_EXPIRED");
        let told = "The quote held its price until 2026-03-01 00:15:00 Asia/Shanghai.";
        assert_eq!(late.to_string(), told);
        let unknown = QuoteId(uuid::Uuid::from_u128(1));
        assert_eq!(reason(&cloud.order(&from(5, unknown)).await.unwrap_err()), "QUOTE_NOT_FOUND");
    }
}

fn cny(minor: i64) -> Money {
    Money::new(minor, kernel::Currency::Cny)
}

// M-6, O-7, T-3: the quote says the price; the rules and the clock of now say the rest.
#[tokio::test]
async fn an_order_from_a_quote_is_priced_as_quoted_and_judged_by_the_rules_of_now() {
    let (clouds, _folder) = clouds("create_judged").await;
    for cloud in clouds {
        let rows = ["a", "b"].map(|name| prepaid(name, "vm", "2026-03-01 00:00"));
        cloud.register(rows.into()).await;
        cloud.clock.set(at("2026-02-28 23:55"));
        let quote = async |name: &str| {
            let preview = cloud.orders.preview(&wanted(&[name]), None).await.unwrap();
            assert_eq!(preview.bill.items[0].expiry_shown, "2026-03-28 23:59:59");
            What::Quote(preview.quote.unwrap().0)
        };
        let (a, b) = (quote("a").await, quote("b").await);
        cloud.catalog.change();
        cloud.clock.set(at("2026-03-01 00:05"));
        let order = cloud.order(&Create { what: a, ..create(1, &[]) }).await.unwrap();
        let item = order.snapshot.items[0].item.as_ref().unwrap();
        assert_eq!(
            (order.payable.minor(), item.expiry_shown.as_str()),
            (100, "2026-04-01 23:59:59")
        );
        cloud.catalog.withdraw();
        let error = cloud.order(&Create { what: b, ..create(2, &[]) }).await.unwrap_err();
        assert_eq!(reason(&error), "PRODUCT_NOT_RENEWABLE");
    }
}

// M-6, B-4: QUOTE_EXPIRED; what comes along by now has no price in the quote.
#[tokio::test]
async fn a_quote_does_not_hold_for_a_group_that_has_grown() {
    let (clouds, _folder) = clouds("create_grown").await;
    for cloud in clouds {
        let end = "2026-03-11 00:00";
        for (number, kind) in [(1, BindingKind::Strong), (2, BindingKind::Forced)] {
            let [parent, child] = ["parent", "child"].map(|name| format!("{name}-{number}"));
            cloud.register(vec![prepaid(&parent, "vm", end)]).await;
            let preview = cloud.orders.preview(&wanted(&[parent.as_str()]), None).await.unwrap();
            let what = What::Quote(preview.quote.unwrap().0);
            cloud.register(vec![bound(prepaid(&child, "vm", end), &parent, kind)]).await;
            let error = cloud.order(&Create { what, ..create(number, &[]) }).await.unwrap_err();
            assert_eq!(reason(&error), "QUOTE_EXPIRED", "{kind:?}");
        }
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// B-1: PRICE_NOT_FOUND; what has no price is refused with its group and with what follows it.
#[tokio::test]
async fn what_has_no_price_is_left_out_alone_where_the_others_may_go_on() {
    let (clouds, _folder) = clouds("create_unpriced").await;
    for cloud in clouds {
        cloud.purse.put(100);
        let end = "2026-03-11 00:00";
        let unsold = |row| {
            let configuration = [("flavor", UNSOLD)].into_iter().collect();
            Registration { configuration, ..row }
        };
        let (strong, optional) = (BindingKind::Strong, BindingKind::Optional);
        let rows = vec![
            prepaid("a", "vm", end),
            unsold(prepaid("b", "vm", end)),
            bound(prepaid("ip", "vm", end), "b", optional),
            prepaid("group", "vm", end),
            unsold(bound(prepaid("member", "vm", end), "group", strong)),
        ];
        cloud.register(rows).await;
        let named = ["a", "b", "group"];
        let mut whole = wanted(&named);
        let follows = Ticked { id: id("ip"), to_parent_expiry: true };
        whole.selection.ticked = vec![follows];
        whole.message.ticked =
            vec![pb::TickedInstance { instance_id: "ip".to_owned(), to_parent_expiry: true }];
        let error = cloud.orders.preview(&whole, None).await.unwrap_err();
        assert_eq!(reason(&error), "PRICE_NOT_FOUND");
        let OrderError::Refused(refused) = error else { panic!("{error}") };
        let all: Vec<_> = refused.all.iter().map(|(instance, _)| instance.as_str()).collect();
        assert_eq!(all, ["b", "member"]);

        let mut some = whole;
        some.selection.mode = Mode::BestEffort;
        some.message.set_mode(pb::selection::Mode::BestEffort);
        let preview = cloud.orders.preview(&some, None).await.unwrap();
        let without: Vec<_> = preview.bill.refused.iter().map(|one| &one.instance_id).collect();
        assert_eq!(without, ["b", "ip", "group", "member"]);
        let reasons = preview.bill.refused.iter().flat_map(|one| &one.refusals);
        assert!(reasons.clone().all(|one| one.reason == "PRICE_NOT_FOUND"), "{reasons:?}");
        let from = What::Quote(preview.quote.unwrap().0);
        let order = cloud.order(&Create { what: from, ..create_paid(1, &[]) }).await.unwrap();
        assert_eq!((order.state, order.payable.minor()), (State::Completed, 100));
        assert_eq!(order.instances().collect::<Vec<_>>(), ["a"]);
        assert_eq!(order.snapshot.left_out, preview.bill.refused);

        let mut none = some;
        none.selection.named.remove(0);
        none.message.instance_ids.remove(0);
        assert!(!cloud.orders.preview(&none, None).await.unwrap().bill.orderable);
        let what = What::Selection(Box::new(none));
        let error = cloud.order(&Create { what, ..create(2, &[]) }).await.unwrap_err();
        assert_eq!(reason(&error), "PRICE_NOT_FOUND");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// What a preview says is what the order costs.
#[tokio::test]
async fn a_preview_and_its_order_agree_even_if_rules_change_in_between() {
    let (clouds, _folder) = clouds("create_preview").await;
    for cloud in clouds {
        let rows = ["a", "b"].map(|name| prepaid(name, "vm", "2026-03-11 00:00"));
        cloud.register(rows.into()).await;
        cloud.orders.preview(&wanted(&["a"]), None).await.unwrap();
        cloud.catalog.change();
        let bill = cloud.orders.preview(&wanted(&["a", "b"]), None).await.unwrap().bill;
        assert_eq!(bill.payable.unwrap().minor_units, 202);
        let order = cloud.order(&create(1, &["a", "b"])).await.unwrap();
        assert_eq!(order.payable.minor(), 202);
    }
}

// C-1
#[tokio::test]
async fn a_metered_instance_becomes_prepaid() {
    let (clouds, _folder) = clouds("create_convert").await;
    for cloud in clouds {
        cloud.purse.put(100);
        let row = prepaid("vm", "vm", "2026-03-11 00:00");
        let billing = RegisteredBilling::Postpaid;
        cloud.register(vec![Registration { billing, ..row }]).await;
        cloud.order(&create_paid(1, &["vm"])).await.unwrap();
        assert_eq!(cloud.expiry("vm").await, "2026-04-01 23:59:59");
        assert_eq!(cloud.off().await, Vec::<String>::new());
    }
}

// O-4: the answer is lost, the order is not.
#[tokio::test]
async fn a_repeat_takes_an_order_further_that_lost_its_answer() {
    for trouble in [Trouble::AnswerLost, Trouble::Down] {
        let (clouds, _folder) = clouds(&format!("create_lost_{trouble:?}").to_lowercase()).await;
        for cloud in clouds {
            cloud.purse.put(100);
            cloud.register(vec![prepaid("vm", "vm", "2026-03-11 00:00")]).await;
            cloud.purse.fail([trouble]);
            let error = cloud.order(&create_paid(1, &["vm"])).await.unwrap_err();
            assert!(matches!(error, OrderError::Remote(_)), "{error}");
            let order = cloud.order(&create_paid(1, &["vm"])).await.unwrap();
            assert_eq!((order.state, cloud.purse.cash()), (State::Completed, 0));
        }
    }
}

// Section 11: an unpaid order that nobody swept does not stand in the way.
#[tokio::test]
async fn an_order_that_is_overdue_frees_its_instance_for_the_next_one() {
    let (clouds, _folder) = clouds("create_overdue").await;
    for cloud in clouds {
        cloud.register(vec![prepaid("vm", "vm", "2026-09-11 00:00")]).await;
        let first = cloud.order(&create(1, &["vm"])).await.unwrap();
        cloud.clock.set(at("2026-03-16 00:00") - TimeDelta::microseconds(1));
        let error = cloud.order(&create(2, &["vm"])).await.unwrap_err();
        assert_eq!(reason(&error), "OPEN_ORDER_EXISTS");
        cloud.clock.set(at("2026-03-16 00:00"));
        let second = cloud.order(&create(2, &["vm"])).await.unwrap();
        assert_eq!(cloud.reread(&first).await.state, State::Expired);
        let detail = cloud.instances.get(&acme(), &id("vm")).await.unwrap();
        assert_eq!(detail.instance.instance.open_order.map(|open| open.id), Some(second.id));
    }
}
