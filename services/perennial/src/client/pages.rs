//! Lists in pages.

use std::time::Duration;

use indicatif::ProgressBar;
use proto::{
    catalog::v1::ListProductsResponse,
    renewal::v1::{
        ListAttemptsResponse, ListDeadLettersResponse, ListInstancesResponse, ListOrdersResponse,
        ListWebhooksResponse,
    },
    scheduler::v1::ListRunsResponse,
    r#type::v1::{PageRequest, PageResponse},
    wallet::v1::{GetStatementResponse, ListEntriesResponse, ListVouchersResponse},
};
use tonic::Status;

use crate::text::table::{Look, look};

/// Rows of a page where all pages are asked for: the most there can be.
const MOST: i32 = 1_000;

/// Which part of a list.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Pages")]
pub struct PageArgs {
    /// Rows of a page, 1 to 1,000.
    #[arg(
        long,
        value_name = "ROWS",
        default_value_t = 10,
        value_parser = clap::value_parser!(i32).range(1..=i64::from(MOST))
    )]
    page_size: i32,
    /// Where an earlier page said that the list goes on.
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,
    /// Rows to leap over, to jump to a page.
    #[arg(
        long,
        value_name = "ROWS",
        default_value_t = 0,
        value_parser = clap::value_parser!(i32).range(0..)
    )]
    skip: i32,
    /// All pages.
    #[arg(long, conflicts_with_all = ["page_size", "page_token", "skip"])]
    all: bool,
}

/// An answer that is one page of a list.
pub trait Paged {
    /// Where the list goes on.
    fn page(&self) -> Option<&PageResponse>;

    /// Takes over the rows of the page after this one, and where the list goes on from there.
    fn append(&mut self, next: Self);
}

/// Says of answers which of their fields are the rows, or stand beside them.
macro_rules! paged {
    ($($answer:ident: $($rows:ident),+;)*) => {$(
        impl Paged for $answer {
            fn page(&self) -> Option<&PageResponse> {
                self.page.as_ref()
            }

            fn append(&mut self, next: Self) {
                $(self.$rows.extend(next.$rows);)+
                self.page = next.page;
            }
        }
    )*};
}

paged! {
    ListProductsResponse: products;
    ListInstancesResponse: instances;
    ListOrdersResponse: orders, unreadable_order_ids;
    ListAttemptsResponse: attempts;
    ListWebhooksResponse: webhooks;
    ListDeadLettersResponse: letters;
    ListEntriesResponse: entries;
    ListVouchersResponse: vouchers, uses;
    GetStatementResponse: lines;
    ListRunsResponse: runs;
}

/// The page that `args` ask for, or all pages as if they were one.
pub async fn fetch<P: Paged>(
    args: PageArgs,
    mut call: impl AsyncFnMut(PageRequest) -> Result<P, Status>,
) -> Result<P, Status> {
    let PageArgs { page_size, page_token, skip, all } = args;
    if !all {
        return call(PageRequest { page_size, page_token, skip, with_total: true }).await;
    }
    let request =
        |page_token| PageRequest { page_size: MOST, page_token, skip: 0, with_total: true };
    let mut answer = call(request(String::new())).await?;
    let bar = progress("pages", 0);
    while let Some(token) = next_token(&answer) {
        bar.inc(1);
        answer.append(call(request(token)).await?);
    }
    bar.finish_and_clear();
    Ok(answer)
}

fn next_token(answer: &impl Paged) -> Option<String> {
    let token = answer.page().map(|page| page.next_page_token.clone());
    token.filter(|token| !token.is_empty())
}

/// What stands below a page: how many rows there are in all, and how to get the next.
pub fn footer(answer: &impl Paged) -> String {
    let Some(page) = answer.page() else { return String::new() };
    let mut parts = Vec::new();
    if let Some(total) = page.total_size {
        parts.push(format!("{total} in all"));
    }
    if !page.next_page_token.is_empty() {
        parts.push(format!("next: --page-token {}", page.next_page_token));
    }
    if parts.is_empty() {
        return String::new();
    }
    look(&parts.join(" · "), Look::Quiet) + "\n"
}

/// A bar on standard error that counts `what` up to `total` (0: nobody knows how many); not there
/// where nobody would see it.
pub fn progress(what: &'static str, total: usize) -> ProgressBar {
    let bar = if total == 0 {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX))
    };
    bar.set_message(what);
    if let Ok(style) = indicatif::ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}")
        && total > 0
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests;
