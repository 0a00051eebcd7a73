use chrono::NaiveTime;
use chrono_tz::{
    America::{New_York, Sao_Paulo},
    Asia::Shanghai,
};
use proptest::prelude::*;

use super::*;
use crate::{calendar::at_local, duration::TermUnit};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn duration(text: &str) -> TermDuration {
    text.parse().unwrap()
}

/// 1–9 months and 1–3 years, as most vendors sell.
fn usual_durations() -> Vec<TermDuration> {
    let months = (1..=9).map(|count| TermDuration::new(TermUnit::Month, count));
    let years = (1..=3).map(|count| TermDuration::new(TermUnit::Year, count));
    months.chain(years).map(Result::unwrap).collect()
}

/// Rules with 15 days of grace and of retention, as Huawei has them.
fn rules(boundary: Boundary, late_start: LateStart, sold: &[TermDuration]) -> TermRules<'_> {
    let lifecycle = LifecycleRules { boundary, late_start, grace_days: 15, retention_days: 15 };
    TermRules { lifecycle, durations: sold, max_total_months: None, zone: Shanghai }
}

/// What a lease says whose last day is `last_day`, in Shanghai.
fn lease(last_day: &str, anchor: u32) -> Lease {
    let end = crate::calendar::end_of_day(Shanghai, last_day.parse().unwrap()).unwrap();
    Lease { end, anchor: DayOfMonth::try_from(anchor).unwrap() }
}

/// The renewal as text: first day, last day, anchor; or the refusal.
fn told(zone: Tz, renewal: Result<RenewalTerm, TermRefused>) -> String {
    match renewal {
        Ok(renewal) => {
            let start = local(zone, renewal.term.start);
            let end = local(zone, renewal.term.end);
            format!("{start} to {end}, anchor {}", renewal.term.anchor.get())
        }
        Err(refused) => format!("{}: {refused}", refused.reason().code()),
    }
}

// T-2, T-3, T-5, T-6
#[test]
#[rustfmt::skip]
fn where_a_term_starts_and_ends() {
    use LateStart::{OldExpiry, RenewalDate};
    let sold = usual_durations();
    for (late_start, last_day, anchor, paid_at, sold_as, expected) in [
        // In time: it goes on from the expiry, and late_start says nothing (T-2).
        (RenewalDate, "2019-02-02",  2, "2019-01-15T10:00:00+08:00", "1m", "2019-02-03 00:00:00 to 2019-03-03 00:00:00, anchor 2"),
        (RenewalDate, "2024-06-20", 20, "2024-06-20T23:59:59+08:00", "1y", "2024-06-21 00:00:00 to 2025-06-21 00:00:00, anchor 20"),
        // A short month does not move the months after it (T-6).
        (OldExpiry,   "2025-01-31", 31, "2025-01-20T00:00:00+08:00", "1m", "2025-02-01 00:00:00 to 2025-03-01 00:00:00, anchor 31"),
        (OldExpiry,   "2025-02-28", 31, "2025-02-20T00:00:00+08:00", "1m", "2025-03-01 00:00:00 to 2025-04-01 00:00:00, anchor 31"),
        // Late, late_start decides (T-3); a start at the payment moves the anchor.
        (RenewalDate, "2024-06-20", 20, "2024-06-21T00:00:00+08:00", "1m", "2024-06-21 00:00:00 to 2024-07-22 00:00:00, anchor 21"),
        (RenewalDate, "2024-06-20", 20, "2024-06-23T14:00:00+08:00", "1m", "2024-06-23 14:00:00 to 2024-07-24 00:00:00, anchor 23"),
        (RenewalDate, "2024-02-20", 20, "2024-02-29T23:30:00+08:00", "1m", "2024-02-29 23:30:00 to 2024-03-30 00:00:00, anchor 29"),
        (OldExpiry,   "2024-06-20", 20, "2024-06-23T14:00:00+08:00", "1m", "2024-06-21 00:00:00 to 2024-07-21 00:00:00, anchor 20"),
        // The window closes with day +30 (L-1).
        (OldExpiry,   "2024-06-20", 20, "2024-07-20T23:59:59+08:00", "2m", "2024-06-21 00:00:00 to 2024-08-21 00:00:00, anchor 20"),
        (OldExpiry,   "2024-06-20", 20, "2024-07-21T00:00:00+08:00", "2m", "RENEWAL_WINDOW_CLOSED: the instance was released and can no longer be renewed"),
        // A term that is over brings nothing back (L-2).
        (OldExpiry,   "2024-01-31", 31, "2024-03-01T00:00:00+08:00", "1m", "TERM_ALREADY_OVER: the term would already be over"),
        (OldExpiry,   "2024-01-31", 31, "2024-02-29T23:59:59+08:00", "1m", "2024-02-01 00:00:00 to 2024-03-01 00:00:00, anchor 31"),
        (OldExpiry,   "2024-01-31", 31, "2024-03-01T00:00:00+08:00", "2m", "2024-02-01 00:00:00 to 2024-04-01 00:00:00, anchor 31"),
        // 12 months are not sold where 1 year is (T-1).
        (OldExpiry,   "2024-06-20", 20, "2024-06-01T00:00:00+08:00", "12m", "TERM_NOT_OFFERED: 12 months is not a duration that the product sells"),
        (OldExpiry,   "2024-06-20", 20, "2024-06-01T00:00:00+08:00", "10m", "TERM_NOT_OFFERED: 10 months is not a duration that the product sells"),
        // Beyond the last year there is (T-8).
        (OldExpiry,   "9999-11-30", 30, "9999-11-01T00:00:00+08:00", "1m", "9999-12-01 00:00:00 to 9999-12-31 00:00:00, anchor 30"),
        (OldExpiry,   "9999-11-30", 30, "9999-11-01T00:00:00+08:00", "2m", "DATE_OUT_OF_RANGE: the date is outside of the years 1970 to 9999"),
    ] {
        let rules = rules(Boundary::EndOfDay, late_start, &sold);
        let renewal = renewal_term(&rules, lease(last_day, anchor), duration(sold_as), at(paid_at));
        assert_eq!(told(Shanghai, renewal), expected, "{last_day} {sold_as} {paid_at}");
    }
}

