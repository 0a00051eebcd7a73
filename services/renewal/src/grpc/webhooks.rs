//! `WebhookService`: messages to commands, webhooks to messages.

use chrono::{DateTime, Utc};
use kernel::{
    Env,
    ids::{AccountId, RequestId},
};
use platform::{
    page::{PageTokenInvalid, PageTokens, page_size},
    request::RequestDigest,
    status::BadRequest,
};
use proto::{
    convert::timestamp,
    renewal::v1::{self as pb, webhook_service_server::WebhookService},
    r#type::v1::{PageRequest, PageResponse},
};
use tonic::{Request, Response, Status};
use tracing::instrument;
use uuid::Uuid;

use crate::{
    app::webhooks::{NewWebhook, Shown, Webhooks, Which},
    store::{events::kinds, webhooks::letters::Letter},
    wire::{self, count},
};

/// The most events that a call may name.
const MOST_EVENTS: usize = 1_000;

/// Serves webhooks.
#[derive(Debug)]
pub struct WebhookGrpc {
    webhooks: Webhooks,
    env: Env,
}

impl WebhookGrpc {
    /// Serves `webhooks`.
    #[must_use]
    pub const fn new(webhooks: Webhooks, env: Env) -> Self {
        Self { webhooks, env }
    }
}

#[tonic::async_trait]
impl WebhookService for WebhookGrpc {
    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn create_webhook(
        &self,
        request: Request<pb::CreateWebhookRequest>,
    ) -> Result<Response<pb::CreateWebhookResponse>, Status> {
        let new = new_webhook(request.into_inner())?;
        let (made, secret) = self.webhooks.create(new).await?;
        Ok(Response::new(pb::CreateWebhookResponse {
            webhook: Some(webhook_message(made, self.env.now())),
            secret: secret.unwrap_or_default(),
        }))
    }

