//! Origins, scheme, host and port, and what manifests grant of them.
//!
//! They are read strictly: a host is a name of plain labels, an IPv4 address as
//! four decimal numbers, or an IPv6 address in brackets. What other readers
//! might take for another host is none, so nobody downstream can.

use http::Uri;
use http::uri::PathAndQuery;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Whom an origin names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    /// Lower case, without a dot at its end.
    Name(String),
}

/// An origin that a manifest grants, or all of those below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginGrant {
    One(Origin),
    /// `https://*.example.com`: one label or more before the suffix, which
    /// begins with a dot.
    Below {
        scheme: Scheme,
        suffix: String,
        port: u16,
    },
}

/// Why a text has no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OriginError {
    #[error("it does not begin with http:// or https://")]
    Scheme,
    #[error("it has a user name")]
    User,
    #[error("its host is neither a name nor an address as it is usually written")]
    Host,
    #[error("its port is no number from 1 to 65535")]
    Port,
    #[error("it has more than scheme, host and port")]
    More,
    #[error("its path or query has characters that must be percent-encoded")]
    Target,
}

const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

impl Origin {
    /// Reads an origin and nothing else.
    pub(crate) fn parse(text: &str) -> Result<Self, OriginError> {
        match Self::split(text)? {
            (origin, "" | "/") => Ok(origin),
            _ => Err(OriginError::More),
        }
    }

    /// Reads an absolute URL: its origin, and its path and query. A fragment is
    /// dropped, it is not for servers.
    pub(crate) fn of_url(text: &str) -> Result<(Self, PathAndQuery), OriginError> {
        let (origin, rest) = Self::split(text)?;
        let rest = rest.split('#').next().unwrap_or_default();
        Ok((origin, target(rest)?))
    }

    /// The same of a URI that another parser has read.
    pub(crate) fn of_uri(uri: &Uri) -> Result<(Self, PathAndQuery), OriginError> {
        let scheme = Scheme::parse(uri.scheme_str().unwrap_or_default())?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let origin = Self::with(scheme, authority)?;
        Ok((origin, target(uri.path_and_query().map_or("", |target| target.as_str()))?))
    }

    /// An absolute URI of this origin.
    pub(crate) fn uri(&self, target: PathAndQuery) -> Result<Uri, http::Error> {
        let builder = Uri::builder().scheme(self.scheme.as_str());
        builder.authority(self.authority()).path_and_query(target).build()
    }

    /// Host and port as the header `host` has them.
    pub(crate) fn authority(&self) -> String {
        let host = &self.host;
        if self.port == self.scheme.port() {
            host.to_string()
        } else {
            format!("{host}:{}", self.port)
        }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn split(text: &str) -> Result<(Self, &str), OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let scheme = Scheme::parse(scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        Ok((Self::with(scheme, authority)?, rest))
    }

    fn with(scheme: Scheme, authority: &str) -> Result<Self, OriginError> {
        if authority.contains('@') {
            return Err(OriginError::User);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inside) => {
                let (inside, after) = inside.split_once(']').ok_or(OriginError::Host)?;
                (Host::v6(inside)?, after)
            }
            None => {
                let end = authority.find(':').unwrap_or(authority.len());
                let (host, after) = authority.split_at(end);
                (Host::v4_or_name(host)?, after)
            }
        };
        let port = match (port, port.strip_prefix(':')) {
            ("", _) => scheme.port(),
            (_, Some(digits)) => parse_port(digits)?,
            _ => return Err(OriginError::Host),
        };
        Ok(Self { scheme, host, port })
    }
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, OriginError> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err(OriginError::Scheme),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Host {
    /// An IPv4 address written as one of IPv6 has two ways to be written, so it
    /// is taken in its own alone.
    fn v6(text: &str) -> Result<Self, OriginError> {
        let address: Ipv6Addr = text.parse().map_err(|_| OriginError::Host)?;
        match address.to_ipv4_mapped() {
            None => Ok(Self::Address(address.into())),
            Some(_) => Err(OriginError::Host),
        }
    }

    fn v4_or_name(text: &str) -> Result<Self, OriginError> {
        // Takes four decimal numbers without leading zeros.
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let name = text.to_ascii_lowercase();
        let is_sound = name.len() <= NAME_BYTES_MAX
            && name.split('.').all(is_label)
            && !name.rsplit('.').next().is_some_and(is_number);
        if is_sound { Ok(Self::Name(name)) } else { Err(OriginError::Host) }
    }
}

fn is_label(text: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether resolvers may read a name that ends so as an address
/// (<https://url.spec.whatwg.org/#ends-in-a-number-checker>).
fn is_number(label: &str) -> bool {
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    label.bytes().all(|byte| byte.is_ascii_digit()) || label.strip_prefix("0x").is_some_and(is_hex)
}

fn parse_port(digits: &str) -> Result<u16, OriginError> {
    let is_digits = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| is_digits && *port != 0);
    port.ok_or(OriginError::Port)
}

/// Path and query; the path is never empty.
fn target(text: &str) -> Result<PathAndQuery, OriginError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let target = match text.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'/') => text.to_owned(),
        Some(b'?') => format!("/{text}"),
        Some(_) => return Err(OriginError::Target),
    };
    PathAndQuery::try_from(target).ok().filter(|_| is_plain).ok_or(OriginError::Target)
}

