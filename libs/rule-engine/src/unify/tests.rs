use chrono_tz::Asia::Shanghai;
use proptest::prelude::*;

use super::*;
use crate::{
    lifecycle::LifecycleRules,
    profile::{AllowedDays, Boundary, LateStart, StandardDay, StandardDayMeaning},
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn duration(text: &str) -> TermDuration {
    text.parse().unwrap()
}

fn anchor(day: u32) -> DayOfMonth {
    DayOfMonth::try_from(day).unwrap()
}

fn rules(boundary: Boundary, sold: &[TermDuration]) -> TermRules<'_> {
    let lifecycle = LifecycleRules {
        boundary,
        late_start: LateStart::RenewalDate,
        grace_days: 0,
        retention_days: 7,
    };
    TermRules { lifecycle, durations: sold, max_total_months: None, zone: Shanghai }
}

fn offer(offer: UnifyOffer) -> Unify {
    let days = AllowedDays { last_of_month: true, ..AllowedDays::default() };
    Unify { offer, days, ..Unify::default() }
}

fn lease(last_day: &str, day: u32) -> Lease {
    Lease { end: end_of_day(Shanghai, date(last_day)).unwrap(), anchor: anchor(day) }
}

fn day(number: u32) -> StandardDate {
    StandardDate { day: StandardDay::day(number).unwrap(), meaning: StandardDayMeaning::LastDay }
}

const LAST: StandardDate =
    StandardDate { day: StandardDay::LastOfMonth, meaning: StandardDayMeaning::LastDay };

/// Long before every expiry of these tests.
fn early() -> DateTime<Utc> {
    at("2018-01-01T00:00:00+08:00")
}

// U-2, U-4: every example of the rule, and its corners.
#[test]
#[rustfmt::skip]
fn the_target_is_the_first_allowed_day_from_a_plain_renewal_on() {
    let sold = ["1m", "3m", "1y"].map(duration);
    for (last_day, anchor, standard, chosen, expected, odd, total) in [
        ("2018-09-10", 10, day(1),  None,       "2018-11-01", 22, 52),
        ("2018-09-10", 10, day(1),  Some("1m"), "2018-11-01", 22, 52),
        ("2018-09-10", 10, day(1),  Some("3m"), "2019-01-01", 22, 113),
        ("2018-10-01",  1, day(1),  None,       "2018-11-01",  0, 31),
        ("2019-02-28", 31, day(28), None,       "2019-04-28", 28, 59),
        ("2019-02-28", 28, day(28), None,       "2019-03-28",  0, 28),
        ("2019-01-31", 31, LAST,    None,       "2019-02-28",  0, 28),
        ("2019-01-30", 30, LAST,    None,       "2019-02-28",  0, 29),
        ("2019-02-28", 28, LAST,    None,       "2019-03-31",  3, 31),
        ("2018-12-04",  4, day(1),  None,       "2019-02-01", 28, 59),
        ("2018-12-04",  4, day(1),  Some("1y"), "2020-01-01", 28, 393),
        // Two months fit by their dates; the price is still one and the days from there.
        ("2019-02-28", 31, day(28), Some("1m"), "2019-04-28", 28, 59),
        // Ends at 00:00 of the day: the last day is the one before.
        ("2018-09-10", 10, StandardDate { meaning: StandardDayMeaning::StartOfDay, ..day(1)  }, None, "2018-10-31", 21, 51),
        ("2018-09-10", 10, StandardDate { meaning: StandardDayMeaning::StartOfDay, ..day(15) }, None, "2018-10-14",  4, 34),
    ] {
        let rules = rules(Boundary::EndOfDay, &sold);
        let owned = lease(last_day, anchor);
        let unify = offer(UnifyOffer::WithDuration);
        let renewal = unified_term(&rules, &unify, owned, Some(standard), chosen.map(duration), early()).unwrap();
        assert_eq!(renewal.last_day, date(expected), "{last_day} {standard:?}");
        assert_eq!((renewal.span.odd_days, renewal.span.total_days), (odd, total), "{last_day}");
        assert_eq!(renewal.span.duration, chosen.map(duration));
        assert_eq!(renewal.span.whole_months, chosen.map_or(1, |chosen| duration(chosen).months()));
        assert_eq!(renewal.term.anchor, standard.anchor());
        assert_eq!(renewal.term.start, owned.end);
    }
}

