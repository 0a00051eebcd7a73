use rule_engine::registration::Registration;

use super::*;
use crate::tests::cloud::{acme, bound, clouds, id, prepaid};

/// B-2: each with the term and the price that it would have, or why it would not go along.
#[tokio::test]
async fn what_is_bound_is_priced_as_a_preview_would() {
    let (clouds, _folder) = clouds("bound").await;
    for cloud in clouds {
        let trial = Registration { trial: true, ..prepaid("trial", "vm", "2026-03-20 00:00") };
        cloud
            .register(vec![
                prepaid("vm", "vm", "2026-03-11 00:00"),
                bound(prepaid("disk", "vm", "2026-03-11 00:00"), "vm", BindingKind::Strong),
                bound(prepaid("ip", "vm", "2026-04-11 00:00"), "vm", BindingKind::Optional),
                bound(prepaid("far", "vm", "2026-09-11 00:00"), "vm", BindingKind::Forced),
                bound(trial, "vm", BindingKind::Optional),
            ])
            .await;
        let told = async |name: &str, duration: Option<&str>| {
            let duration = duration.map(|text| text.parse().unwrap());
            let bound = cloud.orders.bound(&acme(), &id(name), duration).await.unwrap();
            let told = bound.into_iter().map(|one| {
                let item = one.item.map(|item| item.expiry_shown);
                let why = one.refusals.first().map(|refusal| refusal.reason.clone());
                format!("{} {}", one.instance.instance.id, item.or(why).unwrap_or_default())
            });
            told.collect::<Vec<_>>()
        };
        let expected = [
            "disk 2026-04-10 23:59:59",
            "far ALREADY_COVERED",
            "ip 2026-05-10 23:59:59",
            "trial TRIAL_INSTANCE",
        ];
        assert_eq!(told("vm", Some("1m")).await, expected);
        assert_eq!(told("vm", None).await, ["disk ", "far ", "ip ", "trial "]);
        assert_eq!(told("ip", Some("1m")).await, Vec::<String>::new());
        let ten = told("vm", Some("10m")).await;
        assert_eq!(
            (ten[0].as_str(), ten[2].as_str()),
            ("disk TERM_NOT_OFFERED", "ip TERM_NOT_OFFERED")
        );
    }
}
