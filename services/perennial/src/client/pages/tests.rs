use anstream::adapter::strip_str;
use proto::wallet::v1::Entry;

use super::*;

/// Five entries, two to a page, whatever page size is asked for.
async fn page(request: PageRequest) -> Result<ListEntriesResponse, Status> {
    let start: i64 = request.page_token.parse().unwrap_or(1);
    let end = (start + 2).min(6);
    let entries = (start..end).map(|number| Entry { number, ..Entry::default() }).collect();
    let next_page_token = if end < 6 { end.to_string() } else { String::new() };
    let page = Some(PageResponse { next_page_token, total_size: Some(5) });
    Ok(ListEntriesResponse { entries, page })
}

fn args(all: bool) -> PageArgs {
    PageArgs { page_size: 2, page_token: String::new(), skip: 0, all }
}

fn numbers(answer: &ListEntriesResponse) -> Vec<i64> {
    answer.entries.iter().map(|entry| entry.number).collect()
}

#[tokio::test]
async fn one_page_says_how_to_get_the_next() {
    let answer = fetch(args(false), page).await.unwrap();
    assert_eq!(numbers(&answer), [1, 2]);
    assert_eq!(strip_str(&footer(&answer)).to_string(), "5 in all · next: --page-token 3\n");
}

#[tokio::test]
async fn all_pages_are_as_one() {
    let answer = fetch(args(true), page).await.unwrap();
    assert_eq!(numbers(&answer), [1, 2, 3, 4, 5]);
    assert_eq!(strip_str(&footer(&answer)).to_string(), "5 in all\n");
}

#[tokio::test]
async fn a_page_that_fails_fails_the_list() {
    let failing = async |request: PageRequest| match request.page_token.as_str() {
        "3" => Err(Status::unavailable("gone")),
        _ => page(request).await,
    };
    assert!(fetch(args(true), failing).await.is_err());
}