// T-5: the vendor's own example, bought and then renewed.
#[test]
fn a_purchase_counts_from_its_own_day() {
    let sold = usual_durations();
    let rules = rules(Boundary::EndOfDay, LateStart::RenewalDate, &sold);
    let bought =
        term_from_payment(&rules, duration("6m"), at("2018-08-02T10:00:00+08:00")).unwrap();
    assert_eq!(bought.last_day.to_string(), "2019-02-02");
    let renewed =
        renewal_term(&rules, bought.term.lease(), duration("1m"), at("2019-01-30T00:00:00+08:00"));
    assert_eq!(renewed.unwrap().last_day.to_string(), "2019-03-02");
}

// T-5: exact ends keep their time of day; where it is skipped, the first instant after.
#[test]
#[rustfmt::skip]
fn exact_terms_end_at_the_time_of_day_they_began() {
    let sold = usual_durations();
    for (zone, end, anchor, paid_at, sold_as, expected) in [
        (Shanghai, "2024-01-31T10:30:00+08:00", 31, "2024-01-31T10:29:59+08:00", "1m", "2024-01-31 10:30:00 to 2024-02-29 10:30:00, anchor 31"),
        (Shanghai, "2024-02-29T10:30:00+08:00", 31, "2024-02-01T00:00:00+08:00", "1m", "2024-02-29 10:30:00 to 2024-03-31 10:30:00, anchor 31"),
        (Shanghai, "2024-01-20T10:30:00+08:00", 20, "2024-01-31T23:30:00+08:00", "1m", "2024-01-31 23:30:00 to 2024-02-29 23:30:00, anchor 31"),
        (New_York, "2024-02-10T02:30:00-05:00", 10, "2024-02-01T00:00:00-05:00", "1m", "2024-02-10 02:30:00 to 2024-03-10 03:00:00, anchor 10"),
        // An end at midnight with an anchor of its own date counts by that date …
        (Shanghai, "2024-04-01T00:00:00+08:00",  1, "2024-03-20T00:00:00+08:00", "1m", "2024-04-01 00:00:00 to 2024-05-01 00:00:00, anchor 1"),
        // … and one that was aligned to the last of the month by its last day.
        (Shanghai, "2024-03-01T00:00:00+08:00", 31, "2024-02-20T00:00:00+08:00", "1m", "2024-03-01 00:00:00 to 2024-04-01 00:00:00, anchor 31"),
    ] {
        let rules = TermRules { zone, ..rules(Boundary::Exact, LateStart::RenewalDate, &sold) };
        let lease = Lease { end: at(end), anchor: DayOfMonth::try_from(anchor).unwrap() };
        let renewal = renewal_term(&rules, lease, duration(sold_as), at(paid_at));
        assert_eq!(told(zone, renewal), expected);
    }
}