// U-2: "Always a whole day, also for EXACT products", and the next plain renewal keeps to it.
#[test]
fn exact_products_are_aligned_to_whole_days_and_stay_there() {
    let sold = [duration("1m")];
    let rules = rules(Boundary::Exact, &sold);
    let unify = offer(UnifyOffer::Alone);
    let owned = Lease { end: at("2018-09-10T10:30:00+08:00"), anchor: anchor(10) };
    let renewal = unified_term(&rules, &unify, owned, Some(LAST), None, early()).unwrap();
    assert_eq!(renewal.term.end, at("2018-11-01T00:00:00+08:00"));
    assert_eq!((renewal.span.odd_days, renewal.span.total_days), (21, 51));
    let mut lease = renewal.term.lease();
    for expected in ["2018-11-30", "2018-12-31", "2019-01-31", "2019-02-28", "2019-03-31"] {
        let next = renewal_term(&rules, lease, duration("1m"), early()).unwrap();
        assert_eq!(next.last_day, date(expected));
        lease = next.term.lease();
    }
}

// U-1
#[test]
fn what_is_not_offered_is_refused() {
    use UnifyOffer::*;
    let sold = [duration("1m")];
    let rules = rules(Boundary::EndOfDay, &sold);
    let owned = lease("2018-09-10", 10);
    let month = Some(duration("1m"));
    for (offered, standard, chosen, expected) in [
        (NotOffered, Some(day(1)), None, Some(Reason::UnifyNotOffered)),
        (AdHoc, Some(day(1)), None, Some(Reason::UnifyNotOffered)),
        (Alone, Some(day(1)), None, None),
        (Alone, Some(day(1)), month, Some(Reason::UnifyNotOffered)),
        (WithDuration, Some(day(1)), None, None),
        (WithDuration, Some(day(1)), month, None),
        (WithDuration, Some(day(1)), Some(duration("12m")), Some(Reason::TermNotOffered)),
        (WithDuration, None, None, Some(Reason::StandardDateNotSet)),
        (NotOffered, None, None, Some(Reason::UnifyNotOffered)),
    ] {
        let term = unified_term(&rules, &offer(offered), owned, standard, chosen, early());
        let actual = term.err().map(|refused| refused.reason());
        assert_eq!(actual, expected, "{offered:?} {standard:?} {chosen:?}");
    }
    let no_last = Unify { days: AllowedDays::default(), ..offer(WithDuration) };
    let term = unified_term(&rules, &no_last, owned, Some(LAST), None, early());
    assert_eq!(term, Err(UnifyRefused::NotOffered));
    let term = ad_hoc_term(&rules, &offer(WithDuration), owned, date("2018-10-10"), early());
    assert_eq!(term, Err(UnifyRefused::NotOffered));
}

// U-3: the boundary in a pair.
#[test]
fn expired_instances_are_not_unified() {
    let rules = rules(Boundary::EndOfDay, &[]);
    let owned = lease("2018-09-10", 10);
    let unified = |paid_at| {
        unified_term(&rules, &offer(UnifyOffer::Alone), owned, Some(day(1)), None, at(paid_at))
    };
    assert!(unified("2018-09-10T23:59:59+08:00").is_ok());
    let refused = UnifyRefused::Expired { since: owned.end };
    assert_eq!(unified("2018-09-11T00:00:00+08:00"), Err(refused.clone()));
    let ad_hoc = |paid_at| {
        ad_hoc_term(&rules, &offer(UnifyOffer::AdHoc), owned, date("2018-12-01"), at(paid_at))
    };
    assert!(ad_hoc("2018-09-10T23:59:59+08:00").is_ok());
    assert_eq!(ad_hoc("2018-09-11T00:00:00+08:00"), Err(refused.clone()));
    assert_eq!(refused.reason(), Reason::UnifiedWithExpired);
}

fn account(standard_day: Option<StandardDay>, follows: bool) -> AccountSettings {
    AccountSettings {
        zone: Shanghai,
        currency: kernel::Currency::Cny,
        standard_day,
        day_meaning: StandardDayMeaning::LastDay,
        auto_follows_standard_day: follows,
        auto_days_before: None,
    }
}

