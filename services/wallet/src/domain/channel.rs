//! Payment channels, as they are configured.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{Currency, ids::ChannelName};
use platform::webhook::Secret;

/// A third-party payment channel.
#[derive(Debug, Clone)]
pub struct Channel {
    pub name: ChannelName,
    /// What it takes.
    pub currencies: Vec<Currency>,
    /// How long it may take to confirm.
    pub patience: TimeDelta,
    /// What it signs with: one, or two while one takes the other's place.
    pub secrets: Vec<Secret>,
}

impl Channel {
    /// When an intent that is made `now` ends: in the channel's time, and with the order at the
    /// latest.
    pub fn expires(&self, now: DateTime<Utc>, expire_by: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_add_signed(self.patience).map_or(expire_by, |end| end.min(expire_by))
    }
}

/// The channels that there are, by name.
#[derive(Debug, Clone, Default)]
pub struct Channels(BTreeMap<ChannelName, Channel>);

impl Channels {
    /// The channel called `name`.
    pub fn get(&self, name: &ChannelName) -> Option<&Channel> {
        self.0.get(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Channel> for Channels {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        Self(channels.into_iter().map(|channel| (channel.name.clone(), channel)).collect())
    }
}