// T-4: midnight is skipped on the day after the last day.
#[test]
fn a_term_ends_with_its_day_where_midnight_is_skipped() {
    let sold = usual_durations();
    let rules =
        TermRules { zone: Sao_Paulo, ..rules(Boundary::EndOfDay, LateStart::OldExpiry, &sold) };
    let lease =
        Lease { end: at("2018-10-04T00:00:00-03:00"), anchor: DayOfMonth::try_from(3).unwrap() };
    let renewal = renewal_term(&rules, lease, duration("1m"), at("2018-10-01T00:00:00Z")).unwrap();
    assert_eq!(renewal.term.end, at("2018-11-04T01:00:00-02:00"));
    assert_eq!(renewal.last_day.to_string(), "2018-11-03");
    let next =
        renewal_term(&rules, renewal.term.lease(), duration("1m"), at("2018-10-01T00:00:00Z"));
    assert_eq!(next.unwrap().last_day.to_string(), "2018-12-03");
}

// T-7: the longest that fits is named; the boundary in a pair.
#[test]
fn a_term_that_reaches_too_far_ahead_is_refused_with_the_longest_that_fits() {
    let sold = usual_durations();
    let limited = |months| TermRules {
        max_total_months: Some(months),
        ..rules(Boundary::EndOfDay, LateStart::OldExpiry, &sold)
    };
    let paid_at = at("2024-05-20T12:00:00+08:00");
    let owned = lease("2024-06-20", 20);
    assert!(renewal_term(&limited(13), owned, duration("1y"), paid_at).is_ok());
    let refused = renewal_term(&limited(12), owned, duration("1y"), paid_at).unwrap_err();
    let latest = "2025-05-20".parse().unwrap();
    assert_eq!(refused, TermRefused::TooLong { latest, longest: Some(duration("9m")) });
    let refused = renewal_term(&limited(1), owned, duration("1m"), paid_at).unwrap_err();
    assert_eq!(
        refused,
        TermRefused::TooLong { latest: "2024-06-20".parse().unwrap(), longest: None }
    );
    // A limit beyond all dates limits nothing.
    assert!(renewal_term(&limited(u32::MAX), owned, duration("3y"), paid_at).is_ok());
}

// L-2: the shortest duration that suffices is named, and how many paid days have passed.
#[test]
fn a_late_renewal_says_what_of_it_has_passed() {
    let sold = usual_durations();
    let rules = rules(Boundary::EndOfDay, LateStart::OldExpiry, &sold);
    let expired = lease("2024-01-31", 31);
    let paid_at = at("2024-03-01T00:00:00+08:00");
    let refused = renewal_term(&rules, expired, duration("1m"), paid_at).unwrap_err();
    let TermRefused::AlreadyOver { shortest, .. } = refused else { panic!("{refused}") };
    assert_eq!(shortest, Some(duration("2m")));
    let only_month = TermRules { durations: &sold[..1], ..rules };
    let refused = renewal_term(&only_month, expired, duration("1m"), paid_at).unwrap_err();
    assert!(matches!(refused, TermRefused::AlreadyOver { shortest: None, .. }));

    for (paid_at, days) in [
        ("2024-01-31T12:00:00+08:00", 0),
        ("2024-02-01T00:00:00+08:00", 0),
        ("2024-02-01T23:59:59+08:00", 0),
        ("2024-02-02T00:00:00+08:00", 1),
        ("2024-02-20T12:00:00+08:00", 19),
        ("2024-03-01T00:00:00+08:00", 29),
    ] {
        let renewal = renewal_term(&rules, expired, duration("2m"), at(paid_at)).unwrap();
        assert_eq!(renewal.days_passed, days, "{paid_at}");
        assert_eq!((renewal.span.whole_months, renewal.span.odd_days), (2, 0));
        assert_eq!(renewal.span.total_days, 60);
    }
}

