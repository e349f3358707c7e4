//! The cookie by which a browser is known to the admin side.
//!
//! Cookies are not bound to a port, so a browser may send it to the side of
//! services, too. No service is shown it.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

/// Its name.
pub(crate) const SESSION: &str = "picolet_session";
/// Below this path it is sent.
pub(crate) const SESSION_PATH: &str = "/admin/v1";

/// The values of this cookie in a request.
pub(crate) fn sessions(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    pairs(headers).filter_map(value)
}

/// Takes it out of a request that goes to a service.
pub(crate) fn withhold(headers: &mut HeaderMap) {
    if sessions(headers).next().is_none() {
        return;
    }
    let is_other = |pair: &&[u8]| !pair.is_empty() && value(pair).is_none();
    let others: Vec<&[u8]> = pairs(headers).filter(is_other).collect();
    let others = HeaderValue::from_bytes(&others.join(&b"; "[..]));
    headers.remove(COOKIE);
    if let Some(others) = others.ok().filter(|others| !others.is_empty()) {
        headers.insert(COOKIE, others);
    }
}

/// Those of all lines. They are no text: values of others may have any bytes.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(COOKIE).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii)
}

/// What a pair says, if it is one of this cookie.
fn value(pair: &[u8]) -> Option<&[u8]> {
    let (name, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
    (name.trim_ascii() == SESSION.as_bytes()).then(|| value.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, left: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        withhold(&mut headers);
        let seen = headers.get(COOKIE).map(HeaderValue::as_bytes);
        assert_eq!(seen, left.map(str::as_bytes), "{line}");
    }

    #[test]
    fn services_are_shown_all_cookies_but_that_of_the_admin_side() {
        check("a=1; picolet_session=x; b=2", Some("a=1; b=2"));
        check("picolet_session=x", None);
        check("picolet_session=x; a=\u{e9}", Some("a=\u{e9}"));
        check("picolet_session=\u{e9};a=1;", Some("a=1"));
        check("picolet_session =x", None);
        check("picolet_sessions=x", Some("picolet_sessions=x"));
        check("a=picolet_session=x", Some("a=picolet_session=x"));
    }
}
