//! What holds for every selection in every world.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::*;
use crate::instance::{Binding, BindingKind};

const PRODUCTS: [&str; 6] = ["vm", "disk", "eip", "kec", "redis", "pool"];

/// What is random of an instance: product, days from now to its last day (none: postpaid), binding.
type Seed = (usize, Option<i64>, Option<(usize, BindingKind)>, bool);

fn seed(count: usize) -> impl Strategy<Value = Seed> {
    let kind = prop::sample::select(vec![Forced, Optional, Strong]);
    (
        0..PRODUCTS.len(),
        prop::option::weighted(0.9, -40..400_i64),
        prop::option::weighted(0.6, (0..count, kind)),
        prop::bool::weighted(0.05),
    )
}

fn name(number: usize) -> String {
    format!("i-{number}")
}

fn build(seeds: &[Seed]) -> World {
    let mut world = world();
    let today: NaiveDate = date("2024-06-10");
    for (number, (product, days, binding, held)) in seeds.iter().enumerate() {
        let name = name(number);
        let one = match days {
            Some(days) => {
                let last_day = today + chrono::TimeDelta::days(*days);
                add(&mut world, &name, PRODUCTS[*product], &last_day.to_string())
            }
            None => add_postpaid(&mut world, &name, PRODUCTS[*product]),
        };
        one.binding =
            binding.map(|(parent, kind)| Binding { parent: id(&super::laws::name(parent)), kind });
        if *held {
            hold(&mut world, &name);
        }
    }
    world
}

fn extent() -> impl Strategy<Value = Extent> {
    let duration = prop::sample::select(vec!["1m", "2m", "1y", "3y"]);
    let duration = duration.prop_map(|text| text.parse::<TermDuration>().unwrap());
    let ad_hoc = (0..900_u64).prop_map(|days| Extent::AdHoc(date("2024-06-01") + Days::new(days)));
    prop_oneof![
        duration.clone().prop_map(Extent::Duration),
        duration.clone().prop_map(Extent::Cycle),
        (prop::option::of(duration), 1..=28_u32).prop_map(|(duration, day)| {
            Extent::StandardDate { duration, day: StandardDay::day(day).ok() }
        }),
        ad_hoc,
    ]
}

fn scene() -> impl Strategy<Value = (World, Selection)> {
    (1..9_usize).prop_flat_map(|count| {
        let seeds = prop::collection::vec(seed(count), count);
        let chosen = prop::collection::btree_map(0..count, 0..3_u8, 1..=count);
        (seeds, chosen, extent(), any::<bool>()).prop_map(|(seeds, chosen, extent, best)| {
            let mut selection = Selection::of([], extent);
            for (number, how) in chosen {
                let id = id(&name(number));
                match how {
                    0 => selection.named.push(id),
                    how => selection.ticked.push(Ticked { id, to_parent_expiry: how == 1 }),
                }
            }
            selection.mode = if best { Mode::BestEffort } else { Mode::AllOrNothing };
            (build(&seeds), selection)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    // T-2, U-2, B-5: a plan never shortens.
    #[test]
    fn a_renewal_never_shortens((world, selection) in scene()) {
        let plan = plan(&selection, &world, at(NOW)).unwrap();
        for item in &plan.items {
            prop_assert!(item.term.start < item.term.end);
            prop_assert!(item.term.end > at(NOW));
            if let Some(expiry) = item.before.expiry() {
                prop_assert!(item.term.start >= expiry && item.term.end > expiry);
            }
        }
    }

    // B-1: everything that was chosen is answered for, once.
    #[test]
    fn everything_chosen_has_one_answer((world, selection) in scene()) {
        let plan = plan(&selection, &world, at(NOW)).unwrap();
        let items = plan.items.iter().map(|item| &item.instance);
        let refused = plan.refused.iter().map(|refused| &refused.instance);
        let left_out = plan.left_out.iter().map(|left_out| &left_out.instance);
        let answers: Vec<_> = items.chain(refused).chain(left_out).collect();
        let distinct: BTreeSet<_> = answers.iter().collect();
        prop_assert_eq!(distinct.len(), answers.len());
        let ticked = selection.ticked.iter().map(|ticked| &ticked.id);
        for id in selection.named.iter().chain(ticked) {
            prop_assert!(answers.contains(&id), "{} has no answer in {:?}", id, plan);
        }
    }

    // B-1, B-4: a group stands or falls together.
    #[test]
    fn no_group_is_renewed_in_part((world, selection) in scene()) {
        let plan = plan(&selection, &world, at(NOW)).unwrap();
        let groups = crate::group::Groups::of(&world, at(NOW));
        for refused in &plan.refused {
            let group = groups.get(&refused.instance).unwrap();
            prop_assert!(plan.items.iter().all(|item| !group.contains(&item.instance)));
            prop_assert!(!refused.refusals.is_empty() && refused.refusals.is_sorted());
        }
        for item in &plan.items {
            let group = groups.get(&item.instance).unwrap();
            prop_assert_eq!(&item.root, &group.primary().id);
            for one in group.core().filter(|one| one.expiry() == group.primary().expiry()) {
                let shared = plan.item(&one.id).map(|other| other.term);
                let primary = plan.item(&item.root).map(|other| other.term);
                prop_assert_eq!(shared, primary);
            }
        }
    }

    // The answer does not depend on the order in which instances were named; only the bill's does.
    #[test]
    fn the_order_of_names_changes_nothing_but_the_order((world, selection) in scene()) {
        let mut reversed = selection.clone();
        reversed.named.reverse();
        reversed.ticked.reverse();
        let sorted = |selection| {
            let plan = plan(selection, &world, at(NOW)).unwrap();
            let mut lines = show(&plan);
            lines.sort();
            (lines, plan.durations)
        };
        prop_assert_eq!(sorted(&selection), sorted(&reversed));
    }

    // O-8: paid at the instant of the plan, nothing moves and nothing is refused.
    #[test]
    fn an_order_paid_at_once_is_what_it_was((mut world, selection) in scene()) {
        let plan = plan(&selection, &world, at(NOW)).unwrap();
        if plan.refusal.is_none() {
            for item in &plan.items {
                get(&mut world, item.instance.as_str()).open_order =
                    Some(OpenOrder { id: order(9), unpaid: true });
            }
            let replanned = replan(order(9), &selection, &plan.items, &world, at(NOW));
            prop_assert_eq!(replanned, Ok(Replanned { items: plan.items, moved: Vec::new() }));
        }
    }

    // B-1: ALL_OR_NOTHING and BEST_EFFORT see the same; only what can be ordered differs.
    #[test]
    fn the_mode_decides_only_whether_there_is_an_order((world, selection) in scene()) {
        let all = Selection { mode: Mode::AllOrNothing, ..selection.clone() };
        let all = plan(&all, &world, at(NOW)).unwrap();
        let best = plan(&best_effort(selection), &world, at(NOW)).unwrap();
        prop_assert_eq!(all.refusal.is_none(), all.refused.is_empty() && !all.items.is_empty());
        prop_assert_eq!(best.refusal.is_none(), !best.items.is_empty());
        prop_assert_eq!((all.items, all.refused), (best.items, best.refused));
    }
}