// L-2: a day has passed when its time of day comes again.
#[test]
fn days_of_exact_terms_pass_at_their_time_of_day() {
    let sold = usual_durations();
    let rules = rules(Boundary::Exact, LateStart::OldExpiry, &sold);
    let lease = Lease { end: at("2024-06-20T10:30:00+08:00"), anchor: DayOfMonth::LAST };
    for (paid_at, days) in [("2024-06-21T10:29:59+08:00", 0), ("2024-06-21T10:30:00+08:00", 1)] {
        let renewal = renewal_term(&rules, lease, duration("1m"), at(paid_at)).unwrap();
        assert_eq!(renewal.days_passed, days);
    }
}

// M-4: a term adds the same days whether it begins at midnight or in the day.
#[test]
fn exact_terms_add_all_their_days() {
    let sold = usual_durations();
    let rules = rules(Boundary::Exact, LateStart::RenewalDate, &sold);
    for paid_at in ["2024-03-01T00:00:00+08:00", "2024-03-01T10:30:00+08:00"] {
        let bought = term_from_payment(&rules, duration("1m"), at(paid_at)).unwrap();
        assert_eq!(bought.span.total_days, 31, "{paid_at}");
    }
}

// our outage costs the customer nothing.
#[test]
fn after_an_outage_the_term_starts_at_the_old_expiry() {
    let sold = usual_durations();
    let rules = rules(Boundary::EndOfDay, LateStart::RenewalDate, &sold).after_outage();
    let renewal = renewal_term(
        &rules,
        lease("2024-06-20", 20),
        duration("1m"),
        at("2024-06-21T09:00:00+08:00"),
    );
    assert_eq!(told(Shanghai, renewal), "2024-06-21 00:00:00 to 2024-07-21 00:00:00, anchor 20");
}

// C-1: a conversion starts with its payment. C-2: a change does after expiry, whatever late_start says.
#[test]
fn a_change_after_expiry_starts_with_its_payment() {
    let sold = usual_durations();
    let rules = rules(Boundary::EndOfDay, LateStart::OldExpiry, &sold);
    let owned = lease("2024-06-20", 20);
    for (paid_at, expected) in [
        ("2024-06-20T23:59:59+08:00", "2024-06-21 00:00:00 to 2024-07-21 00:00:00, anchor 20"),
        ("2024-06-21T00:00:00+08:00", "2024-06-21 00:00:00 to 2024-07-22 00:00:00, anchor 21"),
        ("2024-06-25T08:00:00+08:00", "2024-06-25 08:00:00 to 2024-07-26 00:00:00, anchor 25"),
        (
            "2024-07-21T00:00:00+08:00",
            "RENEWAL_WINDOW_CLOSED: the instance was released and can no longer be renewed",
        ),
    ] {
        let renewal = changed_term(&rules, owned, duration("1m"), at(paid_at));
        assert_eq!(told(Shanghai, renewal), expected);
    }
}

// I-1
#[test]
#[rustfmt::skip]
fn a_registered_anchor_is_the_day_of_the_start_if_the_end_fits_it() {
    use Boundary::{EndOfDay, Exact};
    for (boundary, start, end, expected) in [
        (EndOfDay, "2018-08-02T10:00:00+08:00", "2019-02-03T00:00:00+08:00",  2),
        (EndOfDay, "2024-01-31T10:00:00+08:00", "2024-03-01T00:00:00+08:00", 31),
        (EndOfDay, "2024-01-30T10:00:00+08:00", "2024-03-01T00:00:00+08:00", 30),
        (EndOfDay, "2024-02-01T00:00:00+08:00", "2024-03-01T00:00:00+08:00", 29),
        (EndOfDay, "2019-02-03T00:00:00+08:00", "2019-03-03T00:00:00+08:00",  2),
        (Exact,    "2024-01-31T10:30:00+08:00", "2024-02-29T10:30:00+08:00", 31),
        (Exact,    "2024-03-01T00:00:00+08:00", "2024-04-01T00:00:00+08:00",  1),
        (Exact,    "2024-01-31T10:30:00+08:00", "2024-03-05T10:30:00+08:00",  5),
    ] {
        let actual = registered_anchor(boundary, Shanghai, at(start), at(end));
        assert_eq!(actual.get(), expected, "{start} {end}");
    }
}

