//! Who a client says that it is, or a proxy says of it: `X-Forwarded-For` and
//! its kin. They are believed of trusted proxies alone.
//!
//! What is passed on is made of what was read, never of the text that came: an
//! address, `http` or `https`, a host.

use super::Gateway;
use http::Request;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The address of whoever sent a request: of the peer, or of whom the first
/// address is that no trusted proxy has.
pub(crate) fn client(gateway: &Gateway, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    if !gateway.trusts(peer) {
        return peer;
    }
    let chain = chain(headers);
    let stranger = chain.iter().rev().find(|address| !gateway.trusts(**address));
    stranger.or(chain.first()).copied().unwrap_or(peer)
}

/// Takes away what only a proxy can know. Hardly any request has it.
pub(crate) fn drop_claims(headers: &mut HeaderMap) {
    if !headers.keys().any(is_claim) {
        return;
    }
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

/// Says who a request comes from, for whoever it is passed on to. Its own host is
/// judged with the rest of its head.
pub(crate) fn say<B>(gateway: &Gateway, request: &mut Request<B>, peer: IpAddr) {
    let told = if gateway.trusts(peer) { Told::read(request.headers()) } else { Told::default() };
    let host = told.host.or_else(|| own_host(request));
    let headers = request.headers_mut();
    drop_claims(headers);
    let mut line = String::new();
    for address in &told.addresses {
        _ = write!(line, "{address}, ");
    }
    _ = write!(line, "{}", peer.to_canonical());
    if let Ok(line) = HeaderValue::try_from(line) {
        headers.insert(FOR, line);
    }
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(PROTO, HeaderValue::from_static(told.scheme.unwrap_or("http")));
}

/// What a trusted proxy says.
#[derive(Default)]
struct Told {
    addresses: Vec<IpAddr>,
    scheme: Option<&'static str>,
    host: Option<HeaderValue>,
}

impl Told {
    fn read(headers: &HeaderMap) -> Self {
        let scheme = only(headers, &PROTO).and_then(|said| {
            let said = said.as_bytes();
            ["http", "https"].into_iter().find(|known| said.eq_ignore_ascii_case(known.as_bytes()))
        });
        let host = only(headers, &FORWARDED_HOST).filter(|host| is_host(host)).cloned();
        Self { addresses: chain(headers), scheme, host }
    }
}

/// The addresses that proxies have added, the last one at the end. What stands
/// before something that is no address was added by nobody who is known.
fn chain(headers: &HeaderMap) -> Vec<IpAddr> {
    let lines = headers.get_all(FOR).iter().map(|line| line.to_str().unwrap_or_default());
    let said: Vec<Option<IpAddr>> = lines.flat_map(|line| line.split(',')).map(address).collect();
    let mut known: Vec<IpAddr> = said.into_iter().rev().map_while(|address| address).collect();
    known.reverse();
    known
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address: Option<IpAddr> = bare.parse().ok();
    let address = address.or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// The one value of a header.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_host(value: &HeaderValue) -> bool {
    let host = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    host.is_some_and(|host| !host.as_str().contains('@'))
}

/// The host that a request names itself.
fn own_host<B>(request: &Request<B>) -> Option<HeaderValue> {
    let named = request.headers().get(HOST).cloned();
    named.or_else(|| HeaderValue::try_from(request.uri().authority()?.as_str()).ok())
}

/// Asked of every header of every request. `Forwarded` (RFC 7239) is dropped with
/// the others: nobody has to read two forms of the same.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'x') => name == "x-real-ip" || name.starts_with("x-forwarded-"),
        Some(b'f') => name == "forwarded",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::Network;

    fn gateway() -> Gateway {
        let trusted = ["10.0.0.0/8", "127.0.0.1"].map(|text| Network::parse(text).unwrap());
        Gateway { trusted_proxies: trusted.into(), ..Gateway::default() }
    }

    fn request(headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::new(());
        request.headers_mut().insert(HOST, HeaderValue::from_static("own.example:8080"));
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    #[track_caller]
    fn check_client(peer: &str, lines: &[&'static str], expected: &str) {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let seen = client(&gateway(), request(&lines).headers(), peer.parse().unwrap());
        assert_eq!(seen.to_string(), expected);
    }

    #[test]
    fn the_client_is_the_first_that_no_trusted_proxy_is() {
        check_client("192.0.2.1", &["203.0.113.9"], "192.0.2.1");
        check_client("10.0.0.1", &[], "10.0.0.1");
        check_client("10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check_client("::ffff:10.0.0.1", &["203.0.113.9:443"], "203.0.113.9");
        check_client("10.0.0.1", &["198.51.100.1, 203.0.113.9", "10.0.0.2"], "203.0.113.9");
        check_client("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3");
        check_client("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2");
        check_client("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1");
        check_client("10.0.0.1", &["[2001:db8::1]:8, [2001:db8::2]"], "2001:db8::2");
    }

    #[track_caller]
    fn check_said(peer: &str, headers: &[(&'static str, &'static str)], expected: [&str; 3]) {
        let mut request = request(headers);
        say(&gateway(), &mut request, peer.parse().unwrap());
        let said = [FOR, PROTO, FORWARDED_HOST].map(|name| {
            let mut values = request.headers().get_all(name).iter();
            let value = values.next().unwrap().to_str().unwrap();
            assert_eq!(values.next(), None);
            value
        });
        assert_eq!(said, expected);
        let others = request.headers().keys().filter(|name| is_claim(name)).count();
        assert_eq!(others, 3);
    }

    #[test]
    fn what_a_stranger_claims_is_replaced() {
        let own = ["192.0.2.1", "http", "own.example:8080"];
        check_said("192.0.2.1", &[], own);
        let claims = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "else.example"),
            ("x-forwarded-prefix", "/admin"),
            ("x-real-ip", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9;proto=https"),
        ];
        check_said("192.0.2.1", &claims, own);
        check_said("10.0.0.1", &claims, ["203.0.113.9, 10.0.0.1", "https", "else.example"]);
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_on() {
        let odd = [
            ("x-forwarded-for", "<script>, 203.0.113.9 "),
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-host", "a@b"),
        ];
        check_said("10.0.0.1", &odd, ["203.0.113.9, 10.0.0.1", "http", "own.example:8080"]);
        let twice = [("x-forwarded-host", "a.example"), ("x-forwarded-host", "b.example")];
        check_said("10.0.0.1", &twice, ["10.0.0.1", "http", "own.example:8080"]);
    }

    #[test]
    fn a_route_sees_no_claims() {
        let mut request = request(&[("x-real-ip", "1.2.3.4"), ("x-forwarded-port", "1")]);
        drop_claims(request.headers_mut());
        assert_eq!(request.headers().len(), 1);
    }
}
