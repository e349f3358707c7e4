//! The way to a host: its address, the token, and TLS where the address says so.

use super::Failure;
use super::args::RemoteArgs;
use crate::fault::chain;
use crate::outbound::{self, OutBody, Outbound, Protocol};
use crate::tls;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// How long a host may take until an answer begins that it has at hand, and from
/// one part of it to the next.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The same for how it fares, and whether it is there.
pub(super) const HEALTH_MAX: Duration = Duration::from_secs(5);
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Sends a request to a host, with its token. An answer to read is waited for as
/// long as [`ANSWER_MAX`]. Anything else may be work, and how long that takes is
/// for the host to bound; so first it is seen that somebody answers there at all.
pub(super) async fn send(
    args: &RemoteArgs,
    request: http::Result<Request<OutBody>>,
) -> Result<Response<Incoming>, Failure> {
    if request.as_ref().is_ok_and(|request| request.method() != Method::GET) {
        // Whatever it says: the answer to the request itself tells more.
        let alive = Request::get(address(args, "/livez")?).body(outbound::empty());
        send_within(args, alive, HEALTH_MAX).await?;
        return exchange(args, request).await;
    }
    send_within(args, request, ANSWER_MAX).await
}

/// The same where it is known how long the answer may take to begin.
pub(super) async fn send_within(
    args: &RemoteArgs,
    request: http::Result<Request<OutBody>>,
    answer_max: Duration,
) -> Result<Response<Incoming>, Failure> {
    let Ok(sent) = timeout(answer_max, exchange(args, request)).await else {
        let (host, seconds) = (&args.host, answer_max.as_secs_f64());
        return Err(Failure::Failed(format!(
            "{host} accepts connections, but has not answered for {seconds} s; \
             it hangs, or is no Picolet host: name another admin address with --host"
        )));
    };
    sent
}

async fn exchange(
    args: &RemoteArgs,
    request: http::Result<Request<OutBody>>,
) -> Result<Response<Incoming>, Failure> {
    let mut request = request.map_err(|_| bad_host(args))?;
    if let Some(token) = args.token.as_deref().filter(|token| !token.is_empty()) {
        request.headers_mut().insert(AUTHORIZATION, bearer(token)?);
    }
    let sent = if request.uri().scheme_str() == Some("https") {
        send_secure(request).await?
    } else {
        let sent = Outbound::default().send(request, Protocol::Http1).await;
        sent.map(|sent| sent.response).map_err(|error| chain(&error))
    };
    sent.map_err(|why| {
        let host = &args.host;
        Failure::Failed(format!(
            "no host answers at {host} ({why}); start one with `picolet serve`, \
             or name its admin address with --host"
        ))
    })
}

async fn send_secure(
    request: Request<OutBody>,
) -> Result<Result<Response<Incoming>, String>, Failure> {
    let client = tls::client(tls::config(None).map_err(Failure::failed)?, CONNECT_MAX);
    let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    match client.request(request).await {
        Err(error) if is_no_tls(&error) => Err(Failure::Failed(format!(
            "there is no TLS at https://{authority}; use http://{authority}"
        ))),
        sent => Ok(sent.map_err(|error| chain(&error))),
    }
}

/// Whether the other side said what TLS never says.
fn is_no_tls(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidMessage(_));
    }
    // What an I/O error holds is not its source.
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    held.map(|held| held as &(dyn Error + 'static)).or(error.source()).is_some_and(is_no_tls)
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| {
        // What was typed is not shown.
        Failure::Usage(vec!["--token has a character that no token has".to_owned()])
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What to do about a refusal, where that is more than the host says.
pub(super) fn advice(status: StatusCode, fault: &str) -> &'static str {
    match (status, fault) {
        (StatusCode::UNAUTHORIZED, _) => "; say its token with --token or PICOLET_TOKEN",
        (_, "no-such-service") => "; `picolet services` lists those that there are",
        _ => "",
    }
}

/// The address of something at a host.
pub(super) fn address(args: &RemoteArgs, path: &str) -> Result<Uri, Failure> {
    let host = args.host.trim_end_matches('/');
    let host = if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
    let address: Uri = format!("{host}{path}").parse().map_err(|_| bad_host(args))?;
    match address.scheme_str() {
        Some("http" | "https") if address.host().is_some() => Ok(address),
        _ => Err(bad_host(args)),
    }
}

fn bad_host(args: &RemoteArgs) -> Failure {
    let text = format!("--host {:?} is not an address such as http://127.0.0.1:9099", args.host);
    Failure::Usage(vec![text])
}
