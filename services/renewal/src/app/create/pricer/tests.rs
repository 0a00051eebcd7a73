use rule_engine::registration::Registration;

use super::*;
use crate::tests::{
    cloud::{Cloud, UNSOLD, account, clouds, prepaid},
    renewals::wanted,
};

fn pricer(cloud: &Cloud) -> Pricer {
    let Cloud { orders, store, .. } = cloud;
    let (rules, pricing) = (Arc::clone(&orders.rules), Arc::clone(&orders.pricing));
    Pricer::new(store.clone(), rules, pricing, orders.env.clone())
}

fn of(account: &str, names: &[&str]) -> Wanted {
    Wanted { account: account.parse().unwrap(), ..wanted(names) }
}

async fn register(cloud: &Cloud, owner: &str, name: &str, configuration: &[(&str, &str)]) {
    let row = prepaid(name, "vm", "2026-03-11 00:00");
    let mut row = Registration { account: owner.parse().unwrap(), ..row };
    if !configuration.is_empty() {
        row.configuration = configuration.iter().copied().collect();
    }
    assert_eq!(cloud.register(vec![row]).await, ["Created"]);
}

// M-1, O-7: what is worked out together is what is worked out alone.
#[tokio::test]
async fn orders_are_worked_out_together_as_they_are_alone() {
    let (clouds, _folder) = clouds("pricer_together").await;
    for cloud in clouds {
        cloud.accounts.upsert(vec![account("third")]).await.unwrap();
        register(&cloud, "acme", "a", &[]).await;
        register(&cloud, "acme", "b", &[]).await;
        register(&cloud, "other", "c", &[]).await;
        register(&cloud, "third", "d", &[("flavor", UNSOLD)]).await;
        let asks = [
            of("acme", &["a", "b"]),
            of("acme", &["a"]),
            of("other", &["c"]),
            of("third", &["d"]),
            of("nobody", &["a"]),
        ];
        let pricer = pricer(&cloud);
        let before = cloud.store.database().usage();
        let worked_out = pricer.together(&asks).await.unwrap();
        let used = cloud.store.database().usage() - before;

        assert_eq!((used.statements, used.transactions), (1, 0));
        let answered: Vec<_> = worked_out.iter().map(Option::is_some).collect();
        assert_eq!(answered, [true, false, true, false, false], "the others are asked for alone");
        for (ask, one) in asks.iter().zip(worked_out) {
            let Some((together, now)) = one else { continue };
            let alone = cloud.orders.priced(ask, now).await.unwrap();
            assert_eq!(together.snapshot, alone.snapshot);
            assert_eq!((together.payable, together.claims), (alone.payable, alone.claims));
        }
    }
}

// M-8: rules and prices are of one version.
#[tokio::test]
async fn nothing_is_worked_out_by_rules_of_another_version_than_its_price() {
    let (clouds, _folder) = clouds("pricer_version").await;
    for cloud in clouds {
        register(&cloud, "acme", "a", &[]).await;
        let (pricer, ask) = (pricer(&cloud), [of("acme", &["a"])]);
        assert!(pricer.together(&ask).await.unwrap()[0].is_some());
        cloud.catalog.change();
        assert!(pricer.together(&ask).await.unwrap()[0].is_none());
    }
}
