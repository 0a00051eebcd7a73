//! Webhooks: where they may lead, when a message is tried again, and when a receiver is left alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::TimeDelta;
use hyper::{Uri, http::uri::Scheme};

/// The longest address of a receiver, in bytes.
pub const LONGEST_URL: usize = 2_048;

/// How long a message is tried: after that it is a dead letter.
pub const GIVE_UP: TimeDelta = TimeDelta::days(3);

/// So many failures in a row mean that the receiver does not work, and not that it does not like a
/// message.
pub const BROKEN: i32 = 5;

/// How long an earlier secret signs on after it was replaced.
pub const OVERLAP: TimeDelta = TimeDelta::days(1);

/// The most secrets of a webhook that sign at once.
pub const MOST_SECRETS: usize = 5;

/// The address of a receiver: an absolute one of HTTPS, or of HTTP too where `private` addresses are
/// allowed. Errors are the rest of a sentence that begins with the field's name.
pub fn url(text: &str, private: bool) -> Result<Uri, String> {
    if text.len() > LONGEST_URL {
        return Err(format!("must be at most {LONGEST_URL} bytes"));
    }
    if text.contains('#') {
        return Err("must have no fragment".to_owned());
    }
    let uri: Uri = text.parse().map_err(|_| "must be an address such as https://host/path")?;
    let plain = private && uri.scheme() == Some(&Scheme::HTTP);
    if uri.scheme() != Some(&Scheme::HTTPS) && !plain {
        return Err("must begin with https://".to_owned());
    }
    let authority = uri.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
    if authority.contains('@') {
        return Err("must hold no user and no password".to_owned());
    }
    if uri.host().unwrap_or_default().is_empty() || uri.port_u16() == Some(0) {
        return Err("must name a host, and a port that there is if any".to_owned());
    }
    if let Ok(address) = host(&uri).parse()
        && !private
        && !is_public(address)
    {
        return Err("must not lead to a private address".to_owned());
    }
    Ok(uri)
}

/// The host of an address, without the brackets of IPv6.
#[must_use]
pub fn host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// What no message may be sent to: this host and its networks, addresses of no single host, those that
/// lead on to other ones, and those under which clouds tell their virtual machines secrets.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10), // carriers; Alibaba's metadata
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's metadata
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local; most metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24), // protocols; Oracle's metadata
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The part of IPv6 whose addresses are given to hosts of the Internet.
const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What of it is not: protocols and tunnels, which may lead to any address of IPv4, and examples.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether `address` is one of a host on the Internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let within = |&(network, bits): &(Ipv4Addr, u32)| {
                (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
            };
            !NOT_PUBLIC_V4.iter().any(within)
        }
        IpAddr::V6(address) => {
            let within = |&(network, bits): &(Ipv6Addr, u32)| {
                (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
            };
            within(&PUBLIC_V6) && !NOT_PUBLIC_V6.iter().any(within)
        }
    }
}

/// How long to wait before a message is tried again that has been tried `attempts` times: 5 s at
/// first, 8 h at the most.
#[must_use]
pub fn backoff(attempts: i32) -> TimeDelta {
    const SECONDS: [i64; 9] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800];
    let step = usize::try_from(attempts.max(1) - 1).unwrap_or(0);
    TimeDelta::seconds(SECONDS[step.min(SECONDS.len() - 1)])
}

/// How long a receiver is left alone that has failed `failures` times in a row: not at all before it
/// is [`BROKEN`], then 5 s, doubling, half an hour at the most.
#[must_use]
pub fn pause(failures: i32) -> Option<TimeDelta> {
    let beyond = u32::try_from(failures - BROKEN).ok()?;
    Some(TimeDelta::seconds((5_i64 << beyond.min(9)).min(1_800)))
}

#[cfg(test)]
mod tests;
