//! The way to a host: its address, the token, and TLS where the address says so.

use super::Failure;
use super::args::RemoteArgs;
use crate::abroad;
use crate::fault::chain;
use crate::outbound::{OutBody, Outbound, Protocol};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Sends a request to a host, with its token.
pub(super) async fn send(
    args: &RemoteArgs,
    request: http::Result<Request<OutBody>>,
) -> Result<Response<Incoming>, Failure> {
    let mut request = request.map_err(|_| bad_host(args))?;
    if let Some(token) = &args.token {
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
    let tls = abroad::tls_config(None).map_err(Failure::failed)?;
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    Ok(client.request(request).await.map_err(|error| chain(&error)))
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

/// What to do about a status, where that is more than the host says.
pub(super) fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "; say its token with --token or PICOLET_TOKEN",
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