impl OriginGrant {
    /// Reads `https://api.example.com:8443`, or `https://*.example.com`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |error: OriginError| {
            format!("got {text:?}, want an origin such as \"https://api.example.com\": {error}")
        };
        let Some((scheme, below)) = text.split_once("://*.") else {
            return Origin::parse(text).map(Self::One).map_err(wrong);
        };
        let origin = Origin::parse(&format!("{scheme}://{below}")).map_err(wrong)?;
        match origin.host {
            // All names of a top-level domain are not one owner's.
            Host::Name(name) if name.contains('.') => {
                let (scheme, port) = (origin.scheme, origin.port);
                Ok(Self::Below { scheme, suffix: format!(".{name}"), port })
            }
            _ => Err(wrong(OriginError::Host)),
        }
    }

    /// Whether it grants requests to an origin.
    pub(crate) fn covers(&self, origin: &Origin) -> bool {
        match self {
            Self::One(granted) => granted == origin,
            Self::Below { scheme, suffix, port } => {
                let is_below = match &origin.host {
                    Host::Name(name) => name.ends_with(suffix) && suffix.len() < name.len(),
                    Host::Address(_) => false,
                };
                (*scheme, *port) == (origin.scheme, origin.port) && is_below
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, expected: Result<&str, OriginError>) {
        let seen = Origin::parse(text).map(|origin| origin.to_string());
        assert_eq!(seen.as_deref().map_err(|error| *error), expected, "{text:?}");
    }

    #[test]
    fn an_origin_has_one_way_to_be_written() {
        reads("https://api.example.com", Ok("https://api.example.com"));
        reads("HTTPS://API.Example.com:443/", Ok("https://api.example.com"));
        reads("http://a", Ok("http://a"));
        reads("http://a:8080", Ok("http://a:8080"));
        reads("http://a:443", Ok("http://a:443"));
        reads("http://127.0.0.1:80", Ok("http://127.0.0.1"));
        reads("http://[0:0::1]:8080", Ok("http://[::1]:8080"));
        reads("http://xn--bcher-kva.example", Ok("http://xn--bcher-kva.example"));
        reads("http://1.example", Ok("http://1.example"));
    }

    const NO_HOSTS: &[&str] = &[
        "http://2130706433",
        "http://0x7f000001",
        "http://0177.0.0.1",
        "http://127.1",
        "http://0x7f.0.0.1",
        "http://127.0.0.01",
        "http://127.0.0.1.",
        "http://localhost.",
        "http://[::ffff:127.0.0.1]",
        "http://[::ffff:7f00:1]",
        "http://[fe80::1%25eth0]",
        "http://[fe80::1%eth0]",
        "http://[::1",
        "http://::1",
        "http://[]",
        "http://",
        "http://1.2.3",
        "http://1.2.3.4.5",
        "http://a.0x7f",
        "http://a.0x",
        "http://256.0.0.1",
        "http://a..b",
        "http://.a",
        "http://-a",
        "http://a-",
        "http://a_b",
        "http://a b",
        "http://a%2eb",
        "http://\u{ff11}27.0.0.1",
        "http://\u{2488}example",
        "http://127.0.0.1\\.example",
        "http://a\\@b/",
        "http://a\t",
        "http://a\n",
        "http://a\0b",
        "http://ex\u{e4}mple",
        "http://[127.0.0.1]",
        "http://[::1]x",
        "http://*",
        "http://*.example.com",
        "http://a,b",
        "http://a;b",
        "http://a&b",
    ];

    #[test]
    fn what_others_may_read_as_another_host_is_none() {
        use OriginError::{Host, More, Port, Scheme, User};
        for &text in NO_HOSTS {
            let refused = if text.contains('@') { User } else { Host };
            reads(text, Err(refused));
        }
        for text in
            ["http://u@a", "http://a@127.0.0.1", "http://u:p@a", "http://@a", "http://a:1@b"]
        {
            reads(text, Err(User));
        }
        for text in [
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://a:+1",
            "http://a:1:2",
            "http://a:x",
        ] {
            reads(text, Err(Port));
        }
        for text in
            ["", "a", "//a", "ftp://a", "http:/a", "https:a", "file:///etc", " http://a", "ws://a"]
        {
            reads(text, Err(Scheme));
        }
        for text in ["http://a/b", "http://a?b", "http://a#b", "http://a//"] {
            reads(text, Err(More));
        }
    }

    #[test]
    fn a_url_is_an_origin_and_what_is_asked_there() {
        let read = |text: &str| {
            let (origin, target) = Origin::of_url(text)?;
            Ok::<_, OriginError>(origin.uri(target).unwrap().to_string())
        };
        assert_eq!(read("http://a"), Ok("http://a/".to_owned()));
        assert_eq!(read("http://a?b=1#c"), Ok("http://a/?b=1".to_owned()));
        assert_eq!(read("http://A:80/b%20/..?x=@#y?z"), Ok("http://a/b%20/..?x=@".to_owned()));
        assert_eq!(read("http://a/b c"), Err(OriginError::Target));
        assert_eq!(read("http://a/\u{e4}"), Err(OriginError::Target));
        let of_uri = |text: &'static str| {
            let (origin, target) = Origin::of_uri(&Uri::from_static(text))?;
            Ok::<_, OriginError>((origin.to_string(), target.to_string()))
        };
        assert_eq!(of_uri("http://A:8080/b?c"), Ok(("http://a:8080".into(), "/b?c".into())));
        assert_eq!(of_uri("http://u@127.0.0.1/"), Err(OriginError::User));
        assert_eq!(of_uri("http://127.1/"), Err(OriginError::Host));
        assert_eq!(of_uri("/b"), Err(OriginError::Scheme));
    }

    #[test]
    fn a_grant_is_for_one_origin_or_for_all_below_a_name() {
        let covers = |grant: &str, text: &str| {
            OriginGrant::parse(grant).unwrap().covers(&Origin::parse(text).unwrap())
        };
        assert!(covers("https://a.example/", "https://A.example:443"));
        assert!(!covers("https://a.example", "http://a.example"));
        assert!(!covers("https://a.example", "https://a.example:8443"));
        assert!(!covers("https://a.example", "https://b.a.example"));
        assert!(covers("https://*.a.example", "https://b.a.example"));
        assert!(covers("https://*.a.example:8443", "https://c.b.a.example:8443"));
        assert!(!covers("https://*.a.example", "https://a.example"));
        assert!(!covers("https://*.a.example", "https://ba.example"));
        assert!(!covers("https://*.a.example", "http://b.a.example"));
        for text in ["https://*.com", "https://*", "https://a.*.b", "https://*.127.0.0.1", "a", ""]
        {
            assert!(OriginGrant::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            OriginGrant::parse("http://a/b").unwrap_err(),
            "got \"http://a/b\", want an origin such as \"https://api.example.com\": \
             it has more than scheme, host and port"
        );
    }
}
