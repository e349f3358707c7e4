//! Who may open a WebSocket, judged by the head of the request.
//!
//! What a handshake must have is in RFC 6455, section 4.2. Pages may open
//! sockets at hosts that are none of theirs, so their origin is judged, too.

use crate::fault::{Fault, SocketFault};
use crate::gateway::FORWARDED_HOST;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::uri::Authority;
use http::{Method, Request, Uri, Version};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A handshake that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// What shows the client that it was understood.
    pub(crate) accept: HeaderValue,
    /// Subprotocols that the client offers.
    pub(crate) protocols: Vec<String>,
}

/// The version of the protocol that is spoken here.
const VERSION: &str = "13";
/// Bytes that a client draws for its key.
const KEY_BYTES: usize = 16;

/// Whether a request asks for a WebSocket at all.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE) && has_token(headers, &UPGRADE, "websocket")
}

/// Tells who asked for no WebSocket how to.
pub(crate) fn advise(headers: &mut HeaderMap) {
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
}

/// Judges the head of a handshake.
pub(crate) fn judge<B>(request: &Request<B>) -> Result<Handshake, Fault> {
    let headers = request.headers();
    let is_right = request.version() == Version::HTTP_11
        && is_wanted(headers)
        && only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version == VERSION);
    if !is_right {
        return Err(SocketFault::UpgradeRequired.into());
    }
    if request.method() != Method::GET {
        return Err(bad("a WebSocket is asked for by GET"));
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err(bad("`Upgrade: websocket` needs `Connection: upgrade` beside it"));
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).ok_or_else(|| bad("want one Sec-WebSocket-Key"))?;
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    match accept {
        Ok(accept) if is_key => Ok(Handshake { accept, protocols: protocols(headers)? }),
        _ => Err(bad("Sec-WebSocket-Key is not 16 bytes in base64")),
    }
}

/// The same target in memory of its own. One that was read keeps all of the
/// buffer that its head was read into, which is much for a socket that is idle.
pub(crate) fn own(uri: &Uri) -> Uri {
    uri.to_string().try_into().unwrap_or_else(|_| uri.clone())
}

/// The first of what is spoken that the client offers.
pub(crate) fn choose_protocol<'s>(spoken: &'s [String], offered: &[String]) -> Option<&'s str> {
    spoken.iter().find(|protocol| offered.contains(protocol)).map(String::as_str)
}

/// Whether a text is a token of HTTP (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

fn protocols(headers: &HeaderMap) -> Result<Vec<String>, Fault> {
    let mut offered = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        for one in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if !is_token(one) {
                return Err(bad("Sec-WebSocket-Protocol is no list of tokens"));
            }
            offered.push(one.to_owned());
        }
    }
    Ok(offered)
}

/// The one value of a header that may be there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok().map(str::trim) }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
}

fn bad(message: &str) -> Fault {
    SocketFault::BadHandshake { message: message.to_owned() }.into()
}

/// Whose pages may open sockets here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origins {
    /// Those that this host serves itself, as far as the request tells.
    #[default]
    Same,
    /// These and those of these origins, each as `scheme://host:port`.
    Listed(Arc<[String]>),
    /// All.
    Any,
}

impl Origins {
    /// Of the entries of a list, each of them checked.
    pub(crate) fn of(entries: Vec<String>) -> Self {
        if entries.iter().any(|entry| entry == "*") {
            return Self::Any;
        }
        Self::Listed(entries.into())
    }

    /// Checks one entry: an origin, or `*`.
    pub(crate) fn check(text: &str) -> Result<String, String> {
        if text == "*" {
            return Ok(text.to_owned());
        }
        parse(text).map(|origin| format!("{}://{}", origin.0, origin.1)).ok_or_else(|| {
            format!("got {text:?}, want an origin such as https://shop.example, or *")
        })
    }

    /// Whether who sends this header may come in at a host that was called so. Who
    /// sends none is no page.
    fn allow(&self, origin: Option<&HeaderValue>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        if *self == Self::Any {
            return true;
        }
        let Some((scheme, authority)) = origin.to_str().ok().and_then(parse) else { return false };
        let is_same = host.is_some_and(|host| authority_of(&scheme, host) == authority);
        let origin = format!("{scheme}://{authority}");
        is_same || matches!(self, Self::Listed(listed) if listed.contains(&origin))
    }

    /// The origin on whose behalf a request may not be made, if it is such a one.
    pub(crate) fn foreign(&self, headers: &HeaderMap, uri: &Uri) -> Option<String> {
        // Proxies tell by which name they were called in the one or in the other. Of
        // strangers no claims are left here.
        let host = only(headers, &HOST).or_else(|| uri.authority().map(Authority::as_str));
        let hosts = [only(headers, &FORWARDED_HOST), host];
        let may = |origin| hosts.iter().any(|host| self.allow(Some(origin), *host));
        let mut origins = headers.get_all(ORIGIN).iter();
        let first = origins.next();
        let refused = match origins.next() {
            Some(second) if *self != Self::Any => Some(second),
            _ => first.filter(|first| !may(first)),
        };
        refused.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned())
    }

    /// Judges on whose behalf a request is made.
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> Result<(), Fault> {
        match self.foreign(request.headers(), request.uri()) {
            None => Ok(()),
            Some(origin) => Err(SocketFault::OriginNotAllowed { origin }.into()),
        }
    }
}

