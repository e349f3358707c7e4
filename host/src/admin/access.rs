//! Who may use the admin side: whoever has its token, where it has one.
//!
//! Programs send the token with each request. Browsers show it once and get a
//! cookie for it, which says until when it holds and is authenticated by the
//! token itself: nothing of a session is kept, and another token ends them all.

mod tries;

use super::Refused;
use super::described::{Operation, Paths, count, count_or_null, object, path};
use crate::cookie;
use crate::digest::hex;
use crate::settings::Token;
use ::http::header::{AUTHORIZATION, ORIGIN, SET_COOKIE};
use ::http::{HeaderMap, Method, StatusCode};
use axum::extract::{ConnectInfo, Extension, Request, State as AxumState};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tracing::{info, warn};
use tries::{Tries, Try};

/// What the admin side asks of whoever asks it. Clones share it.
#[derive(Clone)]
pub(crate) struct Access {
    token: Option<Token>,
    is_registry_open: bool,
    tries: Arc<Mutex<Tries>>,
}

/// By what a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing is asked.
    Open,
    Token,
    Session,
}

/// Why a request does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It shows nothing, or a session that is over.
    Nothing,
    WrongToken,
    /// A page of another origin may have sent it.
    Foreign,
}

/// How long a session holds.
const SESSION_TIME: Duration = Duration::from_secs(12 * 60 * 60);

impl Access {
    pub(crate) fn new(token: Option<Token>, is_registry_open: bool) -> Self {
        Self { token, is_registry_open, tries: Arc::default() }
    }

    /// Whether anything is asked.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether programs may register without the token.
    pub(super) fn is_registry_open(&self) -> bool {
        self.is_registry_open
    }

    fn judge(&self, verb: &Method, headers: &HeaderMap, now: SystemTime) -> Result<Way, Kept> {
        let Some(token) = &self.token else {
            // A page that is kept from an answer by its browser still takes a place, or
            // the events of a group. Whoever follows a link sees what comes.
            let is_link = verb.is_safe() && is_opened(headers);
            let is_let_in = is_of_own_site(headers) || is_link;
            return if is_let_in { Ok(Way::Open) } else { Err(Kept::Foreign) };
        };
        if let Some(shown) = headers.get(AUTHORIZATION) {
            let shown = bearer(shown.as_bytes()).unwrap_or_default();
            return if is_token(token, shown) { Ok(Way::Token) } else { Err(Kept::WrongToken) };
        }
        if !cookie::sessions(headers).any(|session| is_session(token, session, now)) {
            return Err(Kept::Nothing);
        }
        if is_own_page(verb, headers) { Ok(Way::Session) } else { Err(Kept::Foreign) }
    }

    fn note_wrong(&self, from: IpAddr) -> Try {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.note(from, Instant::now())
    }

    /// The cookie of a session that ends then.
    fn cookie(&self, headers: &HeaderMap, now: SystemTime) -> Option<String> {
        let token = self.token.as_ref()?;
        let until = seconds(now + SESSION_TIME);
        let (name, path, max) = (cookie::SESSION, cookie::SESSION_PATH, SESSION_TIME.as_secs());
        let mac = hex(&session_mac(token, until).finalize().into_bytes());
        let is_secure = |origin: &str| origin.starts_with("https://");
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let secure = if origin.is_some_and(is_secure) { "; Secure" } else { "" };
        Some(format!(
            "{name}={until}.{mac}; Path={path}; Max-Age={max}; HttpOnly; SameSite=Strict{secure}"
        ))
    }
}

/// Lets a request on if it shows what is asked.
pub(super) async fn demand(
    AxumState(access): AxumState<Access>,
    mut request: Request,
    next: Next,
) -> Response {
    match access.judge(request.method(), request.headers(), SystemTime::now()) {
        Ok(way) => {
            request.extensions_mut().insert(way);
            next.run(request).await
        }
        Err(kept) => access.refuse(kept, &request).into_response(),
    }
}

/// The same of pages alone, where programs need show nothing. A page may call this
/// host by a name of its own.
pub(super) async fn demand_of_pages(
    access: AxumState<Access>,
    request: Request,
    next: Next,
) -> Response {
    if request.headers().contains_key(ORIGIN) {
        demand(access, request, next).await
    } else {
        next.run(request).await
    }
}

