//! Cookies of requests and responses (RFC 6265).

use std::{fmt::Write, time::Duration};

use crate::Headers;

/// The cookies of a request, and those to set.
///
/// As an argument of a handler it holds what the caller sent. Before a response
/// it sends what was [`set`](Self::set).
///
/// ```
/// use picolet_sdk::prelude::*;
///
/// async fn visit(mut cookies: Cookies) -> (Cookies, String) {
///     let visits = cookies.get("visits").and_then(|visits| visits.parse().ok()).unwrap_or(0) + 1;
///     cookies.set(Cookie::new("visits", visits.to_string()).path("/").http_only());
///     (cookies, format!("visit {visits}"))
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    received: Vec<(String, String)>,
    changes: Vec<String>,
}

impl Cookies {
    pub(crate) fn of(headers: &Headers) -> Self {
        let received = headers
            .get_all("cookie")
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        Self { received, changes: Vec::new() }
    }

    /// A cookie that the caller sent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All cookies that the caller sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.received.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Sets a cookie in the response.
    pub fn set(&mut self, cookie: Cookie) {
        self.changes.push(cookie.0);
    }

    /// Makes the caller forget a cookie that was set with this path.
    pub fn remove(&mut self, name: &str, path: &str) {
        self.set(Cookie::new(name, "").path(path).max_age(Duration::ZERO));
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().map(String::as_str)
    }
}

/// A cookie to set. The name, value and attributes are sent as they are given;
/// one that holds a control character makes the answer the fault `bad-header`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie(String);

/// When a browser sends a cookie along with requests from other sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When the user follows a link.
    Lax,
    /// Always; the cookie must be [`secure`](Cookie::secure).
    None,
}

impl Cookie {
    /// A cookie until the browser closes.
    pub fn new(name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        Self([name.as_ref(), "=", value.as_ref()].concat())
    }

    /// For paths that begin with this one.
    pub fn path(self, path: &str) -> Self {
        self.attribute("Path=", path)
    }

    /// For this domain and those below it.
    pub fn domain(self, domain: &str) -> Self {
        self.attribute("Domain=", domain)
    }

    /// For this long, in whole seconds.
    pub fn max_age(mut self, age: Duration) -> Self {
        // Writing to a `String` cannot fail.
        let _ = write!(self.0, "; Max-Age={}", age.as_secs());
        self
    }

    /// Hidden from scripts.
    pub fn http_only(self) -> Self {
        self.attribute("HttpOnly", "")
    }

    /// Only over HTTPS.
    pub fn secure(self) -> Self {
        self.attribute("Secure", "")
    }

    /// With requests from other sites or not.
    pub fn same_site(self, same_site: SameSite) -> Self {
        let value = match same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        };
        self.attribute("SameSite=", value)
    }

    fn attribute(mut self, name: &str, value: &str) -> Self {
        for part in ["; ", name, value] {
            self.0.push_str(part);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_all_header_lines_are_found() {
        let headers = Headers::new()
            .with("cookie", "a=1; b=\"2\"")
            .and_then(|headers| headers.with("cookie", "c=x=y"))
            .unwrap();
        let cookies = Cookies::of(&headers);
        assert_eq!(cookies.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2"), ("c", "x=y")]);
        assert_eq!((cookies.get("c"), cookies.get("d")), (Some("x=y"), None));
    }

    #[test]
    fn attributes_follow_the_value() {
        let cookie = Cookie::new("id", "7")
            .path("/")
            .max_age(Duration::from_secs(60))
            .http_only()
            .secure()
            .same_site(SameSite::Lax);
        assert_eq!(cookie.0, "id=7; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax");
    }
}
