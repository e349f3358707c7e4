//! Requests to origins that are no neighbours.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Body, ClientResponse, Fault, Headers, Response, text, written::Written};

/// A request to an absolute URL, anywhere on the network.
///
/// The manifest has to grant its origin: `[grants] outbound =
/// ["https://api.example.com"]`. A redirect is an answer like any other; who
/// wants to follow it makes another request.
///
/// ```no_run
/// use picolet_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Rates { usd: f64 }
///
/// # async fn f() -> Result<(), Fault> {
/// let rates: Rates = fetch("https://api.example.com/rates").json().await?;
/// # Ok(()) }
/// ```
pub fn fetch(url: impl Into<String>) -> Fetch {
    Fetch {
        outgoing: Outgoing {
            verb: "GET".to_owned(),
            url: url.into(),
            headers: Headers::new(),
            body: Body::empty(),
            timeout: None,
        },
        refusal: None,
    }
}

/// A request being put together. What cannot be written, such as data that is
/// no JSON, is the fault of the request.
#[derive(Debug)]
#[must_use = "a request is sent by `.json()`, `.text()` or `.send()`"]
pub struct Fetch {
    outgoing: Outgoing,
    refusal: Option<Fault>,
}

/// What goes to the host.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) verb: String,
    pub(crate) url: String,
    pub(crate) headers: Headers,
    pub(crate) body: Body,
    pub(crate) timeout: Option<Duration>,
}

impl Fetch {
    /// The verb, `GET` unless it is said.
    pub fn method(mut self, verb: impl Into<String>) -> Self {
        self.outgoing.verb = verb.into();
        self
    }

    /// A `POST`.
    pub fn post(self) -> Self {
        self.method("POST")
    }

    /// A `PUT`.
    pub fn put(self) -> Self {
        self.method("PUT")
    }

    /// A `PATCH`.
    pub fn patch(self) -> Self {
        self.method("PATCH")
    }

    /// A `DELETE`.
    pub fn delete(self) -> Self {
        self.method("DELETE")
    }

    /// More for the query of the URL: a struct, a map or a list of pairs.
    pub fn query(mut self, query: &(impl Serialize + ?Sized)) -> Self {
        if let Some(pairs) = self.written().query(query) {
            let url = &mut self.outgoing.url;
            url.truncate(url.find('#').unwrap_or(url.len()));
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&text::encode(pairs.iter()));
        }
        self
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.written().header(name, value);
        self
    }

    /// A JSON body.
    pub fn data(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        self.written().data(data);
        self
    }

    /// A form as the body: a struct, a map or a list of pairs.
    pub fn form(mut self, form: &(impl Serialize + ?Sized)) -> Self {
        self.written().form(form);
        self
    }

    /// A body of bytes, text or a stream, of the content type given with
    /// [`header`](Self::header).
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.outgoing.body = body.into();
        self
    }

    /// How long all of it may take, the body of the answer included; never
    /// longer than the deadline of the call that it is part of.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.outgoing.timeout = Some(timeout);
        self
    }

    /// Sends the request and gives the answer, of whatever status, once its
    /// head is there.
    ///
    /// # Errors
    ///
    /// `bad-call` (400) when it is no request that can be sent,
    /// `outbound-not-granted` and `outbound-address-prohibited` (403),
    /// `outbound-failed` (502), `outbound-limit` (503), `outbound-timeout`
    /// (504). Natively `no-host` (503), unless
    /// [`testing::answer_fetch`](crate::testing::answer_fetch) knows the URL.
    pub async fn send(self) -> Result<ClientResponse, Fault> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        #[cfg(target_family = "wasm")]
        let response = crate::abi::fetch(self.outgoing).await?;
        #[cfg(not(target_family = "wasm"))]
        let response = crate::testing::fetch(self.outgoing).await?;
        let Response { status, headers, body } = response;
        Ok(ClientResponse { status, headers, body })
    }

    /// Sends the request and reads the answer as JSON.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and [`ClientResponse::json`].
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Fault> {
        self.send().await?.json().await
    }

    /// Sends the request and reads the answer as text.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and [`ClientResponse::text`].
    pub async fn text(self) -> Result<String, Fault> {
        self.send().await?.text().await
    }

    /// Sends the request and reads the bytes of the answer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and [`ClientResponse::bytes`].
    pub async fn bytes(self) -> Result<Vec<u8>, Fault> {
        self.send().await?.bytes().await
    }

    fn written(&mut self) -> Written<'_> {
        let Outgoing { headers, body, .. } = &mut self.outgoing;
        Written { headers, body, refusal: &mut self.refusal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Json, StatusCode, testing};

    #[test]
    fn a_stand_in_sees_the_request() {
        testing::answer_fetch("https://api.example.com", |request| {
            assert_eq!(request.verb, "POST");
            assert_eq!(request.url, "https://api.example.com/rates?a=1&b=x+y");
            assert_eq!(request.headers.get("content-type"), Some("application/json"));
            assert_eq!(request.headers.get("accept"), Some("*/*"));
            assert_eq!(request.body, b"[1]");
            assert_eq!(request.timeout, Some(Duration::from_secs(1)));
            Json(42)
        });
        let request = fetch("https://api.example.com/rates?a=1#top").query(&[("b", "x y")]);
        let request = request.post().header("accept", "*/*").timeout(Duration::from_secs(1));
        assert_eq!(testing::block_on(request.data(&[1]).json::<u8>()), Ok(42));
    }

    #[test]
    fn the_longest_beginning_of_the_url_answers() {
        testing::answer_fetch("http://a", |_| "all");
        testing::answer_fetch("http://a/b", |_| (StatusCode::NOT_FOUND, "no b"));
        let text = |url: &str| testing::block_on(fetch(url).text());
        assert_eq!(text("http://a"), Ok("all".to_owned()));
        assert_eq!(text("http://a/bc?d"), Ok("all".to_owned()));
        assert_eq!(text("http://a/b?d").unwrap_err().status(), 404);
        for url in ["http://ab", "http://a.example", "http://a:81", "https://a"] {
            assert_eq!(text(url).unwrap_err().name(), "no-host", "{url}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_the_fault_of_the_request() {
        let fault = |request: Fetch| testing::block_on(request.text()).unwrap_err();
        assert_eq!(fault(fetch("http://a").query(&7)).name(), "internal");
        assert_eq!(fault(fetch("http://a").header("a b", "c")).name(), "bad-header");
    }
}
