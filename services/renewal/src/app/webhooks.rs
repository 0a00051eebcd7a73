//! Webhooks: telling receivers over HTTP what happens.

pub mod deliver;
mod error;

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use kernel::{
    Env,
    ids::{AccountId, RequestId},
};
use platform::{database::retry, request::RequestDigest};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use self::error::WebhookError;
use super::events::Events;
use crate::{
    domain::webhook::{MOST_SECRETS, OVERLAP, url},
    store::{
        Store, accounts,
        webhooks::{
            self, SigningSecret, Webhook,
            letters::{self, Counts, Letter},
        },
    },
};

/// The most webhooks of an account, and of those that tell of everybody.
pub const MOST: u64 = 20;

/// Random ids that a secret is made of: each has at least 32 bits that nobody can guess.
const IDS_OF_A_SECRET: usize = 10;

/// A message to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event's id: a repeat has the same.
    pub id: String,
    /// When it is sent, in seconds since 1970.
    pub timestamp: i64,
    /// One signature for each secret, with blanks between them.
    pub signatures: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why a receiver did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Nothing may be sent there.
    #[error("the address {0}")]
    Refused(String),
    /// There was no connection, or it broke.
    #[error("the receiver could not be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the receiver did not answer in time")]
    TimedOut,
    /// It said no; a redirect is a no.
    #[error("the receiver answered {0}")]
    Answered(u16),
}

impl PostError {
    /// In one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "ADDRESS_REFUSED",
            Self::Unreachable(_) => "UNREACHABLE",
            Self::TimedOut => "TIMED_OUT",
            Self::Answered(_) => "NOT_TAKEN",
        }
    }
}

/// Receivers: whoever is to be told over HTTP.
#[async_trait]
pub trait Receivers: fmt::Debug + Send + Sync {
    /// Whether private addresses are allowed, and plain HTTP to them.
    fn private(&self) -> bool;

    /// Why nothing may be sent to `url` as its name leads now; nothing if something may, or if nobody
    /// can tell now.
    async fn refusal(&self, url: &str) -> Option<String>;

    /// Sends a message, and waits for the answer.
    async fn post(&self, url: &str, message: Message) -> Result<(), PostError>;
}

/// What a webhook is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Chosen by the caller.
    pub request: RequestId,
    /// What makes two requests the same.
    pub digest: RequestDigest,
    /// Whose events; none: everybody's.
    pub account: Option<AccountId>,
    /// Where the receiver is.
    pub url: String,
    /// Types of events; empty: all.
    pub types: Vec<String>,
}

/// A webhook, and how much of what it is to be told it has not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The webhook.
    pub webhook: Webhook,
    /// Its letters.
    pub counts: Counts,
}

/// Which webhook somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// Its id.
    pub id: Uuid,
    /// Whose it must be: another's is not there for whoever asks; none: whosever it is.
    pub account: Option<AccountId>,
}

impl From<Uuid> for Which {
    fn from(id: Uuid) -> Self {
        Self { id, account: None }
    }
}

impl Which {
    fn among(&self, found: Option<Webhook>) -> Result<Webhook, WebhookError> {
        let theirs = |it: &Webhook| self.account.is_none() || it.account == self.account;
        found.filter(theirs).ok_or(WebhookError::NotFound(self.id))
    }
}

/// The operations on webhooks. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Webhooks {
    store: Store,
    events: Events,
    receivers: Arc<dyn Receivers>,
    /// Places of deliveries in this process.
    places: Arc<Semaphore>,
    env: Env,
}

impl Webhooks {
    /// Webhooks kept in `store`, which tell `events` to `receivers`.
    #[must_use]
    pub fn new(store: Store, events: Events, receivers: Arc<dyn Receivers>, env: Env) -> Self {
        let places = Arc::new(Semaphore::new(deliver::AT_ONCE));
        Self { store, events, receivers, places, env }
    }

    /// Makes a webhook that tells what happens from now on, and its secret, which nobody is told
    /// again: a repeat of the request is answered without it (O-3).
    pub async fn create(&self, new: NewWebhook) -> Result<(Shown, Option<String>), WebhookError> {
        url(&new.url, self.receivers.private()).map_err(WebhookError::Url)?;
        if let Some(why) = self.receivers.refusal(&new.url).await {
            return Err(WebhookError::Url(why));
        }
        let position = outbox::newest(self.store.database()).await?;
        let (webhook, made) = retry(|| self.try_create(&new, &position)).await?;
        let secret = webhook.secrets.first().filter(|_| made).map(|it| it.secret.clone());
        Ok((Shown { webhook, counts: Counts::default() }, secret))
    }

