//! What the suite tells of itself: traces to a collector, and metrics to whoever asks.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use proto::{renewal::v1::ListEventsRequest, scheduler::v1::RunNowRequest};
use tests::{
    Backend, Layout, Suite,
    collector::{Collector, Span, free_address},
    fixture::*,
};
use tonic::Code;

/// The methods of the calls on each trace.
fn methods_of<'s>(spans: &'s [Span], trace: &str) -> BTreeSet<&'s str> {
    let of = spans.iter().filter(|span| span.trace == trace);
    of.filter_map(|span| span.method.as_deref()).collect()
}

/// The trace of the call of `method`, once the calls of `others` are on it too.
fn trace_of(spans: &[Span], method: &str, others: &[&str]) -> Option<String> {
    let mut calls = spans.iter().filter(|span| span.method.as_deref() == Some(method));
    let on_it = |span: &&Span| {
        let methods = methods_of(spans, &span.trace);
        others.iter().all(|other| methods.contains(other))
    };
    calls.find(on_it).map(|span| span.trace.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_one_trace_through_all_services() {
    const QUOTE: &str = "perennial.catalog.v1.CatalogService/QuoteRenewals";
    const CHARGE: &str = "perennial.wallet.v1.PaymentService/Charge";
    const CHARGE_MANY: &str = "perennial.wallet.v1.PaymentService/ChargeMany";
    const CREATE: &str = "perennial.renewal.v1.OrderService/CreateRenewalOrder";
    const RENEW: &str = "perennial.renewal.internal.v1.SweepService/RenewDue";
    let mut collector = Collector::start();
    let words = collector.words();
    let suite = Suite::start_with(Backend::Postgres, Layout::FourProcesses, &words).await;
    suite.kingsoft("ksc", 1_000_000).await;
    suite
        .register(["by-hand", "by-itself"].map(|id| eip("ksc", id, "2026-03-21 00:00")).into())
        .await;

    let paid = suite.create(paid_order_of("ksc", selection(&["by-hand"], "1m"))).await;
    let order = paid.expect("a paid order").order_id;
    let all = [QUOTE, CHARGE];
    let spans = collector.spans_until(|spans| trace_of(spans, CREATE, &all).is_some());
    let trace = trace_of(spans, CREATE, &all).expect("it is there");

    // What is told of it says where it comes from.
    let request = ListEventsRequest { account_id: "ksc".to_owned(), ..<_>::default() };
    let events = suite.events().list_events(request).await.expect("events").into_inner().events;
    let of_order: Vec<_> = events.iter().filter(|event| event.order_id == order).collect();
    assert!(of_order.len() > 1, "{events:?}");
    for event in of_order {
        assert_eq!(event.trace_parent.split('-').nth(1), Some(trace.as_str()), "{event:?}");
    }

    // By itself: the scheduler begins it.
    suite.set_auto("ksc", &["by-itself"]).await;
    suite.set_clock(at("2026-03-20 00:00"));
    let run = RunNowRequest { kind: "renew".to_owned() };
    suite.schedules().run_now(run).await.expect("a run");
    let begun = |spans: &[Span]| {
        let trace = trace_of(spans, RENEW, &[QUOTE, CHARGE_MANY])?;
        let page = |span: &Span| span.trace == trace && span.name == "page";
        spans.iter().any(page).then_some(())
    };
    collector.spans_until(|spans| begun(spans).is_some());
}

/// What is told at `path` of `address`, over HTTP.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_how_calls_end_what_waits_and_what_money_moves() {
    let address = free_address();
    let words = ["--ops-listen".to_owned(), address.clone()];
    let suite = Suite::start_with(Backend::Sqlite, Layout::OneProcessOfItsOwn, &words).await;
    suite.kingsoft("ksc", 100_000).await;
    suite.register(vec![eip("ksc", "eip", "2026-03-21 00:00")]).await;
    let fee = suite.price("ksc", "eip").await;
    suite.create(paid_order_of("ksc", selection(&["eip"], "1m"))).await.expect("a paid order");
    let again = suite.create(paid_order_of("ksc", selection(&["nothing"], "1m"))).await;
    assert_eq!(again.expect_err("there is no such instance").code(), Code::NotFound);

    let told = get(&address, "/metrics");
    let create = "method=\"perennial.renewal.v1.OrderService/CreateRenewalOrder\"";
    for line in [
        format!("perennial_request_duration_seconds_count{{code=\"OK\",{create}}} 1"),
        format!("perennial_request_duration_seconds_count{{code=\"NOT_FOUND\",{create}}} 1"),
        format!("perennial_money_total{{currency=\"CNY\",kind=\"cash to revenue\"}} {fee}"),
        "perennial_money_total{currency=\"CNY\",kind=\"deposits to cash\"} 100000".to_owned(),
        "perennial_queue_length{queue=\"maker\"} 0".to_owned(),
        "perennial_schedule_lag_seconds{schedule=\"renew\"} 0".to_owned(),
    ] {
        assert!(told.lines().any(|found| found == line), "{line}\n{told}");
    }
    assert!(told.contains("perennial_database_connections{state=\"idle\"}"), "{told}");
}
