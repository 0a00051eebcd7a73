use chrono::{DateTime, Utc};
use rule_engine::{
    configuration::Configuration, instance::Instance, lifecycle::State, profile::Policy,
    registration::*,
};

use super::{
    list::{Expiries, Part, Position, States, Tab, Wanted, count, list},
    write::{first_term, insert, insert_terms, update},
    *,
};
use crate::{store::Store, tests::stores::stores};

fn now() -> DateTime<Utc> {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

fn account() -> AccountId {
    "acme".parse().unwrap()
}

fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}

/// An instance that ends so many days from now; postpaid for none.
fn instance(name: &str, days: Option<i64>) -> Instance {
    let billing = match days {
        None => RegisteredBilling::Postpaid,
        Some(days) => RegisteredBilling::Prepaid {
            start: now() - chrono::TimeDelta::days(60),
            end: now() + chrono::TimeDelta::days(days),
            anchor: None,
        },
    };
    let row = Registration {
        id: id(name),
        account: account(),
        product: "vm".parse().unwrap(),
        region: "north".parse().unwrap(),
        name: format!("name of {name}"),
        labels: BTreeMap::from([("team".to_owned(), "a\"b".to_owned())]),
        room_type: Some("public".to_owned()),
        configuration: [("flavor", "small"), ("disk", "40")].into_iter().collect(),
        billing,
        trial: false,
        one_time: false,
        change_pending: false,
        released: false,
        binding: None,
        source_version: 1,
    };
    let boundary = rule_engine::profile::Boundary::EndOfDay;
    register(row, boundary, chrono_tz::Asia::Shanghai).unwrap().instance
}

fn bound(name: &str, days: i64, parent: &str, kind: BindingKind) -> Instance {
    let binding = Some(Binding { parent: id(parent), kind });
    Instance { binding, ..instance(name, Some(days)) }
}