/// Scheme and authority of an origin, without the port that is usual.
fn parse(text: &str) -> Option<(String, String)> {
    let (scheme, authority) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_authority = !authority.is_empty() && !authority.contains(['/', '@', '?', '#', ' ', '*']);
    (is_scheme && is_authority).then(|| {
        let authority = authority_of(&scheme, authority);
        (scheme, authority)
    })
}

/// Host and port as they are compared.
fn authority_of(scheme: &str, authority: &str) -> String {
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    authority.strip_suffix(usual).unwrap_or(authority).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
        connection: keep-alive, Upgrade
        upgrade: WebSocket
        sec-websocket-version: 13
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==
    ";

    fn request(rows: &str) -> Request<()> {
        let mut request = Request::builder();
        for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
            let (name, value) = row.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        request.body(()).unwrap()
    }

    #[track_caller]
    fn check(rows: &str, expected: Result<&str, (u16, &str)>) {
        let judged = judge(&request(rows)).map(|handshake| handshake.accept);
        let seen = judged.map_err(|fault| fault.reply());
        let seen = match &seen {
            Ok(accept) => Ok(accept.to_str().unwrap()),
            Err(reply) => Err((reply.status.as_u16(), &*reply.name)),
        };
        assert_eq!(seen, expected, "judging {rows}");
    }

    #[test]
    fn a_handshake_is_answered_as_the_standard_says() {
        check(GOOD, Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn what_lacks_something_is_refused() {
        let (needs, bad) = (Err((426, "upgrade-required")), Err((400, "bad-handshake")));
        check("", needs);
        check(&GOOD.replace("WebSocket", "h2c"), needs);
        check(&GOOD.replace(": 13", ": 8"), needs);
        check(&GOOD.replace("keep-alive, Upgrade", "keep-alive"), bad);
        check(&GOOD.replace("dGhl", ""), bad);
        check(&format!("{GOOD}\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="), bad);
        check(&format!("{GOOD}\nsec-websocket-protocol: a b"), bad);
        let mut old = request(GOOD);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(judge(&old), Err(SocketFault::UpgradeRequired.into()));
    }

    #[test]
    fn the_best_that_both_speak_is_agreed_on() {
        let rows = format!("{GOOD}\nsec-websocket-protocol: b, a\nsec-websocket-protocol: c");
        let offered = judge(&request(&rows)).unwrap().protocols;
        assert_eq!(offered, ["b", "a", "c"]);
        let spoken = ["a".to_owned(), "b".to_owned()];
        assert_eq!(choose_protocol(&spoken, &offered), Some("a"));
        assert_eq!(choose_protocol(&spoken, &["c".to_owned()]), None);
    }

    #[track_caller]
    fn allows(origins: &Origins, origin: &str, expected: bool) {
        let value = HeaderValue::from_str(origin).unwrap();
        let seen = origins.allow(Some(&value), Some("Shop.example:8080"));
        assert_eq!(seen, expected, "{origins:?} {origin}");
    }

    #[test]
    fn a_proxy_tells_by_which_name_it_was_called_in_either_header() {
        let foreign = |origins: &Origins, rows: &str| {
            let row = |row: &str| {
                let (name, value) = row.split_once(": ").unwrap();
                (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
            };
            let headers: HeaderMap = rows.lines().map(row).collect();
            origins.foreign(&headers, &Uri::from_static("/"))
        };
        let page = "origin: https://shop.example:8443";
        for (told, is_own) in [
            ("host: shop.example:8443", true),
            ("host: inner:80\nx-forwarded-host: shop.example:8443", true),
            ("host: shop.example:8443\nx-forwarded-host: shop.example", true),
            ("host: inner:80\nx-forwarded-host: other.example", false),
            ("host: inner:80\nx-forwarded-host: shop.example:8443, other", false),
            ("x-forwarded-host: shop.example:8443\nx-forwarded-host: other", false),
        ] {
            let seen = foreign(&Origins::Same, &format!("{told}\n{page}"));
            assert_eq!(seen.is_none(), is_own, "{told}");
        }
        let two = format!("host: shop.example:8443\n{page}\norigin: https://evil.example");
        assert_eq!(foreign(&Origins::Same, &two).as_deref(), Some("https://evil.example"));
        assert_eq!(foreign(&Origins::Any, &two), None);
        assert_eq!(foreign(&Origins::Same, "host: a"), None);
    }

    #[test]
    fn pages_come_from_where_they_may() {
        let same = Origins::default();
        allows(&same, "http://shop.example:8080", true);
        allows(&same, "https://SHOP.example:8080", true);
        allows(&same, "http://shop.example", false);
        allows(&same, "null", false);
        assert!(same.allow(None, None));
        let origin = HeaderValue::from_static("https://shop.example");
        assert!(same.allow(Some(&origin), Some("shop.example:443")));
        assert!(!same.allow(Some(&origin), None));
        let entry = Origins::check("https://Shop.example:443").unwrap();
        let listed = Origins::of(vec![entry]);
        allows(&listed, "https://shop.example", true);
        allows(&listed, "http://shop.example", false);
        allows(&listed, "http://shop.example:8080", true);
        allows(&listed, "http://shop.example:8081", false);
        allows(&listed, "https://shop.example.evil", false);
        allows(&Origins::of(vec!["*".to_owned()]), "null", true);
        assert!(Origins::check("shop.example").is_err());
        assert!(Origins::check("https://shop.example/x").is_err());
    }
}