impl Access {
    fn refuse(&self, kept: Kept, request: &Request) -> Refused {
        let unauthorized =
            |message: &str| Refused::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        match kept {
            Kept::Nothing => {
                unauthorized("the admin side asks for its token: authorization: Bearer TOKEN")
            }
            Kept::Foreign => {
                let message = if self.has_token() {
                    "a change by session has to come from a page of the admin side"
                } else {
                    "pages of other sites and ports are not answered"
                };
                Refused::new(StatusCode::FORBIDDEN, "forbidden", message)
            }
            Kept::WrongToken => {
                let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
                let from = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.ip());
                match self.note_wrong(from) {
                    Try::Counted => warn!(%from, path = request.uri().path(), "wrong token"),
                    Try::Last => warn!(%from, "wrong tokens, more are not logged for a minute"),
                    Try::TooMany => {
                        let message = "too many wrong tokens came from this address";
                        let status = StatusCode::TOO_MANY_REQUESTS;
                        return Refused::new(status, "too-many-tries", message);
                    }
                }
                unauthorized("this is not the token of the admin side")
            }
        }
    }
}

/// Begins a session of a browser.
pub(super) async fn begin_session(
    AxumState(access): AxumState<Access>,
    Extension(way): Extension<Way>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if way == Way::Session {
        let message = "a session is begun with the token and not with a session";
        return Err(Refused::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let Some(cookie) = access.cookie(&headers, SystemTime::now()) else {
        return Ok(axum::Json(json!({ "seconds": null })).into_response());
    };
    info!("session of a browser begun");
    let body = axum::Json(json!({ "seconds": SESSION_TIME.as_secs() }));
    Ok(([(SET_COOKIE, cookie)], body).into_response())
}

/// Has the browser forget its session.
pub(super) async fn end_session() -> Response {
    let (name, path) = (cookie::SESSION, cookie::SESSION_PATH);
    let cookie = format!("{name}=; Path={path}; Max-Age=0; HttpOnly; SameSite=Strict");
    ([(SET_COOKIE, cookie)], axum::Json(json!({ "seconds": 0 }))).into_response()
}

/// For the description of the API.
pub(super) fn described() -> Paths {
    let told = |seconds: Value| object(&["seconds"], json!({ "seconds": seconds }));
    let begin = "Begins a session of a browser: a cookie in the place of the token";
    let begin = Operation::new("beginSession", begin)
        .answers("how long it holds; null where no token is asked for", told(count_or_null()))
        .refuses(403, "asked for with a session, or by a foreign page");
    let end = Operation::new("endSession", "Has the browser forget its session")
        .answers("nothing is left of it", told(count()));
    vec![("/admin/v1/session", path([("post", begin), ("delete", end)]))]
}

/// What follows the word `Bearer`.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Compares by authentication codes, which takes as long whatever is different.
fn is_token(token: &Token, shown: &[u8]) -> bool {
    let own = keyed(token, &[b"token ", token.as_bytes()]).finalize().into_bytes();
    keyed(token, &[b"token ", shown]).verify(&own).is_ok()
}

fn is_session(token: &Token, shown: &[u8], now: SystemTime) -> bool {
    let shown = str::from_utf8(shown).unwrap_or_default();
    let Some((until, mac)) = shown.split_once('.') else { return false };
    let (Ok(until), Some(mac)) = (until.parse::<u64>(), unhex(mac)) else { return false };
    // The code first: what it does not cover is nobody's session.
    session_mac(token, until).verify_slice(&mac).is_ok() && seconds(now) < until
}

fn session_mac(token: &Token, until: u64) -> Hmac<Sha256> {
    keyed(token, &[b"session ", &until.to_le_bytes()])
}

fn keyed(token: &Token, parts: &[&[u8]]) -> Hmac<Sha256> {
    // Takes keys of any length; a block of zeros is never reached.
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes())
        .unwrap_or_else(|_| Hmac::<Sha256>::new(&[0; 64].into()));
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// Whether a request with a cookie was sent by a page of the admin side, or by
/// somebody who typed its address. Other ports of the same machine get the
/// cookie, too, so `SameSite` does not tell that.
fn is_own_page(verb: &Method, headers: &HeaderMap) -> bool {
    // The guard has seen to it that an origin is that of the admin side.
    is_of_own_site(headers) && (verb.is_safe() || headers.contains_key(ORIGIN))
}

/// Whether no browser says that a page of another site, or of another port, sends it.
fn is_of_own_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(::http::HeaderValue::as_bytes);
    matches!(site, None | Some(b"same-origin" | b"none"))
}

/// Whether a browser says that somebody opens it as a page.
fn is_opened(headers: &HeaderMap) -> bool {
    let is = |name, value: &str| headers.get(name).is_some_and(|said| said == value);
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let pairs = (0..text.len()).step_by(2);
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    is_hex.then(|| pairs.map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::header::COOKIE;

    const TOKEN: &str = "0123456789abcdef";

    fn access() -> Access {
        Access::new(Some(Token::check(TOKEN).unwrap()), false)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (::http::HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[track_caller]
    fn judged(verb: &Method, pairs: &[(&'static str, &str)], expected: Result<Way, Kept>) {
        let seen = access().judge(verb, &headers(pairs), SystemTime::now());
        assert_eq!(seen, expected, "{verb} {pairs:?}");
    }

    #[test]
    fn the_token_is_asked_for() {
        let (get, nothing) = (&Method::GET, Err(Kept::Nothing));
        judged(get, &[], nothing);
        judged(get, &[("authorization", "Bearer 0123456789abcdef")], Ok(Way::Token));
        judged(get, &[("authorization", "bearer 0123456789abcdef")], Ok(Way::Token));
        let wrong = ["Bearer 0123456789abcdeg", "Bearer", "Bearer ", "Basic eDp5", "é"];
        for shown in wrong {
            judged(get, &[("authorization", shown)], Err(Kept::WrongToken));
        }
        let open = Access::new(None, false);
        for (site, expected) in [
            ("same-origin", Ok(Way::Open)),
            ("none", Ok(Way::Open)),
            ("same-site", Err(Kept::Foreign)),
            ("cross-site", Err(Kept::Foreign)),
        ] {
            let sent = headers(&[("sec-fetch-site", site)]);
            assert_eq!(open.judge(get, &sent, SystemTime::now()), expected, "{site}");
        }
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        let judged = |verb| open.judge(verb, &headers(&link), SystemTime::now());
        assert_eq!(judged(get), Ok(Way::Open));
        assert_eq!(judged(&Method::POST), Err(Kept::Foreign));
        assert_eq!(open.judge(get, &HeaderMap::new(), SystemTime::now()), Ok(Way::Open));
    }

    #[test]
    fn a_session_holds_for_its_time_and_for_its_token() {
        let (access, now) = (access(), SystemTime::now());
        let cookie = access.cookie(&HeaderMap::new(), now).unwrap();
        assert!(!cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        let mut shown = headers(&[("cookie", cookie)]);
        let at = |shown: &HeaderMap, time| access.judge(&Method::GET, shown, time);
        assert_eq!(at(&shown, now), Ok(Way::Session));
        assert_eq!(at(&shown, now + SESSION_TIME), Err(Kept::Nothing));
        // Cookies of others on the same line may have any bytes.
        shown.insert(COOKIE, format!("{cookie}; a=é").parse().unwrap());
        assert_eq!(at(&shown, now), Ok(Way::Session));
        let other = Access::new(Some(Token::check("fedcba9876543210").unwrap()), false);
        assert_eq!(other.judge(&Method::GET, &shown, now), Err(Kept::Nothing));
        // A later end is not believed.
        let later = cookie.replacen("=1", "=2", 1);
        shown.insert(COOKIE, later.parse().unwrap());
        assert_eq!(at(&shown, now), Err(Kept::Nothing));
        let secure = headers(&[("origin", "https://admin.example")]);
        assert!(access.cookie(&secure, now).unwrap().ends_with("; Secure"));
    }

    #[test]
    fn a_session_changes_things_from_its_own_pages_alone() {
        let cookie = access().cookie(&HeaderMap::new(), SystemTime::now()).unwrap();
        let cookie = cookie.split(';').next().unwrap();
        let own = ("origin", "http://admin.example:9099");
        judged(&Method::POST, &[("cookie", cookie)], Err(Kept::Foreign));
        judged(&Method::POST, &[("cookie", cookie), own], Ok(Way::Session));
        let same_site = ("sec-fetch-site", "same-site");
        judged(&Method::POST, &[("cookie", cookie), own, same_site], Err(Kept::Foreign));
        judged(&Method::GET, &[("cookie", cookie), same_site], Err(Kept::Foreign));
        judged(&Method::GET, &[("cookie", cookie)], Ok(Way::Session));
    }
}
