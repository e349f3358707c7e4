//! Judges a request's head before anything else looks at it.

use crate::fault::Fault;
use crate::limits::HostLimits;
use crate::path;
use http::header::HOST;
use http::{Method, Request, Version};

/// Longest verb, in bytes.
const VERB_BYTES_MAX: usize = 32;

/// Refuses what no service should have to see.
pub(super) fn judge<B>(request: &Request<B>, limits: &HostLimits) -> Result<(), Fault> {
    judge_sizes(request, limits)?;
    judge_host(request).map_err(|message| Fault::BadRequest { message: message.to_owned() })?;
    let path = request.uri().path();
    let method = request.method();
    if method == Method::CONNECT {
        let (verb, path) = ("CONNECT".to_owned(), request.uri().to_string());
        return Err(Fault::VerbNotAllowed { verb, path, allow: String::new() });
    }
    let is_whole_host = path == "*" && method == Method::OPTIONS;
    if !path.starts_with('/') && !is_whole_host {
        let message = "request target must be a path".to_owned();
        return Err(Fault::BadRequest { message });
    }
    path::check(path).map_err(|error| Fault::BadRequest { message: error.to_string() })
}

fn judge_sizes<B>(request: &Request<B>, limits: &HostLimits) -> Result<(), Fault> {
    let verb = request.method().as_str();
    if VERB_BYTES_MAX < verb.len() {
        let verb = verb.chars().take(VERB_BYTES_MAX).collect();
        return Err(Fault::UnknownVerb { verb });
    }
    let uri = request.uri();
    let target = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if limits.uri_bytes_max < target {
        return Err(Fault::UriTooLong { bytes_max: limits.uri_bytes_max });
    }
    let headers = request.headers();
    if limits.headers_max < headers.len() {
        let message = format!("more than {} headers", limits.headers_max);
        return Err(Fault::HeadTooLarge { message });
    }
    // Name, value, `: ` and the end of the line.
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if limits.head_bytes_max < bytes + target {
        let message = format!("head is over the limit of {} bytes", limits.head_bytes_max);
        return Err(Fault::HeadTooLarge { message });
    }
    Ok(())
}

/// RFC 9112 section 3.2 and RFC 9113 section 8.3.1.
fn judge_host<B>(request: &Request<B>) -> Result<(), &'static str> {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("there is more than one Host");
    }
    let host = match host.map(|host| host.to_str()) {
        Some(Ok(host)) if is_host(host) => Some(host),
        Some(_) => return Err("Host is not a host name or address with an optional port"),
        None => None,
    };
    if authority.is_some_and(|authority| !is_host(authority)) {
        return Err("request target has an authority that is no host");
    }
    match request.version() {
        Version::HTTP_2 => match (authority, host) {
            (None, None) => Err("there is no :authority"),
            (Some(authority), Some(host)) if authority != host => {
                Err("Host differs from :authority")
            }
            _ => Ok(()),
        },
        Version::HTTP_11 if host.is_none() => Err("there is no Host"),
        _ => Ok(()),
    }
}

/// A byte of a host's name (RFC 3986, `reg-name`).
fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%')
        || matches!(byte, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else { return false };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", after)
        }
        None => match text.find(':') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        },
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty()
                || (digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok())
        }
        None => port.is_empty(),
    };
    !name.is_empty() && name.len() <= 255 && name.bytes().all(is_name_byte) && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hosts: &[&str], uri: &str, version: Version, expected: Result<(), &str>) {
        let mut request = Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let request = request.body(()).unwrap();
        assert_eq!(judge_host(&request), expected, "judging {hosts:?} {uri}");
    }

    #[test]
    fn a_host_is_there_once_and_is_a_host() {
        let h1 = Version::HTTP_11;
        for good in ["a", "a:80", "127.0.0.1:8080", "[::1]:80", "[::1]", "a.b-c", "a:"] {
            check(&[good], "/", h1, Ok(()));
        }
        let bad = Err("Host is not a host name or address with an optional port");
        for host in ["", "u@a", "a/b", "a b", "a:x", "a:99999", "[::1", "[x]", ":80", "a:80:80"] {
            check(&[host], "/", h1, bad);
        }
        check(&[], "/", h1, Err("there is no Host"));
        check(&["a", "a"], "/", h1, Err("there is more than one Host"));
        check(&[], "/", Version::HTTP_10, Ok(()));
    }

    #[test]
    fn in_http2_the_authority_is_the_host() {
        let h2 = Version::HTTP_2;
        check(&[], "http://a/", h2, Ok(()));
        check(&["a"], "http://a/", h2, Ok(()));
        check(&["b"], "http://a/", h2, Err("Host differs from :authority"));
        check(&[], "/", h2, Err("there is no :authority"));
    }

    #[track_caller]
    fn judged(request: &Request<()>, expected: u16) {
        let seen = judge(request, &HostLimits::DEFAULT).map_err(|fault| fault.reply().status);
        assert_eq!(seen.map_or_else(|status| status.as_u16(), |()| 200), expected);
    }

    #[test]
    fn sizes_and_targets_are_bounded() {
        let request = |verb: &str, uri: &str| {
            Request::builder().method(verb).uri(uri).header(HOST, "a").body(()).unwrap()
        };
        judged(&request("GET", "/"), 200);
        judged(&request("OPTIONS", "*"), 200);
        judged(&request("GET", "*"), 400);
        judged(&request(&"X".repeat(33), "/"), 501);
        judged(&request("GET", &format!("/{}", "a".repeat(8 << 10))), 414);
        judged(&request("GET", "/a/../b"), 400);
        let mut many = request("GET", "/");
        for index in 0..100 {
            let name: http::HeaderName = format!("x-{index}").parse().unwrap();
            many.headers_mut().insert(name, http::HeaderValue::from_static("1"));
        }
        judged(&many, 431);
        let mut large = request("GET", "/");
        large.headers_mut().insert("x", "v".repeat(32 << 10).parse().unwrap());
        judged(&large, 431);
    }
}
