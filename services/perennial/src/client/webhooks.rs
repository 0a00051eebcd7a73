//! `perennial webhooks …`

use platform::client::{Connection, safe};
use proto::renewal::v1::{
    CreateWebhookRequest, CreateWebhookResponse, DeleteWebhookRequest, GetWebhookRequest,
    ListDeadLettersRequest, ListDeadLettersResponse, ListWebhooksRequest, ListWebhooksResponse,
    ReplayDeadLettersRequest, RotateWebhookSecretRequest, Webhook,
    webhook_service_client::WebhookServiceClient,
};
use tonic::Response;

use super::{
    Client, RequestIdArg,
    failure::{Done, Failure},
    pages::{self, PageArgs},
};
use crate::text::{
    show,
    table::{Look, Table, facts, look},
};

/// Commands on webhooks.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Have a receiver told what happens from now on; shows the secret, this once.
    #[command(after_help = "Examples:
  perennial webhooks create https://example.com/hooks
  perennial webhooks create https://example.com/hooks --account acme --type instance.renewed

Messages are signed as Standard Webhooks say (https://www.standardwebhooks.com).")]
    Create {
        /// Where the receiver is: https://…
        url: String,
        /// Only this account's events; everybody's by default.
        #[arg(long, short, default_value = "", hide_default_value = true)]
        account: String,
        /// Only events of this type, such as order.paid; may be given several times.
        #[arg(long = "type", value_name = "TYPE")]
        types: Vec<String>,
        #[command(flatten)]
        request: RequestIdArg,
    },
    /// The webhooks, and how they go.
    #[command(after_help = "Example:
  perennial webhooks list --account acme")]
    List {
        /// Only this account's; all by default.
        #[arg(long, short, default_value = "", hide_default_value = true)]
        account: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// A webhook, and how it goes.
    #[command(after_help = "Example:
  perennial webhooks show 0196…")]
    Show {
        #[command(flatten)]
        webhook: WebhookArg,
    },
    /// Forget a webhook with all that waits for it.
    #[command(after_help = "Example:
  perennial webhooks delete 0196…")]
    Delete {
        #[command(flatten)]
        webhook: WebhookArg,
    },
    /// Make a new secret, and show it, this once; those before it sign as well for a day.
    #[command(after_help = "Example:
  perennial webhooks rotate-secret 0196…")]
    RotateSecret {
        #[command(flatten)]
        webhook: WebhookArg,
    },
    /// Messages that were not taken for 3 days and are not tried any more.
    #[command(after_help = "Example:
  perennial webhooks dead-letters 0196… --all")]
    DeadLetters {
        #[command(flatten)]
        webhook: WebhookArg,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Have dead letters tried again.
    #[command(after_help = "Examples:
  perennial webhooks replay 0196…
  perennial webhooks replay 0196… 0197… 0198…")]
    Replay {
        #[command(flatten)]
        webhook: WebhookArg,
        /// Only those of these events; all by default.
        events: Vec<String>,
    },
}

/// Which webhook.
#[derive(Debug, clap::Args)]
pub struct WebhookArg {
    /// The webhook.
    id: String,
    /// Whose it is; a customer must say so.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    account: String,
}

impl Command {
    pub async fn run(self, client: &Client) -> Result<Done, Failure> {
        match self {
            Self::Create { url, account, types, request } => {
                let request_id = client.request_id(request);
                let request = CreateWebhookRequest { request_id, account_id: account, url, types };
                let call = async || webhooks(client).create_webhook(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| created(answer, client))?;
            }
            Self::List { account, page } => list(client, account, page).await?,
            Self::Show { webhook: WebhookArg { id, account } } => {
                let request = GetWebhookRequest { webhook_id: id, account_id: account };
                let call = async || webhooks(client).get_webhook(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| {
                    answer.webhook.as_ref().map(|it| shown(it, client)).unwrap_or_default()
                })?;
            }
            Self::Delete { webhook: WebhookArg { id, account } } => {
                let request = DeleteWebhookRequest { webhook_id: id, account_id: account };
                let answer = webhooks(client).delete_webhook(request).await?;
                client.print(answer.get_ref(), |_| "deleted\n".to_owned())?;
            }
            Self::RotateSecret { webhook: WebhookArg { id, account } } => {
                let request = RotateWebhookSecretRequest { webhook_id: id, account_id: account };
                let answer = webhooks(client).rotate_webhook_secret(request).await?;
                client.print(answer.get_ref(), |answer| secret(&answer.secret))?;
            }
            Self::DeadLetters { webhook, page } => dead_letters(client, webhook, page).await?,
            Self::Replay { webhook: WebhookArg { id, account }, events } => {
                let request = ReplayDeadLettersRequest {
                    webhook_id: id,
                    event_ids: events,
                    account_id: account,
                };
                let call = async || webhooks(client).replay_dead_letters(request.clone()).await;
                let answer = safe(call).await?;
                client.print(answer.get_ref(), |answer| {
                    format!("{} tried again\n", show::counted(answer.replayed.into(), "message"))
                })?;
            }
        }
        Ok(Done::Whole)
    }
}

async fn list(client: &Client, account_id: String, page: PageArgs) -> Result<(), Failure> {
    let fetch = async |page| {
        let request = ListWebhooksRequest { account_id: account_id.clone(), page: Some(page) };
        let call = async || webhooks(client).list_webhooks(request.clone()).await;
        safe(call).await.map(Response::into_inner)
    };
    let answer: ListWebhooksResponse = pages::fetch(page, fetch).await?;
    client.print(&answer, |answer| {
        let mut table =
            Table::new(&["WEBHOOK", "ACCOUNT", "URL", ">WAITING", ">DEAD", "LAST TAKEN", "ERROR"]);
        for webhook in &answer.webhooks {
            table.row([
                webhook.webhook_id.clone(),
                show::or_nothing(&webhook.account_id),
                webhook.url.clone(),
                webhook.waiting.to_string(),
                webhook.dead_letters.to_string(),
                show::instant(webhook.last_success_time.as_ref(), client.zone),
                show::or_nothing(&webhook.last_error),
            ]);
        }
        table.text() + &pages::footer(answer)
    })
}

async fn dead_letters(
    client: &Client,
    WebhookArg { id, account }: WebhookArg,
    page: PageArgs,
) -> Result<(), Failure> {
    let fetch = async |page| {
        let request = ListDeadLettersRequest {
            webhook_id: id.clone(),
            page: Some(page),
            account_id: account.clone(),
        };
        let call = async || webhooks(client).list_dead_letters(request.clone()).await;
        safe(call).await.map(Response::into_inner)
    };
    let answer: ListDeadLettersResponse = pages::fetch(page, fetch).await?;
    client.print(&answer, |answer| {
        let mut table =
            Table::new(&["EVENT", "TYPE", "ACCOUNT", "INSTANCE", ">TRIED", "SINCE", "ERROR"]);
        for letter in &answer.letters {
            let event = letter.event.clone().unwrap_or_default();
            table.row([
                event.event_id,
                event.r#type,
                event.account_id,
                show::or_nothing(&event.instance_id),
                letter.attempts.to_string(),
                show::instant(letter.dead_time.as_ref(), client.zone),
                letter.error.clone(),
            ]);
        }
        table.text() + &pages::footer(answer)
    })
}

fn created(answer: &CreateWebhookResponse, client: &Client) -> String {
    let webhook = answer.webhook.as_ref().map(|it| shown(it, client)).unwrap_or_default();
    if answer.secret.is_empty() {
        let again =
            "made before; its secret is not shown again: webhooks rotate-secret makes another";
        return webhook + &look(again, Look::Notable) + "\n";
    }
    webhook + &secret(&answer.secret)
}

fn secret(secret: &str) -> String {
    let once = look("shown this once: keep it where the receiver finds it", Look::Notable);
    format!("{}{once}\n", facts([("secret", secret.to_owned())]))
}

fn shown(webhook: &Webhook, client: &Client) -> String {
    facts([
        ("webhook", webhook.webhook_id.clone()),
        ("account", webhook.account_id.clone()),
        ("url", webhook.url.clone()),
        ("types", webhook.types.join(" ")),
        ("made", show::instant(webhook.create_time.as_ref(), client.zone)),
        ("last taken", show::instant(webhook.last_success_time.as_ref(), client.zone)),
        ("last error", webhook.last_error.clone()),
        ("failures in a row", webhook.failures_in_a_row.to_string()),
        ("next attempt", show::instant(webhook.next_attempt_time.as_ref(), client.zone)),
        ("waiting", webhook.waiting.to_string()),
        ("dead letters", webhook.dead_letters.to_string()),
        ("secrets that sign", webhook.secrets.to_string()),
    ])
}

fn webhooks(client: &Client) -> WebhookServiceClient<Connection> {
    WebhookServiceClient::new(client.connection.clone())
}