// U-4: expiry 09-10, monthly, day 1: 11-01, then 12-01, 01-01.
#[test]
fn automatic_renewals_follow_the_standard_date_where_account_and_product_want_it() {
    let sold = [duration("1m"), duration("3m")];
    let rules = rules(Boundary::EndOfDay, &sold);
    let first = StandardDay::day(1).ok();
    let follows = Unify { automatic: true, ..offer(UnifyOffer::Alone) };
    let does_not = Unify { automatic: false, ..follows.clone() };
    for (unify, settings, expected) in [
        (&follows, account(first, true), ["2018-11-01", "2018-12-01", "2019-01-01"]),
        (&follows, account(first, false), ["2018-10-10", "2018-11-10", "2018-12-10"]),
        (&follows, account(None, true), ["2018-10-10", "2018-11-10", "2018-12-10"]),
        (&does_not, account(first, true), ["2018-10-10", "2018-11-10", "2018-12-10"]),
    ] {
        let mut owned = lease("2018-09-10", 10);
        for last_day in expected {
            let term = automatic_term(&rules, unify, owned, &settings, sold[0], early()).unwrap();
            assert_eq!(term.last_day, date(last_day));
            assert_eq!(term.span.duration, Some(sold[0]));
            owned = term.term.lease();
        }
    }
    // An expired one is renewed plainly rather than not at all.
    let owned = lease("2018-09-10", 10);
    for late in ["2018-09-11T00:00:00+08:00", "2018-09-11T08:00:00+08:00"] {
        let settings = account(first, true);
        let term = automatic_term(&rules, &follows, owned, &settings, sold[0], at(late));
        assert_eq!(term.unwrap().last_day, date("2018-10-11"));
    }
    let unsold =
        automatic_term(&rules, &follows, owned, &account(first, true), duration("2m"), early());
    assert_eq!(unsold.unwrap_err().reason(), Reason::TermNotOffered);
}

// U-5: two instances to one date; the day before, the day itself, the days after.
#[test]
#[rustfmt::skip]
fn an_ad_hoc_date_is_the_new_last_day() {
    let rules = rules(Boundary::EndOfDay, &[]);
    let owned = lease("2024-06-20", 20);
    let with = |smallest_extension| Unify { smallest_extension, ..offer(UnifyOffer::AdHoc) };
    for (smallest, to, expected) in [
        (SmallestExtension::None,     "2024-06-19", Err("2024-06-21")),
        (SmallestExtension::None,     "2024-06-20", Ok(None)),
        (SmallestExtension::None,     "2024-06-21", Ok(Some((0, 1)))),
        (SmallestExtension::None,     "2024-07-20", Ok(Some((1, 0)))),
        (SmallestExtension::None,     "2025-06-30", Ok(Some((12, 10)))),
        (SmallestExtension::OneMonth, "2024-06-19", Err("2024-07-20")),
        (SmallestExtension::OneMonth, "2024-06-20", Ok(None)),
        (SmallestExtension::OneMonth, "2024-07-19", Err("2024-07-20")),
        (SmallestExtension::OneMonth, "2024-07-20", Ok(Some((1, 0)))),
    ] {
        let term = ad_hoc_term(&rules, &with(smallest), owned, date(to), early());
        let actual = term.map(|term| term.map(|term| {
            assert_eq!(term.last_day, date(to));
            assert_eq!(term.term.anchor, DayOfMonth::of(date(to)));
            assert_eq!(term.span.duration, None);
            (term.span.whole_months, term.span.odd_days)
        }));
        let expected = expected.map_err(|earliest| UnifyRefused::TooEarly { earliest: date(earliest) });
        assert_eq!(actual, expected, "{smallest:?} {to}");
    }
}

// U-5: what is named to several instances suits them all.
#[test]
fn the_earliest_common_date_suits_every_instance() {
    let floor = |last_day, extends_from| AdHocFloor {
        last_day: date(last_day),
        extends_from: date(extends_from),
    };
    let june = floor("2024-06-20", "2024-06-21");
    let july = floor("2024-07-05", "2024-07-06");
    let monthly = floor("2024-06-25", "2024-07-25");
    assert_eq!(earliest_ad_hoc_date(&[]), None);
    assert_eq!(earliest_ad_hoc_date(&[june]), Some(date("2024-06-21")));
    assert_eq!(earliest_ad_hoc_date(&[june, july]), Some(date("2024-07-05")));
    assert_eq!(earliest_ad_hoc_date(&[june, monthly]), Some(date("2024-06-25")));
    assert_eq!(earliest_ad_hoc_date(&[june, july, monthly]), Some(date("2024-07-25")));
}

// T-7 and T-8 hold for dates as for durations.
#[test]
fn dates_too_far_ahead_are_refused() {
    let sold = [duration("1m"), duration("3m")];
    let limited = TermRules { max_total_months: Some(2), ..rules(Boundary::EndOfDay, &sold) };
    let owned = lease("2024-06-20", 20);
    let now = at("2024-06-10T00:00:00+08:00");
    let unify = offer(UnifyOffer::AdHoc);
    assert!(ad_hoc_term(&limited, &unify, owned, date("2024-08-10"), now).is_ok());
    let latest = date("2024-08-10");
    let too_long = TermRefused::TooLong { latest, longest: Some(duration("1m")) };
    let term = ad_hoc_term(&limited, &unify, owned, date("2024-08-11"), now);
    assert_eq!(term, Err(UnifyRefused::Term(too_long.clone())));
    let parent = lease("2024-08-11", 11);
    assert_eq!(term_to_parent(&limited, Some(owned), parent, now), Err(too_long.clone()));
    let with_duration = offer(UnifyOffer::WithDuration);
    let aligned = unified_term(&limited, &with_duration, owned, Some(day(15)), None, now);
    assert_eq!(aligned, Err(UnifyRefused::Term(too_long)));

    for far in [NaiveDate::MAX, NaiveDate::MIN, date("+10000-01-01")] {
        let refused = ad_hoc_term(&limited, &unify, owned, far, now).unwrap_err();
        assert_eq!(refused.reason(), Reason::DateOutOfRange);
    }
}

