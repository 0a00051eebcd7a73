//! Pages of sweeps over the shards of accounts: how requests ask for them, and what they are answered
//! with.

use std::collections::BTreeMap;

use platform::{page::PageTokens, status::BadRequest};
use proto::renewal::internal::v1::{
    ExpireDueRequest, ExpireDueResponse, RebuildDueRequest, RebuildDueResponse, RemindDueRequest,
    RemindDueResponse, RenewDueRequest, RenewDueResponse,
};
use serde::{Serialize, de::DeserializeOwned};
use tonic::Status;

use crate::{
    app::sweep::Swept,
    store::{
        due::{
            SHARDS,
            pages::{Place, Reach},
        },
        values,
    },
    wire::count,
};

/// The most instances of one page.
const MAX_PAGE: u32 = 1_000;

/// What every request for a page says.
#[derive(Debug, Clone)]
pub struct Ask {
    pub call: &'static str,
    pub shard_from: i32,
    pub shard_until: i32,
    pub cursor: String,
    pub limit: i32,
}

/// The page that is asked for.
#[derive(Debug)]
pub struct Page<P> {
    /// The shards, from the first to the one before the second.
    pub shards: (i16, i16),
    /// It begins after this; none: from the start.
    pub after: Option<P>,
    /// How many at the most.
    pub limit: u32,
    cursors: PageTokens,
}

/// What every answer to such a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub due: i32,
    pub done: i32,
    pub failed: BTreeMap<String, i32>,
    pub next_cursor: String,
    pub more: bool,
}

macro_rules! pages {
    ($($call:literal: $request:ident => $response:ident,)*) => {$(
        impl From<$request> for Ask {
            fn from(request: $request) -> Self {
                let $request { shard_from, shard_until, cursor, limit, .. } = request;
                Self { call: $call, shard_from, shard_until, cursor, limit }
            }
        }

        impl From<Answer> for $response {
            fn from(answer: Answer) -> Self {
                let Answer { due, done, failed, next_cursor, more } = answer;
                Self { due, done, failed, next_cursor, more }
            }
        }
    )*};
}

pages! {
    "RenewDue": RenewDueRequest => RenewDueResponse,
    "ExpireDue": ExpireDueRequest => ExpireDueResponse,
    "RemindDue": RemindDueRequest => RemindDueResponse,
    "RebuildDue": RebuildDueRequest => RebuildDueResponse,
}

impl Ask {
    /// The page that is asked for, which begins where the one before said.
    pub fn page<P: DeserializeOwned>(&self) -> Result<Page<P>, Status> {
        let mut bad = BadRequest::default();
        let limit = u32::try_from(self.limit);
        if limit.is_err() {
            bad.note("limit", "must not be negative");
        }
        let shards = self.shards();
        if shards.is_none() {
            bad.note("shard_until", format!("must be above shard_from, and both 0 to {SHARDS}"));
        }
        let cursors = PageTokens::of(self.call, &());
        let after = cursors.read(&self.cursor).ok();
        let after = after.map(|text| text.map(|text| serde_json::from_str(&text)).transpose());
        let after = after.and_then(Result::ok);
        if after.is_none() {
            bad.note("cursor", "must be one that an answer gave");
        }
        match (shards, limit, after) {
            (Some(shards), Ok(limit), Some(after)) => {
                let limit = if limit == 0 { MAX_PAGE } else { limit.min(MAX_PAGE) };
                Ok(Page { shards, after, limit, cursors })
            }
            _ => Err(bad.into_status()),
        }
    }

    fn shards(&self) -> Option<(i16, i16)> {
        if (self.shard_from, self.shard_until) == (0, 0) {
            return Some((0, SHARDS));
        }
        let from = i16::try_from(self.shard_from).ok()?;
        let until = i16::try_from(self.shard_until).ok()?;
        (0 <= from && from < until && until <= SHARDS).then_some((from, until))
    }
}

impl<P: Serialize> Page<P> {
    /// The instances of the page, which begins after `after`.
    pub fn reach(&self, after: Option<Place>) -> Reach {
        Reach { shards: self.shards, after: after.unwrap_or_default(), limit: self.limit }
    }

    /// What is answered where the page came to `swept`.
    pub fn answer(&self, swept: Swept<P>) -> Answer {
        let next = swept.next.as_ref().map(|place| self.cursors.issue(&values::to_json(place)));
        Answer {
            due: count(swept.due),
            done: count(swept.done),
            failed: swept.failed.into_iter().map(|(why, times)| (why, count(times))).collect(),
            more: next.is_some(),
            next_cursor: next.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(shard_from: i32, shard_until: i32, limit: i32, cursor: &str) -> Ask {
        Ask { call: "ExpireDue", shard_from, shard_until, limit, cursor: cursor.to_owned() }
    }

    #[test]
    fn a_page_is_of_all_shards_from_the_start_unless_it_says_otherwise() {
        let page = ask(0, 0, 0, "").page::<Place>().unwrap();
        assert_eq!((page.shards, &page.after, page.limit), ((0, 64), &None, 1_000));
        let last = page.answer(Swept::default());
        assert_eq!((last.next_cursor.as_str(), last.more), ("", false));

        let place = Place { account: "a".to_owned(), id: "i".to_owned() };
        let answer = page.answer(Swept { next: Some(place.clone()), ..Swept::default() });
        assert!(answer.more);
        let page = ask(16, 32, 5_000, &answer.next_cursor).page::<Place>().unwrap();
        assert_eq!((page.shards, page.after, page.limit), ((16, 32), Some(place), 1_000));
    }

    #[test]
    fn a_page_that_is_none_is_refused() {
        for (from, until) in [(1, 1), (0, 65), (-1, 3), (5, 4)] {
            ask(from, until, 0, "").page::<Place>().unwrap_err();
        }
        ask(0, 0, -1, "").page::<Place>().unwrap_err();
        let other = PageTokens::of("RemindDue", &()).issue(r#"{"account":"a","id":"i"}"#);
        let odd = PageTokens::of("ExpireDue", &()).issue(r#"{"account":"a"}"#);
        for cursor in ["x", "a,b", &other, &odd] {
            ask(0, 0, 0, cursor).page::<Place>().unwrap_err();
        }
    }
}
