//! Pages of sweeps over instances, as requests ask for them.

use std::collections::BTreeMap;

use platform::status::BadRequest;
use tonic::Status;

use crate::{
    app::sweep::Swept,
    store::due::{
        SHARDS,
        pages::{Place, Reach},
    },
    wire::count,
};

/// The most instances of one page.
const MAX_PAGE: u32 = 1_000;

/// What every request for a page says.
#[derive(Debug, Clone, Copy)]
pub struct Shards {
    pub shard_from: i32,
    pub shard_until: i32,
    pub limit: i32,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The page.
    pub reach: Reach,
    /// The version that the page before was taken by.
    pub version: Option<i64>,
}

impl Shards {
    /// The page that begins at `cursor`.
    pub fn page(self, cursor: &str) -> Result<Cursor, Status> {
        let mut bad = BadRequest::default();
        let shards = self.shards();
        if shards.is_none() {
            bad.note("shard_until", format!("must be above shard_from, and both 0 to {SHARDS}"));
        }
        let limit = u32::try_from(self.limit);
        if limit.is_err() {
            bad.note("limit", "must not be negative");
        }
        let place = if cursor.is_empty() { Some((None, Place::default())) } else { read(cursor) };
        if place.is_none() {
            bad.note("cursor", "must be one that an answer gave");
        }
        match (shards, limit, place) {
            (Some(shards), Ok(limit), Some((version, after))) => {
                let limit = if limit == 0 { MAX_PAGE } else { limit.min(MAX_PAGE) };
                Ok(Cursor { reach: Reach { shards, after, limit }, version })
            }
            _ => Err(bad.into_status()),
        }
    }

    fn shards(self) -> Option<(i16, i16)> {
        if (self.shard_from, self.shard_until) == (0, 0) {
            return Some((0, SHARDS));
        }
        let from = i16::try_from(self.shard_from).ok()?;
        let until = i16::try_from(self.shard_until).ok()?;
        (0 <= from && from < until && until <= SHARDS).then_some((from, until))
    }
}

/// A cursor is version, account and instance, parted by commas, which no name has.
fn read(cursor: &str) -> Option<(Option<i64>, Place)> {
    let [version, account, id] = cursor.split(',').collect::<Vec<_>>().try_into().ok()?;
    let version = if version.is_empty() { None } else { Some(version.parse().ok()?) };
    let known = !account.is_empty() && !id.is_empty();
    known.then(|| (version, Place { account: account.to_owned(), id: id.to_owned() }))
}

/// The cursor of the page after `swept`; empty if it was the last.
pub fn next(swept: &Swept, version: Option<i64>) -> String {
    let Some(Place { account, id }) = &swept.next else { return String::new() };
    let version = version.map(|version| version.to_string()).unwrap_or_default();
    format!("{version},{account},{id}")
}

/// What was in the way, on the wire.
pub fn failed(failed: BTreeMap<&'static str, u32>) -> BTreeMap<String, i32> {
    failed.into_iter().map(|(reason, number)| (reason.to_owned(), count(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Shards = Shards { shard_from: 0, shard_until: 0, limit: 0 };

    #[test]
    fn a_page_is_of_all_shards_from_the_start_unless_it_says_otherwise() {
        let page = ALL.page("").unwrap();
        let reach = Reach { shards: (0, 64), after: Place::default(), limit: 1_000 };
        assert_eq!(page, Cursor { reach, version: None });
        let after = Place { account: "a".to_owned(), id: "i".to_owned() };
        let swept = Swept { next: Some(after.clone()), ..Swept::default() };
        for version in [None, Some(7)] {
            let cursor = next(&swept, version);
            let page = Shards { shard_from: 16, shard_until: 32, limit: 5_000 }.page(&cursor);
            let reach = Reach { shards: (16, 32), after: after.clone(), limit: 1_000 };
            assert_eq!(page.unwrap(), Cursor { reach, version });
        }
        assert_eq!(next(&Swept::default(), Some(7)), "");
    }

    #[test]
    fn a_page_that_is_none_is_refused() {
        let shards = [(1, 1), (0, 65), (-1, 3), (5, 4)];
        for (shard_from, shard_until) in shards {
            Shards { shard_from, shard_until, limit: 0 }.page("").unwrap_err();
        }
        Shards { limit: -1, ..ALL }.page("").unwrap_err();
        for cursor in ["x", "a,b", ",,", "x,a,b", "1,a,b,c"] {
            ALL.page(cursor).unwrap_err();
        }
    }
}
