use std::sync::Arc;

use super::*;
use crate::tests::cloud::{Still, at, catalogue};

// L-5
#[test]
fn the_rules_at_an_expiry_are_those_in_force_then() {
    let catalogue = catalogue();
    let changed = catalogue.product(&"changed".parse().unwrap()).unwrap();
    for (instant, grace) in [
        ("2019-01-01 00:00", 15),
        ("2026-03-02 23:59", 15),
        ("2026-03-03 00:00", 0),
        ("2027-01-01 00:00", 0),
    ] {
        assert_eq!(changed.profile_at(at(instant)).grace_days, grace, "{instant}");
    }
}

#[tokio::test]
async fn rules_are_read_again_when_they_have_changed() {
    let catalog = Arc::new(Still::default());
    let rules = Rules::new(Arc::clone(&catalog) as _);
    assert_eq!(rules.current().await.unwrap().version(), 1);
    catalog.change();
    assert_eq!(rules.last_known().await.unwrap().version(), 1);
    assert_eq!(rules.current().await.unwrap().version(), 2);
    assert_eq!(rules.last_known().await.unwrap().version(), 2);
}
