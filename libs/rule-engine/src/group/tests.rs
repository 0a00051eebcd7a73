use super::*;
use crate::{
    fixtures::{add, add_postpaid, at, bind, get, id, world},
    instance::BindingKind::{Forced, Optional, Strong},
};

const NOW: &str = "2024-06-10 12:00";

/// The groups as text: primary, then strong members with `=`, then forced children with `>`.
fn groups(world: &World) -> Vec<String> {
    let groups = Groups::of(world, at(NOW));
    let mark = |tie| match tie {
        Tie::Primary => "",
        Tie::Strong => "=",
        Tie::Forced => ">",
    };
    let mut all: Vec<_> = groups
        .iter()
        .map(|group| {
            let members =
                group.members().map(|one| format!("{}{}", mark(one.tie), one.instance.id));
            members.collect::<Vec<_>>().join(" ")
        })
        .collect();
    all.sort();
    all
}

type Ties<'a> = &'a [(&'a str, BindingKind, &'a str)];

fn tied(ties: Ties<'_>) -> World {
    let mut world = world();
    for (child, _, parent) in ties {
        for name in [child, parent] {
            add(&mut world, name, "vm", "2024-06-20");
        }
    }
    for (child, kind, parent) in ties {
        bind(&mut world, child, *kind, parent);
    }
    world
}

// B-2, B-4, B-5
#[test]
fn groups_are_parents_with_forced_children_and_strong_sets() {
    let cases: [(Ties<'_>, &[&str]); 8] = [
        (&[("disk", Optional, "vm")], &["disk", "vm"]),
        (&[("disk", Forced, "vm"), ("eip", Forced, "vm")], &["vm >disk >eip"]),
        (&[("ebs", Strong, "vm"), ("a", Strong, "vm")], &["vm =a =ebs"]),
        (&[("ebs", Strong, "vm"), ("a", Forced, "vm")], &["vm =ebs >a"]),
        // What is forced to a strong member, or to a forced child, goes with the primary.
        (&[("ebs", Strong, "vm"), ("a", Forced, "ebs")], &["vm =ebs >a"]),
        (&[("b", Forced, "vm"), ("a", Forced, "b"), ("c", Strong, "b")], &["vm >a >b >c"]),
        // Bound in a circle, the least id is the primary.
        (&[("b", Strong, "a"), ("a", Strong, "b")], &["a =b"]),
        (&[("a", Strong, "a")], &["a"]),
    ];
    for (ties, expected) in cases {
        assert_eq!(groups(&tied(ties)), expected, "{ties:?}");
    }
}

#[test]
fn a_parent_that_is_unknown_or_another_accounts_binds_nothing() {
    let mut world = tied(&[("disk", Forced, "vm")]);
    get(&mut world, "vm").account = "b".parse().unwrap();
    assert_eq!(groups(&world), ["disk"]);
    world.instances.remove(&id("vm"));
    assert_eq!(groups(&world), ["disk"]);
}

// B-5: the binding ends with the parent, in pairs around its window.
#[test]
fn a_forced_child_stands_alone_once_its_parent_is_gone() {
    let mut world = tied(&[("disk", Forced, "vm")]);
    for (last_day, expected) in [("2024-06-03", &["vm >disk"][..]), ("2024-06-02", &["disk", "vm"])]
    {
        get(&mut world, "vm").billing = crate::fixtures::paid_through(last_day);
        assert_eq!(groups(&world), expected, "{last_day}");
    }
    get(&mut world, "vm").billing = crate::fixtures::paid_through("2024-06-20");
    get(&mut world, "vm").released = true;
    assert_eq!(groups(&world), ["disk", "vm"]);
}

// B-4: durations, cycles and policies are the intersection; forced children have a say in policies
// only (P-7).
#[test]
fn a_group_offers_what_all_its_members_offer() {
    let mut world = world();
    add(&mut world, "m", "pool", "2024-06-20");
    add(&mut world, "s", "disk", "2024-06-20");
    add(&mut world, "f", "kec", "2024-06-20");
    bind(&mut world, "s", Strong, "m");
    bind(&mut world, "f", Forced, "m");
    let groups = Groups::of(&world, at(NOW));
    let group = groups.get(&id("f")).unwrap();
    let shown = |durations: Vec<TermDuration>| {
        durations.iter().map(|duration| duration.short()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown(group.durations(&world)), "1m 2m 3m 4m 5m 6m 7m 8m 9m 1y 2y");
    assert_eq!(shown(group.cycles(&world)), "1m 2m 3m 4m 5m 6m 7m 8m 9m 1y 2y");
    assert_eq!(group.policies(&world), [Policy::Manual, Policy::Auto]);
    assert!(group.is_strong());
}

// B-4: the primary's days hold for those that share its term, a forced child has its own.
#[test]
fn strong_members_live_by_their_primarys_days() {
    let mut world = world();
    for (name, product) in [("m", "pool"), ("s", "vm"), ("f", "vm")] {
        add(&mut world, name, product, "2024-06-20");
    }
    bind(&mut world, "s", Strong, "m");
    bind(&mut world, "f", Forced, "m");
    let groups = Groups::of(&world, at(NOW));
    let group = groups.get(&id("m")).unwrap();
    let days = |name: &str| {
        group.lifecycle_rules(world.instance(&id(name)).unwrap(), &world).unwrap().retention_days
    };
    assert_eq!(["m", "s", "f"].map(days), [15, 15, 7]);
}

// B-2: JD VM with its EIP and disks.
#[test]
fn what_is_bound_is_listed_by_kind_and_id() {
    let mut world = tied(&[
        ("eip", Optional, "vm"),
        ("disk", Optional, "vm"),
        ("snapshot", Optional, "ebs"),
        ("boot", Forced, "vm"),
        ("ebs", Strong, "vm"),
    ]);
    add_postpaid(&mut world, "other", "eip");
    let list = |name: &str| {
        let bound = bound_to(&id(name), &world, at(NOW));
        let text = bound.iter().map(|one| format!("{}<{}", one.parent, one.id));
        text.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list("vm"), "vm<ebs vm<boot vm<disk vm<eip ebs<snapshot");
    assert_eq!(list("ebs"), "vm<boot vm<disk vm<eip ebs<snapshot");
    assert_eq!(list("disk"), "");
    assert_eq!(list("unknown"), "");
}
