//! What a suite publishes, compared with what it says that happened.

use proto::renewal::{
    internal::v1::{PublishEventsRequest, PublishEventsResponse},
    v1::{Event, ListEventsRequest},
};
use tonic::Status;

use crate::{Suite, clients::Clients, in_time, nats::Nats};

impl Clients {
    /// Publishes what is due, a page of it.
    pub async fn publish(&self) -> Result<PublishEventsResponse, Status> {
        Ok(self.sweeps().publish_events(PublishEventsRequest {}).await?.into_inner())
    }

    /// Everything that happened, in order.
    pub async fn all_events(&self) -> Vec<Event> {
        let mut request = ListEventsRequest { limit: 1_000, ..ListEventsRequest::default() };
        let mut events = Vec::new();
        loop {
            let page = self.events().list_events(request.clone()).await.expect("events");
            let page = page.into_inner();
            events.extend(page.events);
            if !page.more {
                return events;
            }
            request.cursor = page.next_cursor;
        }
    }
}

impl Suite {
    /// Publishes until `done` says so.
    pub async fn publish_until(
        &self,
        done: impl Fn(&Result<PublishEventsResponse, Status>) -> bool,
    ) {
        let publishing = async { while !done(&self.publish().await) {} };
        in_time("publishing", publishing).await;
    }

    /// Publishes until events are told that are `complete`, and demands that the stream has each once and in
    /// order. On PostgreSQL, events wait for whatever transaction of the server began before them.
    pub async fn has_published(&self, nats: &Nats, complete: impl Fn(&[Event]) -> bool) {
        let published = async {
            loop {
                let idle = self.publish().await.is_ok_and(|published| published.due == 0);
                let events = self.all_events().await;
                if idle && complete(&events) && nats.count().await >= events.len() {
                    return events;
                }
            }
        };
        let events = in_time("publishing", published).await;
        let messages = nats.messages().await;
        let ids: Vec<_> = messages.iter().map(|message| message.id.as_str()).collect();
        assert_eq!(ids, events.iter().map(|event| event.event_id.as_str()).collect::<Vec<_>>());
        for (message, event) in messages.iter().zip(&events) {
            let kind = format!("perennial.renewal.{}", event.r#type);
            let told = &message.body;
            assert_eq!((message.subject.as_str(), told["type"].as_str()), (&*kind, Some(&*kind)));
            assert_eq!(
                (told["id"].as_str(), told["specversion"].as_str()),
                (Some(&*event.event_id), Some("1.0"))
            );
            assert_eq!(told["data"]["instance_id"], event.instance_id);
            assert_eq!(told["data"]["instance_version"], event.instance_version);
        }
    }
}
