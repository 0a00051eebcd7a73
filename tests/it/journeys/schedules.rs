//! What operators see of the sweeps, and what they do about them.

use chrono::TimeDelta;
use proto::scheduler::v1::{
    GetRunRequest, ListRunsRequest, ListSchedulesRequest, PauseScheduleRequest,
    ResumeScheduleRequest, Run, RunNowRequest, Schedule, WatchRunRequest, run::State,
};
use proto::r#type::v1::PageRequest;
use tests::{Suite, at, fixture::*, in_time, refusal};
use tonic::Code;

async fn schedules(suite: &Suite) -> Vec<Schedule> {
    let schedules = suite.schedules().list_schedules(ListSchedulesRequest {}).await;
    schedules.unwrap().into_inner().schedules
}

async fn schedule(suite: &Suite, kind: &str) -> Schedule {
    schedules(suite).await.into_iter().find(|schedule| schedule.kind == kind).unwrap()
}

async fn runs(suite: &Suite, kind: &str) -> Vec<Run> {
    let request = ListRunsRequest { kind: kind.to_owned(), page: None };
    suite.schedules().list_runs(request).await.unwrap().into_inner().runs
}

crate::journeys! {
    /// O-4: an operator sees when the sweep ran, and lets it run.
    async fn every_schedule_runs_when_asked_to(suite) {
        for Schedule { kind, description, last_run, next_time, .. } in schedules(suite).await {
            assert!(!description.is_empty() && last_run.is_none() && next_time.is_none(), "{kind}");
            let run = suite.sweep(&kind).await;
            assert_eq!((run.state(), run.done, run.error.as_str()), (State::Done, 0, ""), "{kind}");
            assert!(run.asked && run.end_time.is_some());
            assert_eq!(run.shards_done, run.shards);
            assert_eq!(schedule(suite, &kind).await.last_run, Some(run.clone()));
            let request = GetRunRequest { run_id: run.run_id.clone() };
            let found = suite.schedules().get_run(request).await.unwrap();
            assert_eq!(found.into_inner().run, Some(run));
        }
    }

    async fn a_schedule_that_is_paused_runs_only_when_asked_to(suite) {
        let kind = "advance".to_owned();
        let pause = PauseScheduleRequest { kind: kind.clone() };
        let paused = suite.schedules().pause_schedule(pause.clone()).await.unwrap().into_inner();
        let since = paused.schedule.unwrap().pause_time;
        assert!(since.is_some());

        suite.set_clock(suite.now() + TimeDelta::minutes(1));
        let again = suite.schedules().pause_schedule(pause).await.unwrap().into_inner();
        assert_eq!(again.schedule.unwrap().pause_time, since, "it has been paused all the time");
        assert_eq!(suite.sweep("advance").await.state(), State::Done);

        let resume = ResumeScheduleRequest { kind };
        let resumed = suite.schedules().resume_schedule(resume).await.unwrap().into_inner();
        assert_eq!(resumed.schedule.unwrap().pause_time, None);
    }

    async fn runs_are_listed_page_by_page_the_latest_first(suite) {
        let mut expected = Vec::new();
        for kind in ["advance", "anchor", "advance"] {
            // Two runs of one instant are two runs all the same.
            expected.insert(0, suite.sweep(kind).await.run_id);
            suite.set_clock(suite.now() + TimeDelta::seconds(1));
        }
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = PageRequest { page_size: 2, page_token, with_total: true, ..Default::default() };
            let request = ListRunsRequest { kind: String::new(), page: Some(page) };
            let answer = suite.schedules().list_runs(request).await.unwrap().into_inner();
            found.extend(answer.runs.into_iter().map(|run| run.run_id));
            let page = answer.page.unwrap();
            assert_eq!(page.total_size, Some(3));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(found, expected);
        assert_eq!(runs(suite, "advance").await.len(), 2);
    }

    async fn what_there_is_not_is_neither_run_nor_shown(suite) {
        let long = "x".repeat(1 << 20);
        for (name, code, schedule, run) in [
            ("", Code::InvalidArgument, "INVALID_REQUEST", "INVALID_REQUEST"),
            ("Advance", Code::NotFound, "SCHEDULE_NOT_FOUND", "RUN_NOT_FOUND"),
            ("advance-1", Code::NotFound, "SCHEDULE_NOT_FOUND", "RUN_NOT_FOUND"),
            ("advance-01", Code::NotFound, "SCHEDULE_NOT_FOUND", "RUN_NOT_FOUND"),
            (long.as_str(), Code::NotFound, "SCHEDULE_NOT_FOUND", "RUN_NOT_FOUND"),
        ] {
            let mut schedules = suite.schedules();
            let (kind, run_id) = (|| name.to_owned(), || name.to_owned());
            let asked = refusal(schedules.run_now(RunNowRequest { kind: kind() }).await);
            assert_eq!(asked, (code, schedule.to_owned()));
            let paused = schedules.pause_schedule(PauseScheduleRequest { kind: kind() });
            assert_eq!(refusal(paused.await), (code, schedule.to_owned()));
            let resumed = schedules.resume_schedule(ResumeScheduleRequest { kind: kind() });
            assert_eq!(refusal(resumed.await), (code, schedule.to_owned()));
            let found = schedules.get_run(GetRunRequest { run_id: run_id() });
            assert_eq!(refusal(found.await), (code, run.to_owned()));
            let watched = schedules.watch_run(WatchRunRequest { run_id: run_id() });
            assert_eq!(refusal(watched.await.map(drop)), (code, run.to_owned()));
        }
        for (kind, page_size, skip, token, code, reason) in [
            ("Advance", 0, 0, "", Code::NotFound, "SCHEDULE_NOT_FOUND"),
            ("", -1, 0, "", Code::InvalidArgument, "INVALID_REQUEST"),
            ("", 0, -1, "", Code::InvalidArgument, "INVALID_REQUEST"),
            ("", 0, 0, "forged", Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
        ] {
            let page_token = token.to_owned();
            let page = PageRequest { page_size, skip, page_token, with_total: false };
            let request = ListRunsRequest { kind: kind.to_owned(), page: Some(page) };
            let refused = refusal(suite.schedules().list_runs(request).await);
            assert_eq!(refused, (code, reason.to_owned()));
        }
    }

    /// Schedulers that share a database do each thing once, whoever comes first; and once, too, when
    /// many planned times have passed meanwhile.
    async fn schedulers_share_the_work(suite) {
        let others = [suite.another_scheduler("all=60").await, suite.another_scheduler("all=60").await];
        let mut planned = Vec::new();
        // Runs that found nothing are forgotten after a day.
        for later in [TimeDelta::hours(20), TimeDelta::minutes(1), TimeDelta::zero()] {
            planned.insert(0, suite.now().timestamp());
            for Schedule { kind, .. } in schedules(suite).await {
                // What goes by shards is done when all parts are.
                let is_done =
                    |run: &&Run| run.state() == State::Done && [0, 64].contains(&run.shards);
                let done = |runs: &[Run]| runs.iter().filter(is_done).count() == planned.len();
                let all = async {
                    while !done(&runs(suite, &kind).await) {
                        tokio::task::yield_now().await;
                    }
                };
                in_time(&kind, all).await;
            }
            suite.set_clock(suite.now() + later);
        }
        for Schedule { kind, .. } in schedules(suite).await {
            let runs = runs(suite, &kind).await;
            let times: Vec<_> = runs.iter().map(|run| run.planned_time.unwrap().seconds).collect();
            assert_eq!(times, planned, "{kind}");
            assert!(runs.iter().flat_map(|run| &run.parts).all(|part| part.attempts == 1), "{kind}");
        }
        drop(others);
    }

    /// L-3: what goes by the shards of the accounts reaches every account, and each instance once.
    async fn a_sweep_by_shards_reaches_every_account(suite) {
        for account in ["acme", "bolt", "corp", "dune"] {
            suite.jd(account, 0).await;
            suite.register(vec![vm(account, &format!("of-{account}"), "2026-03-11 00:00")]).await;
        }
        suite.set_clock(at("2026-03-11 00:00"));
        let run = suite.sweep("expire").await;
        assert_eq!((run.state(), run.done, run.failed.len()), (State::Done, 4, 0));
        assert_eq!((run.shards, run.shards_done, run.parts.len()), (64, 64, 4));
        assert_eq!(suite.sweep("expire").await.done, 0);
        let run = suite.sweep("remind").await;
        assert_eq!((run.state(), run.failed.len()), (State::Done, 0));
    }
}
