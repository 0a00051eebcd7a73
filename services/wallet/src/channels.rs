//! Which payment channels there are, from a file. Secrets are not in it: it says where they are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use chrono::TimeDelta;
use kernel::{Currency, ids::ChannelName};
use platform::webhook::Secret;
use serde::Deserialize;

use crate::domain::{Channel, Channels};

/// The longest that a channel may take to confirm: 30 days.
const MOST_MINUTES: u32 = 30 * 24 * 60;

/// How many secrets a channel may have: one, and its successor while they are exchanged.
const MOST_SECRETS: usize = 2;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    channels: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    currencies: Vec<String>,
    intent_minutes: u32,
    secrets: Vec<Place>,
}

/// Where a secret is: in one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    env: Option<String>,
    file: Option<PathBuf>,
}

/// The channels of `file`; none without one.
pub fn load(file: Option<&Path>) -> anyhow::Result<Channels> {
    let Some(path) = file else { return Ok(Channels::default()) };
    let load = || {
        let text = std::fs::read_to_string(path)?;
        read(&text, path.parent().unwrap_or(Path::new("")))
    };
    load().with_context(|| format!("could not read the channels of {}", path.display()))
}

/// The channels that `text` says; secrets in files are found from `folder`.
fn read(text: &str, folder: &Path) -> anyhow::Result<Channels> {
    let File { channels } = marked_yaml::from_yaml(0, text)?;
    let many = channels.len();
    let channels = channels
        .iter()
        .map(|entry| channel(entry, folder).with_context(|| format!("channel {:?}", entry.name)));
    let channels: Channels = channels.collect::<anyhow::Result<Vec<_>>>()?.into_iter().collect();
    ensure!(channels.len() == many, "two channels have one name");
    Ok(channels)
}

fn channel(entry: &Entry, folder: &Path) -> anyhow::Result<Channel> {
    let name: ChannelName = entry.name.parse().context("name")?;
    let currencies = entry.currencies.iter().map(|code| code.parse::<Currency>());
    let currencies: Vec<_> = currencies.collect::<Result<_, _>>().context("currencies")?;
    ensure!(!currencies.is_empty(), "currencies: at least one is needed");
    let minutes = entry.intent_minutes;
    ensure!((1..=MOST_MINUTES).contains(&minutes), "intent_minutes: must be 1 to {MOST_MINUTES}");
    let many = entry.secrets.len();
    ensure!((1..=MOST_SECRETS).contains(&many), "secrets: there must be 1 to {MOST_SECRETS}");
    let secrets = entry.secrets.iter().map(|place| secret(place, folder));
    let secrets = secrets.collect::<anyhow::Result<_>>()?;
    Ok(Channel { name, currencies, patience: TimeDelta::minutes(minutes.into()), secrets })
}

/// The secret that is at `place`.
fn secret(place: &Place, folder: &Path) -> anyhow::Result<Secret> {
    let (text, place) = match (&place.env, &place.file) {
        (Some(name), None) => {
            let text = variable(name);
            (text.with_context(|| format!("the variable {name} is not set"))?, name.clone())
        }
        (None, Some(path)) => {
            let path = folder.join(path);
            let text = std::fs::read_to_string(&path);
            let shown = path.display().to_string();
            (text.with_context(|| format!("could not read {shown}"))?, shown)
        }
        _ => anyhow::bail!("secrets: each has either env or file"),
    };
    text.trim().parse().with_context(|| format!("the secret in {place}"))
}

#[expect(clippy::disallowed_methods, reason = "the file of channels names the variable")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests;
