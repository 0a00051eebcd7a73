use std::sync::Arc;

use platform::status::{bad_fields, reason};
use tonic::Code;

use super::*;
use crate::{
    app::events::{Events, Limits},
    remote::RemoteReceivers,
    tests::stores::stores,
};

fn fields<T: std::fmt::Debug>(result: Result<T, Status>) -> Vec<String> {
    bad_fields(&result.unwrap_err()).into_iter().map(|(field, _)| field).collect()
}

async fn services(name: &str) -> (Vec<WebhookGrpc>, tempfile::TempDir) {
    let (stores, folder) = stores(name).await;
    let service = |store: crate::store::Store| {
        let events = Events::new(store.clone(), Limits::default());
        let receivers = Arc::new(RemoteReceivers::new(false, None).unwrap());
        let env = Env::system();
        WebhookGrpc::new(Webhooks::new(store, events, receivers, env.clone()), env)
    };
    (stores.into_iter().map(service).collect(), folder)
}

#[tokio::test]
async fn calls_about_webhooks_that_mean_nothing_are_refused() {
    let (services, _folder) = services("wh_bad").await;
    for service in services {
        let create = pb::CreateWebhookRequest {
            request_id: "1".to_owned(),
            account_id: "a b".to_owned(),
            url: String::new(),
            types: vec!["order.paid".to_owned(), "order.payed".to_owned()],
        };
        let refused = service.create_webhook(Request::new(create)).await;
        assert_eq!(fields(refused), ["request_id", "account_id", "url", "types[1]"]);
        let list = pb::ListWebhooksRequest {
            account_id: "a b".to_owned(),
            page: Some(PageRequest { page_size: -1, skip: 1, ..PageRequest::default() }),
        };
        let refused = service.list_webhooks(Request::new(list)).await;
        assert_eq!(fields(refused), ["account_id", "page.page_size", "page.skip"]);
        let id = || "x".to_owned();
        let get = service.get_webhook(Request::new(pb::GetWebhookRequest {
            webhook_id: id(),
            account_id: "a b".to_owned(),
        }));
        assert_eq!(fields(get.await), ["webhook_id", "account_id"]);
        let letters = pb::ListDeadLettersRequest {
            webhook_id: id(),
            ..pb::ListDeadLettersRequest::default()
        };
        assert_eq!(fields(service.list_dead_letters(Request::new(letters)).await), ["webhook_id"]);
        let replay = pb::ReplayDeadLettersRequest {
            webhook_id: id(),
            event_ids: vec!["y".to_owned(); 1_001],
            account_id: String::new(),
        };
        let refused = fields(service.replay_dead_letters(Request::new(replay)).await);
        assert_eq!(refused[..3], ["webhook_id", "event_ids", "event_ids[0]"]);
        let page = PageRequest { page_token: "forged".to_owned(), ..PageRequest::default() };
        let list =
            pb::ListWebhooksRequest { page: Some(page), ..pb::ListWebhooksRequest::default() };
        let refused = service.list_webhooks(Request::new(list)).await.unwrap_err();
        assert_eq!(reason(&refused).unwrap(), "PAGE_TOKEN_INVALID");
    }
}

#[tokio::test]
async fn addresses_that_nothing_may_be_sent_to_are_refused_when_the_webhook_is_made() {
    let (services, _folder) = services("wh_addresses").await;
    for service in services {
        for url in [
            "http://example.com/",
            "https://user:password@example.com/",
            "https://10.0.0.1/",
            "https://[::ffff:192.168.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://localhost/",
            &format!("https://example.com/{}", "x".repeat(2_048)),
        ] {
            let create = pb::CreateWebhookRequest {
                request_id: Env::system().next_id().to_string(),
                url: url.to_owned(),
                ..pb::CreateWebhookRequest::default()
            };
            let refused = service.create_webhook(Request::new(create)).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{url}");
            let fields: Vec<_> = bad_fields(&refused).into_iter().map(|(field, _)| field).collect();
            assert_eq!(fields, ["url"], "{url}");
        }
    }
}