    #[instrument(skip_all, fields(webhook.id = request.get_ref().webhook_id))]
    async fn get_webhook(
        &self,
        request: Request<pb::GetWebhookRequest>,
    ) -> Result<Response<pb::GetWebhookResponse>, Status> {
        let pb::GetWebhookRequest { webhook_id, account_id } = request.into_inner();
        let found = self.webhooks.get(&which(&webhook_id, &account_id)?).await?;
        let webhook = Some(webhook_message(found, self.env.now()));
        Ok(Response::new(pb::GetWebhookResponse { webhook }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn list_webhooks(
        &self,
        request: Request<pb::ListWebhooksRequest>,
    ) -> Result<Response<pb::ListWebhooksResponse>, Status> {
        let mut request = request.into_inner();
        let page = request.page.take();
        let tokens = PageTokens::of("ListWebhooks", &request);
        let mut bad = BadRequest::default();
        let account = wire::optional_id::<AccountId>(&mut bad, "account_id", &request.account_id);
        let Part { after, size, with_total } = part::<Uuid>(bad, page, &tokens)?;
        let found = self.webhooks.list(account.as_ref(), after, size + 1).await?;
        let (found, mut page) = cut(found, size, &tokens, |one| one.webhook.id.to_string());
        if with_total {
            let total = self.webhooks.total(account.as_ref()).await?;
            page.total_size = Some(i64::try_from(total).unwrap_or(i64::MAX));
        }
        let now = self.env.now();
        Ok(Response::new(pb::ListWebhooksResponse {
            webhooks: found.into_iter().map(|one| webhook_message(one, now)).collect(),
            page: Some(page),
        }))
    }

    #[instrument(skip_all, fields(webhook.id = request.get_ref().webhook_id))]
    async fn delete_webhook(
        &self,
        request: Request<pb::DeleteWebhookRequest>,
    ) -> Result<Response<pb::DeleteWebhookResponse>, Status> {
        let pb::DeleteWebhookRequest { webhook_id, account_id } = request.into_inner();
        self.webhooks.delete(&which(&webhook_id, &account_id)?).await?;
        Ok(Response::new(pb::DeleteWebhookResponse {}))
    }

    #[instrument(skip_all, fields(webhook.id = request.get_ref().webhook_id))]
    async fn rotate_webhook_secret(
        &self,
        request: Request<pb::RotateWebhookSecretRequest>,
    ) -> Result<Response<pb::RotateWebhookSecretResponse>, Status> {
        let pb::RotateWebhookSecretRequest { webhook_id, account_id } = request.into_inner();
        let secret = self.webhooks.rotate(&which(&webhook_id, &account_id)?).await?;
        Ok(Response::new(pb::RotateWebhookSecretResponse { secret }))
    }

    #[instrument(skip_all, fields(webhook.id = request.get_ref().webhook_id))]
    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
        let mut request = request.into_inner();
        let page = request.page.take();
        let tokens = PageTokens::of("ListDeadLetters", &request);
        let mut bad = BadRequest::default();
        let which = named(&mut bad, &request.webhook_id, &request.account_id);
        let Part { after, size, with_total } = part::<i64>(bad, page, &tokens)?;
        let total = self.webhooks.get(&which).await?.counts.dead;
        let after = after.unwrap_or(0);
        let found = self.webhooks.dead_letters(which.id, after, size + 1).await?;
        let place = |letter: &Letter| letter.place.unwrap_or_default().to_string();
        let (found, mut page) = cut(found, size, &tokens, place);
        page.total_size = with_total.then_some(total);
        let letters = found.into_iter().map(letter_message).collect();
        Ok(Response::new(pb::ListDeadLettersResponse { letters, page: Some(page) }))
    }

    #[instrument(skip_all, fields(webhook.id = request.get_ref().webhook_id))]
    async fn replay_dead_letters(
        &self,
        request: Request<pb::ReplayDeadLettersRequest>,
    ) -> Result<Response<pb::ReplayDeadLettersResponse>, Status> {
        let pb::ReplayDeadLettersRequest { webhook_id, event_ids, account_id } =
            request.into_inner();
        let mut bad = BadRequest::default();
        let which = named(&mut bad, &webhook_id, &account_id);
        if event_ids.len() > MOST_EVENTS {
            bad.note("event_ids", format!("must be at most {MOST_EVENTS}"));
        }
        let ids = event_ids.iter().take(MOST_EVENTS).enumerate();
        let events: Vec<_> =
            ids.filter_map(|(at, id)| uuid(&mut bad, format!("event_ids[{at}]"), id)).collect();
        bad.finish()?;
        let replayed = self.webhooks.replay(&which, &events).await?;
        let replayed = count(u32::try_from(replayed).unwrap_or(u32::MAX));
        Ok(Response::new(pb::ReplayDeadLettersResponse { replayed }))
    }
}

fn new_webhook(request: pb::CreateWebhookRequest) -> Result<NewWebhook, Status> {
    let content = pb::CreateWebhookRequest { request_id: String::new(), ..request.clone() };
    let digest = RequestDigest::of("CreateWebhook", &content);
    let pb::CreateWebhookRequest { request_id, account_id, url, types } = request;
    let mut bad = BadRequest::default();
    let request = uuid(&mut bad, "request_id", &request_id);
    let account = wire::optional_id::<AccountId>(&mut bad, "account_id", &account_id);
    if url.is_empty() {
        bad.note("url", "is required");
    }
    if types.len() > kinds::ALL.len() {
        bad.note("types", format!("must be at most {}", kinds::ALL.len()));
    }
    for (at, kind) in types.iter().enumerate().take(kinds::ALL.len()) {
        if !kinds::ALL.contains(&kind.as_str()) {
            bad.note(format!("types[{at}]"), "must be a type of event");
        }
    }
    match request {
        Some(request) if bad.is_empty() => {
            Ok(NewWebhook { request: RequestId(request), digest, account, url, types })
        }
        _ => Err(bad.into_status()),
    }
}

fn uuid(bad: &mut BadRequest, field: impl Into<String>, text: &str) -> Option<Uuid> {
    bad.field(field, text.parse().map_err(|_| "must be a UUID"))
}

fn which(id: &str, account: &str) -> Result<Which, Status> {
    let mut bad = BadRequest::default();
    let which = named(&mut bad, id, account);
    bad.finish().map(|()| which)
}

/// Which webhook is asked for; of no use where something was noted.
fn named(bad: &mut BadRequest, id: &str, account: &str) -> Which {
    let id = uuid(bad, "webhook_id", id).unwrap_or_default();
    Which { id, account: wire::optional_id(bad, "account_id", account) }
}

/// Which part of a list is asked for.
struct Part<T> {
    /// What it begins after.
    after: Option<T>,
    /// How many rows it has.
    size: u32,
    /// Whether the rows of all parts are to be counted.
    with_total: bool,
}

fn part<T: std::str::FromStr>(
    mut bad: BadRequest,
    page: Option<PageRequest>,
    tokens: &PageTokens,
) -> Result<Part<T>, Status> {
    let page = page.unwrap_or_default();
    let size = bad.field("page.page_size", page_size(page.page_size));
    if page.skip != 0 {
        bad.note("page.skip", "is not offered here");
    }
    let (Some(size), true) = (size, bad.is_empty()) else { return Err(bad.into_status()) };
    let position = tokens.read(&page.page_token)?;
    let position = position.map(|text| text.parse().map_err(|_| PageTokenInvalid));
    Ok(Part { after: position.transpose()?, size, with_total: page.with_total })
}

/// The first `size` of what was found, and where the list goes on behind them.
fn cut<T>(
    mut found: Vec<T>,
    size: u32,
    tokens: &PageTokens,
    position: impl Fn(&T) -> String,
) -> (Vec<T>, PageResponse) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|last| tokens.issue(&position(last)));
    let page = PageResponse { next_page_token: next.unwrap_or_default(), total_size: None };
    (found, page)
}

fn webhook_message(shown: Shown, now: DateTime<Utc>) -> pb::Webhook {
    let Shown { webhook, counts } = shown;
    let signing = webhook.signing(now).count();
    pb::Webhook {
        webhook_id: webhook.id.to_string(),
        account_id: webhook.account.map(String::from).unwrap_or_default(),
        url: webhook.url,
        types: webhook.types,
        create_time: Some(timestamp(webhook.create_time)),
        last_success_time: webhook.last_success.map(timestamp),
        last_error: webhook.error,
        failures_in_a_row: webhook.failures,
        next_attempt_time: Some(webhook.next_attempt).filter(|time| *time > now).map(timestamp),
        waiting: counts.waiting,
        dead_letters: counts.dead,
        secrets: i32::try_from(signing).unwrap_or(i32::MAX),
    }
}

fn letter_message(letter: Letter) -> pb::DeadLetter {
    pb::DeadLetter {
        event: Some(letter.event),
        attempts: letter.attempts,
        first_attempt_time: letter.first_attempt.map(timestamp),
        dead_time: letter.dead_time.map(timestamp),
        error: letter.error,
    }
}

#[cfg(test)]
mod tests;