// B-3, B-5, T-6: a child goes to its parent's new expiry and takes its anchor.
#[test]
fn a_child_goes_to_its_parents_new_expiry() {
    let rules = rules(Boundary::EndOfDay, &[]);
    let parent = lease("2024-09-30", 31);
    let now = at("2024-06-10T09:00:00+08:00");
    for (child, expected) in [
        // In time: from its own expiry.
        (Some(lease("2024-06-20", 20)), Some(("2024-06-21", 3, 10, 102))),
        (Some(lease("2024-09-29", 29)), Some(("2024-09-30", 0, 1, 1))),
        // There already, or later: left out.
        (Some(lease("2024-09-30", 30)), None),
        (Some(lease("2024-10-01", 1)), None),
        // Expired: where its own product says, here at the payment.
        (Some(lease("2024-06-08", 8)), Some(("2024-06-10", 3, 20, 112))),
        // Postpaid: it becomes prepaid with its parent (C-1).
        (None, Some(("2024-06-10", 3, 20, 112))),
    ] {
        let term = term_to_parent(&rules, child, parent, now).unwrap();
        let actual = term.map(|renewal| {
            assert_eq!(renewal.term.end, parent.end);
            assert_eq!(renewal.term.anchor, parent.anchor);
            let span = renewal.span;
            assert_eq!(span.duration, None);
            let start = crate::calendar::local_date(Shanghai, renewal.term.start);
            (start, span.whole_months, span.odd_days, span.total_days)
        });
        let expected =
            expected.map(|(start, months, odd, total)| (date(start), months, odd, total));
        assert_eq!(actual, expected, "{child:?}");
    }
    // Past its window it cannot come along (L-1), and no term is over before it begins (L-2).
    let closed = term_to_parent(&rules, Some(lease("2024-06-01", 1)), parent, now).unwrap_err();
    assert_eq!(closed.reason(), Reason::RenewalWindowClosed);
    let over = term_to_parent(&rules, Some(lease("2024-06-08", 8)), lease("2024-06-09", 9), now);
    assert_eq!(over.unwrap_err().reason(), Reason::TermAlreadyOver);
}

proptest! {
    /// U-2: it never shortens, lands on an allowed day, is less than a month beyond the plain
    /// renewal, and adds up.
    #[test]
    fn the_standard_date_never_shortens(
        day in 0u32..30_000, anchor_day in 1u32..=31, standard in 1u32..=29, start_of_day: bool,
        exact: bool, second in 1i64..86_400, chosen in prop::option::of(0usize..3),
    ) {
        let sold = ["1m", "9m", "3y"].map(duration);
        let boundary = if exact { Boundary::Exact } else { Boundary::EndOfDay };
        let rules = rules(boundary, &sold);
        let owned_day = anchor(anchor_day).in_month_of(add_days(date("1971-01-01"), day));
        let end = end_of_day(Shanghai, owned_day).unwrap();
        let end = if exact { end - chrono::TimeDelta::seconds(second) } else { end };
        let owned = Lease { end, anchor: anchor(anchor_day) };
        let day = StandardDay::day(standard).unwrap_or(StandardDay::LastOfMonth);
        let meaning = match day {
            StandardDay::Day(_) if start_of_day => StandardDayMeaning::StartOfDay,
            _ => StandardDayMeaning::LastDay,
        };
        let standard = StandardDate { day, meaning };
        let chosen = chosen.map(|which| sold[which]);
        let unify = offer(UnifyOffer::WithDuration);
        let paid_at = end - chrono::TimeDelta::seconds(1);
        let unified = unified_term(&rules, &unify, owned, Some(standard), chosen, paid_at).unwrap();
        let plain = renewal_term(&rules, owned, chosen.unwrap_or(TermDuration::ONE_MONTH), paid_at).unwrap();
        prop_assert!(unified.term.end >= plain.term.end);
        prop_assert!(standard.anchor().fits(unified.last_day));
        prop_assert!(unified.span.odd_days < 31);
        prop_assert_eq!(add_days(plain.last_day, unified.span.odd_days), unified.last_day);
        prop_assert_eq!(add_days(owned_day, unified.span.total_days), unified.last_day);
    }
}
