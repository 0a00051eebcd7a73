use platform::status::{bad_fields, reason};

use super::*;
use crate::{app::events::Limits, tests::stores::stores};

#[tokio::test]
async fn a_query_for_events_that_means_nothing_is_refused() {
    let (stores, _folder) = stores("bad_events").await;
    for store in stores {
        let events = EventGrpc::new(Events::new(store, Limits::default()));
        let ask =
            async |request: pb::ListEventsRequest| events.list_events(Request::new(request)).await;
        let request = pb::ListEventsRequest {
            account_id: "a b".to_owned(),
            types: vec!["\0".to_owned()],
            limit: -1,
            product_id: "p q".to_owned(),
            ..pb::ListEventsRequest::default()
        };
        let fields: Vec<_> = bad_fields(&ask(request).await.unwrap_err())
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["account_id", "types[0]", "product_id", "limit"]);
        let forged = pb::ListEventsRequest {
            cursor: "forged".to_owned(),
            ..pb::ListEventsRequest::default()
        };
        assert_eq!(reason(&ask(forged).await.unwrap_err()).unwrap(), "CURSOR_EXPIRED");
        let none = ask(pb::ListEventsRequest::default()).await.unwrap().into_inner();
        assert_eq!((none.events.len(), none.next_cursor.as_str()), (0, ""));
    }
}

#[tokio::test]
async fn a_watch_that_means_nothing_is_refused() {
    let (stores, _folder) = stores("bad_watch").await;
    for store in stores {
        let events = EventGrpc::new(Events::new(store, Limits::default()));
        let ask = async |request: pb::WatchEventsRequest| {
            let watch = events.watch_events(Request::new(request)).await;
            watch.err().expect("the watch is refused")
        };
        let request = pb::WatchEventsRequest {
            account_id: "a b".to_owned(),
            types: vec!["\0".to_owned()],
            product_id: "p q".to_owned(),
            cursor: "forged".to_owned(),
            from_now: true,
        };
        let fields: Vec<_> =
            bad_fields(&ask(request).await).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["account_id", "types[0]", "product_id", "from_now"]);
        let forged = pb::WatchEventsRequest {
            cursor: "forged".to_owned(),
            ..pb::WatchEventsRequest::default()
        };
        assert_eq!(reason(&ask(forged).await).unwrap(), "CURSOR_EXPIRED");
    }
}

#[tokio::test]
async fn there_are_so_many_watches_and_no_more() {
    let (stores, _folder) = stores("many_watches").await;
    for store in stores {
        let events = EventGrpc::new(Events::new(store, Limits::default()));
        let watch =
            async || events.watch_events(Request::new(pb::WatchEventsRequest::default())).await;
        let mut watches = Vec::new();
        for _ in 0..1_000 {
            watches.push(watch().await.unwrap());
        }
        let refused = watch().await.err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(reason(&refused).unwrap(), "TOO_MANY_WATCHERS");
        watches.pop();
        watch().await.unwrap();
    }
}
