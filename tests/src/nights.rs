//! What renews itself, and how that went.

use chrono::NaiveDate;
use proto::{
    renewal::{
        internal::v1::RenewDueRequest,
        v1::{
            Attempt, CountAttemptsRequest, ListAttemptsRequest, RenewalSetting,
            SetRenewalPoliciesRequest, policy_result,
        },
    },
    r#type::v1::{Date, PageRequest, RenewalPolicy},
};

use crate::clients::Clients;

impl Clients {
    /// Has the instances `ids` of `account` renew themselves by the month.
    pub async fn set_auto(&self, account: &str, ids: &[&str]) {
        let policy = RenewalPolicy::Auto.into();
        let request = SetRenewalPoliciesRequest {
            account_id: account.to_owned(),
            instance_ids: ids.iter().map(|&id| id.to_owned()).collect(),
            renewal: Some(RenewalSetting { policy, ..RenewalSetting::default() }),
        };
        let response = self.instances().set_renewal_policies(request).await.expect("a good call");
        for result in response.into_inner().results {
            let set = matches!(result.result, Some(policy_result::Result::Renewal(_)));
            assert!(set, "{result:?}");
        }
    }

    /// Renews what is due, in pages of at most `limit` instances: how many attempts were decided.
    pub async fn renew_due(&self, limit: i32) -> i32 {
        let mut request = RenewDueRequest { limit, ..RenewDueRequest::default() };
        let mut done = 0;
        loop {
            let page = self.sweeps().renew_due(request.clone()).await.expect("a page").into_inner();
            done += page.done;
            if !page.more {
                return done;
            }
            request.cursor = page.next_cursor;
        }
    }

    /// How attempts of `account` were decided, such as `i-1 2026-03-10/0 RENEWED`, in order.
    pub async fn attempts(&self, account: &str) -> Vec<String> {
        let page = Some(PageRequest { page_size: 1_000, ..PageRequest::default() });
        let request = ListAttemptsRequest {
            account_id: account.to_owned(),
            page,
            ..ListAttemptsRequest::default()
        };
        let response = self.orders().list_attempts(request).await.expect("a good query");
        let told = |attempt: Attempt| {
            let Date { year, month, day } = attempt.date.expect("a date");
            let outcome = attempt.outcome().as_str_name().trim_start_matches("OUTCOME_");
            let told = format!(
                "{} {year}-{month:02}-{day:02}/{} {outcome} {}",
                attempt.instance_id, attempt.retry, attempt.reason
            );
            told.trim_end().to_owned()
        };
        let mut all: Vec<_> = response.into_inner().attempts.into_iter().map(told).collect();
        all.sort();
        all
    }

    /// Demands that each attempt of the account's day `date` that came due was decided exactly once, and
    /// tells how many were decided how, such as `RENEWED 4`.
    pub async fn decided_once(&self, account: &str, date: NaiveDate) -> Vec<String> {
        let account_id = account.to_owned();
        let request = CountAttemptsRequest { account_id, date: Some(date.into()) };
        let count = self.orders().count_attempts(request).await.expect("a count").into_inner();
        assert_eq!(count.others, [], "{account} on {date}");
        assert_eq!(count.due, count.decided);
        assert_eq!(count.decided, count.outcomes.values().sum::<i32>());
        let mut told: Vec<_> =
            count.outcomes.iter().map(|(outcome, number)| format!("{outcome} {number}")).collect();
        told.sort();
        told
    }
}
