//! A call being put together.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    ClientResponse, IntoParams, Outgoing,
    wrap::{self, Wraps},
};
use crate::{Body, Fault, Headers, Response, written::Written};

/// A call being put together. What cannot be written, such as data that is no
/// JSON, is the fault of the call.
#[derive(Debug)]
#[must_use = "a call is made by `.json()`, `.text()` or `.send()`"]
pub struct Call {
    pub(super) outgoing: Outgoing,
    pub(super) wraps: Wraps,
    pub(super) refusal: Option<Fault>,
}

impl Call {
    /// The name that was given to [`client()`](crate::client()).
    pub fn service(&self) -> &str {
        &self.outgoing.service
    }

    /// The name of the method.
    pub fn method(&self) -> &str {
        &self.outgoing.method
    }

    /// The headers, to be changed before the call is made.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.outgoing.headers
    }

    /// The body; replace it to send another one.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.outgoing.body
    }

    /// The path parameters, in the order of the pattern: a tuple, an array or a
    /// `Vec` of what can be displayed. They are not encoded.
    pub fn params(mut self, params: impl IntoParams) -> Self {
        self.outgoing.params = params.into_params();
        self
    }

    /// One more path parameter.
    #[allow(clippy::needless_pass_by_value, reason = "callers write `.param(40)`")]
    pub fn param(mut self, param: impl ToString) -> Self {
        self.outgoing.params.push(param.to_string());
        self
    }

    /// The query: a struct, a map or a list of pairs.
    pub fn query(mut self, query: &(impl Serialize + ?Sized)) -> Self {
        if let Some(pairs) = self.written().query(query) {
            self.outgoing.query = pairs;
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

    /// Makes the call and gives the answer, of whatever status, once its head
    /// is there.
    ///
    /// # Errors
    ///
    /// The fault of the method, or of the way there: among others
    /// `no-such-service`, `no-such-method` (404), `bad-call` (400),
    /// `unreachable`, `bad-upstream` (502), `overloaded` (503), `deadline`
    /// (504), `call-depth`, `call-cycle` (508). Natively `no-host` (503), unless
    /// [`testing::answer`](crate::testing::answer) knows the method.
    pub async fn send(mut self) -> Result<ClientResponse, Fault> {
        let wraps = std::mem::take(&mut self.wraps);
        wrap::run(&wraps.before, &mut self).await?;
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        #[cfg(target_family = "wasm")]
        let response = crate::abi::invoke(self.outgoing).await?;
        #[cfg(not(target_family = "wasm"))]
        let response = crate::testing::invoke(self.outgoing).await?;
        let Response { status, headers, body } = response;
        let mut answer = ClientResponse { status, headers, body };
        wrap::run(&wraps.after, &mut answer).await?;
        Ok(answer)
    }

    /// Makes the call and reads the answer as JSON.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and [`ClientResponse::json`].
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Fault> {
        self.send().await?.json().await
    }

    /// Makes the call and reads the answer as text.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and [`ClientResponse::text`].
    pub async fn text(self) -> Result<String, Fault> {
        self.send().await?.text().await
    }

    /// Makes the call and reads the bytes of the answer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and [`ClientResponse::bytes`].
    pub async fn bytes(self) -> Result<Vec<u8>, Fault> {
        self.send().await?.bytes().await
    }

    pub(crate) fn typed(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        self.written().typed(content_type, body.into());
        self
    }

    fn written(&mut self) -> Written<'_> {
        let Outgoing { headers, body, .. } = &mut self.outgoing;
        Written { headers, body, refusal: &mut self.refusal }
    }

    /// Keeps the first refusal.
    pub(crate) fn refuse(&mut self, fault: Fault) {
        self.refusal.get_or_insert(fault);
    }
}
