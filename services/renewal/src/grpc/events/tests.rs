use platform::status::{bad_fields, reason};

use super::*;
use crate::tests::stores::stores;

#[tokio::test]
async fn a_query_for_events_that_means_nothing_is_refused() {
    let (stores, _folder) = stores("bad_events").await;
    for store in stores {
        let events = EventGrpc::new(Events::new(store));
        let ask =
            async |request: pb::ListEventsRequest| events.list_events(Request::new(request)).await;
        let request = pb::ListEventsRequest {
            account_id: "a b".to_owned(),
            types: vec!["\0".to_owned()],
            limit: -1,
            ..pb::ListEventsRequest::default()
        };
        let fields: Vec<_> = bad_fields(&ask(request).await.unwrap_err())
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["account_id", "types[0]", "limit"]);
        let forged = pb::ListEventsRequest {
            cursor: "forged".to_owned(),
            ..pb::ListEventsRequest::default()
        };
        assert_eq!(reason(&ask(forged).await.unwrap_err()).unwrap(), "CURSOR_EXPIRED");
        let none = ask(pb::ListEventsRequest::default()).await.unwrap().into_inner();
        assert_eq!((none.events.len(), none.next_cursor.as_str()), (0, ""));
    }
}