    async fn try_create(
        &self,
        new: &NewWebhook,
        position: &str,
    ) -> Result<(Webhook, bool), WebhookError> {
        let (id, now) = (id_of(new.request), self.env.now());
        let transaction = self.store.begin().await?;
        if let Some(known) = webhooks::get(&transaction, id).await? {
            let same = known.was_made_by(new.digest);
            return if same { Ok((known, false)) } else { Err(WebhookError::RequestIdReused) };
        }
        if let Some(account) = &new.account
            && accounts::get_locked(&transaction, account).await?.is_none()
        {
            return Err(WebhookError::AccountNotFound(account.clone()));
        }
        if webhooks::count(&transaction, new.account.as_ref()).await? >= MOST {
            return Err(WebhookError::TooMany);
        }
        let webhook = Webhook {
            id,
            account: new.account.clone(),
            url: new.url.clone(),
            types: new.types.clone(),
            digest: new.digest.to_vec(),
            secrets: vec![self.new_secret()],
            position: position.to_owned(),
            failures: 0,
            error: String::new(),
            next_attempt: now,
            claim: 0,
            next_place: 1,
            last_success: None,
            create_time: now,
        };
        if !webhooks::insert(&transaction, &webhook).await? {
            return Err(WebhookError::Busy);
        }
        transaction.commit().await?;
        Ok((webhook, true))
    }

    fn new_secret(&self) -> SigningSecret {
        let ids = std::iter::repeat_with(|| self.env.next_id()).take(IDS_OF_A_SECRET);
        let digest = ids.fold(Sha256::new(), Sha256::chain_update);
        let secret = format!("whsec_{}", STANDARD.encode(digest.finalize()));
        SigningSecret { secret, until: None }
    }

    /// The webhook.
    pub async fn get(&self, which: &Which) -> Result<Shown, WebhookError> {
        let webhook = webhooks::get(self.store.reader(), which.id).await?;
        let webhook = which.among(webhook)?;
        Ok(self.shown(vec![webhook]).await?.remove(0))
    }

    /// At most `limit` webhooks of `account`, or of everybody, with an id above `after`, by id.
    pub async fn list(
        &self,
        account: Option<&AccountId>,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Shown>, WebhookError> {
        let found = webhooks::list(self.store.reader(), account, after, limit.into()).await?;
        self.shown(found).await
    }

    /// How many webhooks [`Webhooks::list`] has in all.
    pub async fn total(&self, account: Option<&AccountId>) -> Result<u64, WebhookError> {
        Ok(webhooks::total(self.store.reader(), account).await?)
    }

    async fn shown(&self, webhooks: Vec<Webhook>) -> Result<Vec<Shown>, WebhookError> {
        let ids: Vec<_> = webhooks.iter().map(|webhook| webhook.id).collect();
        let counts: HashMap<_, _> = letters::counts(self.store.reader(), &ids).await?;
        let shown = |webhook: Webhook| Shown {
            counts: counts.get(&webhook.id).copied().unwrap_or_default(),
            webhook,
        };
        Ok(webhooks.into_iter().map(shown).collect())
    }

    /// Forgets a webhook with all that waits for it.
    pub async fn delete(&self, which: &Which) -> Result<(), WebhookError> {
        let delete = async || {
            let transaction = self.store.begin().await?;
            let webhook = which.among(webhooks::get_locked(&transaction, which.id).await?)?;
            webhooks::delete(&transaction, webhook.id).await?;
            transaction.commit().await?;
            Ok(())
        };
        retry(delete).await
    }

    /// Makes a new secret, which nobody is told again. Those before it sign as well for a day.
    pub async fn rotate(&self, which: &Which) -> Result<String, WebhookError> {
        let new = self.new_secret();
        let rotate = async || {
            let now = self.env.now();
            let transaction = self.store.begin().await?;
            let webhook = which.among(webhooks::get_locked(&transaction, which.id).await?)?;
            let end = (now + OVERLAP).timestamp_micros();
            let before = webhook.signing(now).map(|secret| SigningSecret {
                until: Some(secret.until.unwrap_or(end)),
                ..secret.clone()
            });
            let secrets: Vec<_> = std::iter::once(new.clone()).chain(before).collect();
            if secrets.len() > MOST_SECRETS {
                return Err(WebhookError::TooManySecrets);
            }
            webhooks::save_secrets(&transaction, webhook.id, &secrets).await?;
            transaction.commit().await?;
            Ok(())
        };
        retry(rotate).await?;
        Ok(new.secret)
    }

    /// At most `limit` dead letters of the webhook whose place is above `after`, in order.
    pub async fn dead_letters(
        &self,
        id: Uuid,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Letter>, WebhookError> {
        Ok(letters::dead(self.store.reader(), id, after, limit.into()).await?)
    }

    /// Has dead letters tried again, those of `events` (none: all), and tells how many.
    pub async fn replay(&self, which: &Which, events: &[Uuid]) -> Result<u64, WebhookError> {
        let replay = async || {
            let now = self.env.now();
            let transaction = self.store.begin().await?;
            let id = which.among(webhooks::get_locked(&transaction, which.id).await?)?.id;
            let revived = letters::revive(&transaction, id, events, now).await?;
            if revived > 0 {
                webhooks::wake(&transaction, id, now).await?;
                transaction.commit().await?;
            }
            Ok(revived)
        };
        retry(replay).await
    }

    /// Forgets dead letters that have been dead for more than `days` at `now`, and tells how many.
    pub async fn purge(&self, now: DateTime<Utc>, days: u32) -> Result<u64, WebhookError> {
        let horizon = now - TimeDelta::days(days.into());
        Ok(letters::purge(self.store.database().writer(), horizon).await?)
    }
}

/// Everyone who computes it comes to the same, so that a repeat makes no second webhook (O-3).
fn id_of(request: RequestId) -> Uuid {
    let digest = Sha256::new().chain_update(b"perennial.webhook").chain_update(request.0);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests;