async fn add(store: &Store, instances: &[Instance]) {
    let transaction = store.begin().await.unwrap();
    let rows: Vec<_> = instances.iter().collect();
    let new: Vec<_> = instances.iter().cloned().map(Loaded::new).collect();
    assert_eq!(insert(&transaction, &new, now()).await.unwrap(), rows.len());
    let terms: Vec<_> = rows.iter().filter_map(|row| first_term(row, now())).collect();
    insert_terms(&transaction, &terms).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn ids(store: &Store, wanted: &Wanted) -> Vec<String> {
    let part = Part { after: None, skip: 0, limit: 100 };
    let found = list(store.reader(), &account(), wanted, &part).await.unwrap();
    assert_eq!(count(store.reader(), &account(), wanted).await.unwrap(), found.len() as u64);
    found.into_iter().map(|position| position.id).collect()
}

fn any() -> Wanted {
    Wanted { now: values::micros(now()), ..Wanted::default() }
}

#[tokio::test]
async fn an_instance_is_read_as_it_was_written() {
    let (stores, _folder) = stores("read_back").await;
    for store in stores {
        let mut prepaid = bound("i-1", 10, "i-0", BindingKind::Strong);
        let parent = instance("i-0", None);
        add(&store, &[prepaid.clone(), parent.clone()]).await;
        let named = [id("i-1")];
        let load = async || load(store.reader(), &account(), &named, Reach::All, Lock::None).await;
        let loaded = load().await.unwrap();
        assert_eq!(loaded[0], Loaded::new(parent));
        assert_eq!(loaded[1], Loaded::new(prepaid.clone()));

        prepaid.policy = PolicyState::Auto(AutoRenewal {
            cycle: "1y".parse().unwrap(),
            remaining: Some(3.try_into().unwrap()),
        });
        prepaid.pending =
            Some(PendingChange { configuration: Configuration::default(), effective: now() });
        (prepaid.trial, prepaid.room_type, prepaid.binding) = (true, None, None);
        let (state, due_time) = (State::Grace, Some(now()));
        let recorded = Recorded { state, due_time, ..Recorded::default() };
        let changed = [Loaded { recorded, ..Loaded::new(prepaid) }];
        let transaction = store.begin().await.unwrap();
        assert_eq!(update(&transaction, &changed).await.unwrap(), 1);
        // What was read at an older version is not saved.
        assert_eq!(update(&transaction, &changed).await.unwrap(), 0);
        transaction.commit().await.unwrap();
        assert_eq!(load().await.unwrap(), changed.map(|one| Loaded { version: 2, ..one }));
        let terms = live_terms(store.reader(), &account(), &id("i-1"), 10).await.unwrap();
        assert_eq!((terms.len(), terms[0].kind.as_str()), (1, "REGISTRATION"));
    }
}

#[tokio::test]
async fn an_id_belongs_to_whoever_came_first() {
    let (stores, _folder) = stores("id_taken").await;
    for store in stores {
        add(&store, &[instance("i-1", Some(1))]).await;
        let other = Instance { account: "other".parse().unwrap(), ..instance("i-1", Some(1)) };
        let inserted =
            insert(store.database().writer(), &[Loaded::new(other)], now()).await.unwrap();
        assert_eq!(inserted, 0);
        let owners = owners(store.reader(), &[&id("i-1"), &id("i-2")]).await.unwrap();
        assert_eq!(owners, HashMap::from([("i-1".to_owned(), "acme".to_owned())]));
    }
}

/// B-2, B-4, B-5: what belongs together is found from any of its members, in a circle too.
#[tokio::test]
async fn what_is_bound_comes_along_in_both_directions() {
    let (stores, _folder) = stores("closure").await;
    for store in stores {
        add(
            &store,
            &[
                instance("vm", Some(10)),
                bound("disk", 10, "vm", BindingKind::Strong),
                bound("backup", 10, "disk", BindingKind::Forced),
                bound("ip", 10, "vm", BindingKind::Optional),
                bound("a", 10, "b", BindingKind::Strong),
                bound("b", 10, "a", BindingKind::Strong),
                instance("alone", Some(10)),
            ],
        )
        .await;
        let load = async |named: &[&str], reach| {
            let named: Vec<_> = named.iter().map(|name| id(name)).collect();
            let transaction = store.begin().await.unwrap();
            let loaded = load(&transaction, &account(), &named, reach, Lock::ForUpdate).await;
            let ids = loaded.unwrap().into_iter().map(|one| one.instance.id.to_string());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(load(&["backup"], Reach::Groups).await, ["backup", "disk", "vm"]);
        assert_eq!(load(&["vm"], Reach::Groups).await, ["backup", "disk", "vm"]);
        assert_eq!(load(&["disk"], Reach::All).await, ["backup", "disk", "ip", "vm"]);
        assert_eq!(load(&["ip"], Reach::Groups).await, ["ip"]);
        assert_eq!(load(&["a", "alone"], Reach::All).await, ["a", "alone", "b"]);
        assert_eq!(load(&["unknown"], Reach::All).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn lists_go_by_expiry_none_last_then_id_and_in_pages() {
    let (stores, _folder) = stores("pages").await;
    for store in stores {
        let became_postpaid =
            Instance { policy: PolicyState::PostpaidAfterExpiry, ..instance("i-0", Some(-1)) };
        add(
            &store,
            &[
                instance("i-3", None),
                instance("i-2", Some(5)),
                instance("i-1", Some(5)),
                instance("i-4", Some(1)),
                became_postpaid,
            ],
        )
        .await;
        let all = ["i-4", "i-1", "i-2", "i-0", "i-3"];
        assert_eq!(ids(&store, &any()).await, all);
        let mut after: Option<Position> = None;
        for expected in all {
            let part = Part { after: after.clone(), skip: 0, limit: 1 };
            let page = list(store.reader(), &account(), &any(), &part).await.unwrap();
            assert_eq!(page[0].id, expected);
            after = Some(page[0].clone());
        }
        let part = Part { after: None, skip: 3, limit: 5 };
        let rest = list(store.reader(), &account(), &any(), &part).await.unwrap();
        assert_eq!(rest.len(), 2);
        let tab = |tab| Wanted { tab: Some(tab), ..any() };
        assert_eq!(ids(&store, &tab(Tab::NoExpiry)).await, ["i-0", "i-3"]);
        let manual = tab(Tab::Policy(Policy::Manual));
        assert_eq!(ids(&store, &manual).await, ["i-4", "i-1", "i-2"]);
        let none = tab(Tab::Policy(Policy::PostpaidAfterExpiry));
        assert_eq!(ids(&store, &none).await, Vec::<String>::new());
    }
}

/// The databases of these tests sort text as people do, but for ids.
#[tokio::test]
async fn ids_go_byte_by_byte_on_both_databases() {
    let (stores, _folder) = stores("bytes").await;
    for store in stores {
        let sorted = ["A_2", "B", "a", "a-1", "a.1", "a1"];
        let mut rows: Vec<_> = sorted.iter().map(|name| instance(name, Some(5))).collect();
        rows.swap(0, 3);
        rows.swap(1, 4);
        add(&store, &rows).await;
        assert_eq!(ids(&store, &any()).await, sorted);
        let mut after = None;
        for expected in sorted {
            let part = Part { after, skip: 0, limit: 1 };
            let page = list(store.reader(), &account(), &any(), &part).await.unwrap();
            assert_eq!(page[0].id, expected);
            after = Some(page[0].clone());
        }
        let named = sorted.map(id);
        let transaction = store.begin().await.unwrap();
        let loaded =
            load(&transaction, &account(), &named, Reach::All, Lock::ForUpdate).await.unwrap();
        let loaded: Vec<_> = loaded.iter().map(|one| one.instance.id.as_str()).collect();
        assert_eq!(loaded, sorted);
    }
}

#[tokio::test]
async fn every_filter_must_hold_and_none_takes_a_pattern() {
    let (stores, _folder) = stores("filters").await;
    for store in stores {
        let named = |name: &str, title: &str| Instance {
            name: title.to_owned(),
            ..instance(name, Some(5))
        };
        let trial = Instance { trial: true, ..instance("trial", Some(5)) };
        let rows = [named("i-1", "50%_off"), named("i-2", "50 off"), named("x", "五"), trial];
        add(&store, &rows).await;
        let wanted = Wanted { with_trials: true, ..any() };
        let begins = async |prefix: &str| {
            ids(&store, &Wanted { prefix: prefix.to_owned(), ..wanted.clone() }).await
        };
        assert_eq!(begins("50%").await, ["i-1"]);
        assert_eq!(begins("50_").await, Vec::<String>::new());
        assert_eq!(begins("i-").await, ["i-1", "i-2"]);
        assert_eq!(begins("五").await, ["x"]);
        assert_eq!(begins("' OR 1=1 --").await, Vec::<String>::new());
        let labelled = |name: &str, value: &str| Wanted {
            labels: vec![(name.to_owned(), value.to_owned())],
            ..any()
        };
        assert_eq!(ids(&store, &labelled("team", "a\"b")).await, ["i-1", "i-2", "x"]);
        assert_eq!(ids(&store, &labelled("team", "b")).await, Vec::<String>::new());
        assert_eq!(ids(&store, &labelled("\") = 1 --", "b")).await, Vec::<String>::new());
        let many = |wanted: Wanted| Wanted {
            products: vec!["vm".to_owned()],
            room_types: vec!["public".to_owned(), "other".to_owned()],
            regions: vec!["north".to_owned()],
            ..wanted
        };
        assert_eq!(ids(&store, &many(any())).await.len(), 3);
        assert_eq!(ids(&store, &many(wanted.clone())).await.len(), 4);
        let south = Wanted { regions: vec!["south".to_owned()], ..many(any()) };
        assert_eq!(ids(&store, &south).await, Vec::<String>::new());
        let not = Wanted { not_products: vec!["vm".to_owned()], ..any() };
        assert_eq!(ids(&store, &not).await, Vec::<String>::new());
    }
}

/// B-4, L-3: a strong member is judged by its primary's product; what was reported released is so,
/// whatever its dates say.
#[tokio::test]
async fn states_are_ranges_of_expiries_by_product() {
    let (stores, _folder) = stores("states").await;
    for store in stores {
        let other = |instance: Instance| Instance { product: "disk".parse().unwrap(), ..instance };
        add(
            &store,
            &[
                instance("vm", Some(-5)),
                other(bound("strong", -5, "vm", BindingKind::Strong)),
                other(bound("forced", -5, "vm", BindingKind::Forced)),
                instance("live", Some(5)),
                Instance { released: true, ..instance("gone", Some(5)) },
            ],
        )
        .await;
        let day = 86_400_000_000;
        let now = values::micros(now());
        let range = Expiries { product: "vm".to_owned(), after: now - 6 * day, until: now };
        let states = |active, expired: &[Expiries], reported_released| Wanted {
            states: Some(States { active, expired: expired.to_vec(), reported_released }),
            ..any()
        };
        let range_of_vm = std::slice::from_ref(&range);
        assert_eq!(ids(&store, &states(false, range_of_vm, false)).await, ["strong", "vm"]);
        assert_eq!(ids(&store, &states(true, &[], false)).await, ["live"]);
        assert_eq!(ids(&store, &states(false, &[], true)).await, ["gone"]);
        assert_eq!(ids(&store, &states(false, &[], false)).await, Vec::<String>::new());
        let later = Expiries { after: now - 5 * day, ..range };
        assert_eq!(ids(&store, &states(false, &[later], false)).await, Vec::<String>::new());
    }
}
