//! Asks each request who calls and whether they may, before anything else looks at it.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    middleware::Next,
    response::Response,
};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tonic::{
    Code, Status,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};

use super::{
    Access, Caller, Identity, Who,
    about::{About, Places},
    access::Verdict,
    tokens::Unproven,
};
use crate::{
    context::Call,
    contract::calls,
    status::{ApiError, status_of},
};

/// The largest request that is looked into, in bytes: the largest that a handler reads.
const MOST: usize = (16 << 20) + FRAME;

/// Bytes before the message in the body of a call: whether it is compressed, and its length.
const FRAME: usize = 5;

/// Calls of the standard services, which nobody has to prove anything for: probes have no token.
const OPEN: &str = "/grpc.health.v1.Health/";

/// Reflection tells the contract, which whoever has a role may read.
const REFLECTION: &str = "/grpc.reflection.";

/// Why a call is not made.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Unproven(#[from] Unproven),
    #[error("{0} may not make this call")]
    Denied(String),
    #[error("there is no such {0}")]
    NotTheirs(&'static str),
    #[error("too many calls")]
    TooMany(Duration),
    #[error("the request cannot be read")]
    Unreadable,
}

impl ApiError for Refused {
    fn code(&self) -> Code {
        match self {
            Self::Unproven(_) => Code::Unauthenticated,
            Self::Denied(_) => Code::PermissionDenied,
            Self::NotTheirs(_) => Code::NotFound,
            Self::TooMany(_) => Code::ResourceExhausted,
            Self::Unreadable => Code::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unproven(_) => "UNAUTHENTICATED",
            Self::Denied(_) => "PERMISSION_DENIED",
            Self::NotTheirs("product") => "PRODUCT_NOT_FOUND",
            Self::NotTheirs(_) => "ACCOUNT_NOT_FOUND",
            Self::TooMany(_) => "TOO_MANY_CALLS",
            Self::Unreadable => crate::status::INVALID_REQUEST,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany(pause) => Some(*pause),
            _ => None,
        }
    }
}

/// What only services do to each other: their callers' calls are noted, and what schedules do stands in
/// rows of its own.
const INTERNAL: &str = ".internal.";

/// A call of the contract.
#[derive(Debug)]
struct Method {
    descriptor: MethodDescriptor,
    places: Places,
}

/// The table of who may make each call, and how to read what a call is about.
#[derive(Debug)]
pub struct Guard {
    access: HashMap<&'static str, Access>,
    methods: HashMap<String, Method>,
    identity: Arc<Identity>,
    /// Paths of HTTP that are not calls, and prove by themselves who asks.
    routes: &'static [&'static str],
}

impl Guard {
    /// Asks for what `access` says, of the calls in `descriptors`; requests of HTTP under one of `routes`
    /// are left to their handlers.
    pub fn new(
        identity: Arc<Identity>,
        access: &[Access],
        descriptors: &[u8],
        routes: &'static [&'static str],
    ) -> anyhow::Result<Self> {
        let methods = calls(descriptors)?.into_iter().map(|(path, descriptor)| {
            let places = Places::of(&descriptor.input());
            (path, Method { descriptor, places })
        });
        let access = access.iter().map(|row| (row.method, *row)).collect();
        Ok(Self { access, methods: methods.collect(), identity, routes })
    }

    /// Lets a request through, with its [`Caller`] and its [`Call`] among its extensions, or refuses it.
    pub async fn ask(self: Arc<Self>, mut request: Request, next: Next) -> Response {
        let path = request.uri().path();
        if path.starts_with(OPEN) || self.routes.iter().any(|route| path.starts_with(route)) {
            return next.run(request).await;
        }
        match self.judge(&mut request).await {
            Ok((caller, call)) => {
                request.extensions_mut().insert(caller);
                if let Some(call) = call {
                    request.extensions_mut().insert(Arc::new(call));
                }
                next.run(request).await
            }
            Err(refused) => refusal(&refused),
        }
    }

    async fn judge(&self, request: &mut Request) -> Result<(Caller, Option<Call>), Refused> {
        let (token, chain) = proof(request);
        let certificate = chain.as_deref().and_then(|chain| chain.first());
        let caller = self.identity.caller(token.as_deref(), certificate).await?;
        self.identity.buckets.take(&caller).map_err(Refused::TooMany)?;
        let denied = || Refused::Denied(who(&caller));
        let path = request.uri().path();
        if path.starts_with(REFLECTION) {
            let access = Access { method: REFLECTION, callers: &[Who::Identified] };
            let may = access.verdict(&caller, None) == Verdict::Allowed;
            return if may { Ok((caller, None)) } else { Err(denied()) };
        }
        let access = *self.access.get(path).ok_or_else(denied)?;
        let method = self.methods.get(path).ok_or_else(denied)?;
        let verdict = access.verdict(&caller, None);
        if verdict == Verdict::Denied {
            return Err(denied());
        }
        let body = whole(request).await?;
        let message = only_message(&body)?;
        let verdict = if verdict == Verdict::Depends {
            let message = DynamicMessage::decode(method.descriptor.input(), message);
            access.verdict(&caller, Some(&message.map_err(|_| Refused::Unreadable)?))
        } else {
            verdict
        };
        match verdict {
            Verdict::Allowed => {}
            Verdict::Denied | Verdict::Depends => return Err(denied()),
            Verdict::NotTheirs(kind) => return Err(Refused::NotTheirs(kind)),
        }
        let noted = !access.method.contains(INTERNAL);
        let call = noted.then(|| self.call(&caller, access.method, method.places.read(message)));
        Ok((caller, call))
    }

    fn call(&self, caller: &Caller, method: &'static str, about: About) -> Call {
        let About { account, request } = about;
        let (caller, time) = (caller.clone(), self.identity.env.now());
        Call { caller, method, account, request, time, noted: AtomicBool::new(false) }
    }
}

/// By what a request says that its caller is known: a token, and the certificates of its connection.
fn proof(request: &Request) -> (Option<String>, Option<Arc<Vec<CertificateDer<'static>>>>) {
    let token = request.headers().get("authorization");
    let token = token.map(|value| bearer(value.to_str().unwrap_or_default()).to_owned());
    let connection = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    (token, connection.and_then(TlsConnectInfo::peer_certs))
}

/// The token of an `authorization`, whose scheme may be written in either case; empty where it is of
/// another scheme.
fn bearer(text: &str) -> &str {
    let (scheme, token) = text.split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" }
}

/// The body of a request, which keeps it as it was.
async fn whole(request: &mut Request) -> Result<Bytes, Refused> {
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let bytes = to_bytes(body, MOST).await.map_err(|_| Refused::Unreadable)?;
    *request.body_mut() = Body::from(bytes.clone());
    Ok(bytes)
}

/// The one message in the body of a call: whatever stood after it, handlers would not read, and
/// compressed ones they do not accept.
fn only_message(body: &[u8]) -> Result<&[u8], Refused> {
    let (frame, message) = body.split_first_chunk::<FRAME>().ok_or(Refused::Unreadable)?;
    let [0, length @ ..] = frame else { return Err(Refused::Unreadable) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if message.len() == length { Ok(message) } else { Err(Refused::Unreadable) }
}

fn who(caller: &Caller) -> String {
    let roles = caller.roles().unwrap_or_default();
    let roles = roles.iter().map(ToString::to_string).collect::<Vec<_>>();
    if roles.is_empty() { "a caller without a role".to_owned() } else { roles.join(", ") }
}

fn refusal(refused: &Refused) -> Response {
    let status: Status = status_of(refused);
    status.into_http()
}

#[cfg(test)]
mod tests;