fn boundaries() -> impl Strategy<Value = Boundary> {
    prop::sample::select(vec![Boundary::EndOfDay, Boundary::Exact])
}

fn late_starts() -> impl Strategy<Value = LateStart> {
    prop::sample::select(vec![LateStart::RenewalDate, LateStart::OldExpiry])
}

fn zones() -> impl Strategy<Value = Tz> {
    prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec())
}

/// From 1971 to 2103.
fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    (31_536_000i64..4_200_000_000).prop_map(|second| DateTime::from_timestamp(second, 0).unwrap())
}

proptest! {
    /// T-2, T-3, L-2: a renewal never shortens, never begins before the expiry, and always reaches
    /// beyond its payment.
    #[test]
    fn a_renewal_never_shortens(
        zone in zones(), boundary in boundaries(), late_start in late_starts(), end in instants(),
        anchor in 1u32..=31, late in -40i64 * 86_400..40 * 86_400, which in 0usize..12,
    ) {
        let sold = usual_durations();
        let rules = TermRules { zone, ..rules(boundary, late_start, &sold) };
        let lease = Lease { end, anchor: DayOfMonth::try_from(anchor).unwrap() };
        let paid_at = end + chrono::TimeDelta::seconds(late);
        for renewal in [renewal_term, changed_term].map(|term| term(&rules, lease, sold[which], paid_at)) {
            let Ok(renewal) = renewal else { continue };
            prop_assert!(renewal.term.start >= lease.end);
            prop_assert!(renewal.term.end > renewal.term.start.max(paid_at));
        }
    }

    /// T-6: bought on any instant, renewed 48 times 1 month, in each month the term ends where the
    /// anchor says, and so do as many months at once.
    #[test]
    fn the_anchor_never_drifts(zone in zones(), boundary in boundaries(), bought in instants()) {
        let sold = usual_durations();
        let rules = TermRules { zone, ..rules(boundary, LateStart::OldExpiry, &sold) };
        let first = term_from_payment(&rules, TermDuration::ONE_MONTH, bought).unwrap();
        let day = local_date(zone, bought);
        let mut last = first;
        for months in 2..=49 {
            last = renewal_term(&rules, last.term.lease(), TermDuration::ONE_MONTH, bought).unwrap();
            let expected = add_months(day, months, DayOfMonth::of(day)).unwrap();
            prop_assert_eq!(last.term.anchor, DayOfMonth::of(day));
            let (reached, time) = match boundary {
                Boundary::EndOfDay => (last.last_day, NaiveTime::MIN),
                Boundary::Exact => {
                    (local_date(zone, last.term.end), local(zone, bought).time())
                }
            };
            // No term can end at a date and time that the zone skips.
            let wanted = expected.and_time(time);
            if local(zone, at_local(zone, expected, time).unwrap()) != wanted {
                return Ok(());
            }
            prop_assert_eq!(reached, expected);
        }
        let at_once = renewal_term(&rules, first.term.lease(), duration("3y"), bought).unwrap();
        let mut by_month = first;
        for _ in 0..36 {
            by_month = renewal_term(&rules, by_month.term.lease(), TermDuration::ONE_MONTH, bought).unwrap();
        }
        prop_assert_eq!(at_once.last_day, by_month.last_day);
    }

    /// T-7: what is refused as too long names a duration that is not.
    #[test]
    fn the_longest_that_fits_does_fit(
        end in instants(), anchor in 1u32..=31, ahead in 0i64..900, most in 1u32..60,
    ) {
        let sold = usual_durations();
        let rules = TermRules {
            max_total_months: Some(most),
            ..rules(Boundary::EndOfDay, LateStart::OldExpiry, &sold)
        };
        let lease = Lease { end, anchor: DayOfMonth::try_from(anchor).unwrap() };
        let paid_at = end - chrono::TimeDelta::days(ahead);
        if let Err(TermRefused::TooLong { longest: Some(longest), .. }) =
            renewal_term(&rules, lease, duration("3y"), paid_at)
        {
            prop_assert!(renewal_term(&rules, lease, longest, paid_at).is_ok());
        }
    }
}
