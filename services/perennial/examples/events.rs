//! A reader of the stream of events on NATS JetStream, in small: it shows what happens.
//!
//! The server remembers how far the reader of this name has come. A message is told again until it is
//! acknowledged, so acknowledge it when the work is done and durable; and keep the ids of what was done,
//! because a message that was done and not acknowledged comes again under the same id.
//!
//! ```sh
//! cargo run -p perennial --example events -- --nats-url nats://127.0.0.1:4222 --name billing
//! ```

use async_nats::jetstream::{self, consumer::pull::Config};
use clap::Parser;
use futures::StreamExt as _;
use serde_json::Value;

#[derive(Parser)]
struct Args {
    /// NATS, as `serve --nats-url` has it.
    #[arg(long, default_value = "nats://127.0.0.1:4222")]
    nats_url: String,

    /// Who reads: each name has a place of its own in the stream.
    #[arg(long, default_value = "example")]
    name: String,

    /// What is read: `perennial.renewal.instance.>` is what happens to instances.
    #[arg(long, default_value = "perennial.renewal.>")]
    subject: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let client = async_nats::connect(&args.nats_url).await?;
    let stream = jetstream::new(client).get_stream("PERENNIAL").await?;
    let config = Config {
        durable_name: Some(args.name.clone()),
        filter_subject: args.subject,
        // One after the other: events of an instance come in the order of its versions.
        max_ack_pending: 1,
        ..Config::default()
    };
    let reader = stream.get_or_create_consumer(&args.name, config).await?;
    let mut messages = reader.messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let event: Value = serde_json::from_slice(&message.payload)?;
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        println!("{} {} {} {}", text("time"), text("type"), text("subject"), event["data"]);
        message.ack().await.map_err(|error| anyhow::anyhow!(error))?;
    }
    Ok(())
}
