//! Calls to other services, by name.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Body, Fault, Headers, IntoResponse, Response, StatusCode, head::Pairs, json, text};

/// A client of the service with this name, wherever it runs.
///
/// ```no_run
/// use picolet_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Sum { result: i64 }
///
/// # async fn f() -> Result<(), Fault> {
/// let sum: Sum = client("calc").method("add1").params((40, 2)).json().await?;
/// # Ok(()) }
/// ```
pub fn client(service: impl Into<String>) -> Client {
    Client { service: service.into(), options: Pairs::new() }
}

/// Which service to call, and how.
#[derive(Clone, Debug)]
#[must_use = "a client calls nothing before `method(…)` and `.json()`, `.text()` or `.send()`"]
pub struct Client {
    service: String,
    options: Pairs,
}

impl Client {
    /// Only versions that meet this requirement, for example `^1.2`.
    pub fn version(self, requirement: &str) -> Self {
        self.option("version", requirement)
    }

    /// The registry key to look in; `default` otherwise.
    pub fn key(self, key: &str) -> Self {
        self.option("key", key)
    }

    /// The registration of the one endpoint to call.
    pub fn endpoint(self, registration: &str) -> Self {
        self.option("endpoint", registration)
    }

    /// A call of the method with this name.
    pub fn method(self, method: impl Into<String>) -> Call {
        Call {
            outgoing: Outgoing {
                service: self.service,
                method: method.into(),
                options: self.options,
                params: Vec::new(),
                query: Pairs::new(),
                headers: Headers::new(),
                body: Body::empty(),
            },
            refusal: None,
        }
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push(name, value.as_bytes());
        self
    }
}

/// A call being put together. What cannot be written, such as data that is no
/// JSON, is the fault of the call.
#[derive(Debug)]
#[must_use = "a call is made by `.json()`, `.text()` or `.send()`"]
pub struct Call {
    outgoing: Outgoing,
    refusal: Option<Fault>,
}

/// What goes to the host.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) service: String,
    pub(crate) method: String,
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "only a host reads it"))]
    pub(crate) options: Pairs,
    pub(crate) params: Vec<String>,
    pub(crate) query: Pairs,
    pub(crate) headers: Headers,
    pub(crate) body: Body,
}

impl Call {
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
        match text::write_pairs(query) {
            Ok(pairs) => self.outgoing.query = pairs,
            Err(error) => self.refuse(Fault::internal(format!("the query: {error}"))),
        }
        self
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Err(fault) = self.outgoing.headers.append(name, value) {
            self.refuse(fault);
        }
        self
    }

    /// A JSON body.
    pub fn data(self, data: &(impl Serialize + ?Sized)) -> Self {
        match json::to_vec(data) {
            Ok(json) => self.typed("application/json", json),
            Err(error) => {
                let mut call = self;
                call.refuse(Fault::internal(format!("the data: {error}")));
                call
            }
        }
    }

    /// A form as the body: a struct, a map or a list of pairs.
    pub fn form(mut self, form: &(impl Serialize + ?Sized)) -> Self {
        match text::write_pairs(form) {
            Ok(pairs) => {
                let form = text::encode(pairs.iter());
                self.typed("application/x-www-form-urlencoded", form)
            }
            Err(error) => {
                self.refuse(Fault::internal(format!("the form: {error}")));
                self
            }
        }
    }

    /// A body of bytes, text or a stream, of the content type given with
    /// [`header`](Self::header).
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.outgoing.body = body.into();
        self
    }

    /// How long the answer may take, to the millisecond; never longer than the
    /// deadline of the call that this one is part of.
    pub fn timeout(self, timeout: Duration) -> Self {
        let milliseconds = timeout.as_millis().to_string();
        self.option("timeout-ms", &milliseconds)
    }

    /// How many more times to try when that is safe, 0 to 10.
    pub fn retry(self, times: u8) -> Self {
        let times = times.min(10).to_string();
        self.option("retry", &times)
    }

    /// Waits for a first endpoint, until the deadline, when there is none yet.
    pub fn wait(self) -> Self {
        self.option("wait", "true")
    }

    /// Only versions that meet this requirement, for example `^1.2`.
    pub fn version(self, requirement: &str) -> Self {
        self.option("version", requirement)
    }

    /// The registry key to look in; `default` otherwise.
    pub fn key(self, key: &str) -> Self {
        self.option("key", key)
    }

    /// The registration of the one endpoint to call.
    pub fn endpoint(self, registration: &str) -> Self {
        self.option("endpoint", registration)
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
    pub async fn send(self) -> Result<ClientResponse, Fault> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        #[cfg(target_family = "wasm")]
        let response = crate::abi::invoke(self.outgoing).await?;
        #[cfg(not(target_family = "wasm"))]
        let response = crate::testing::invoke(self.outgoing).await?;
        let Response { status, headers, body } = response;
        Ok(ClientResponse { status, headers, body })
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

    fn typed(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        if self.outgoing.headers.get("content-type").is_none() {
            self = self.header("content-type", content_type);
        }
        self.body(body)
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.outgoing.options.push(name, value.as_bytes());
        self
    }

    /// Keeps the first refusal.
    fn refuse(&mut self, fault: Fault) {
        self.refusal.get_or_insert(fault);
    }
}

/// The answer of another service. Returned from a handler it is passed on.
#[derive(Debug)]
pub struct ClientResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: Headers,
    /// The body, as it arrives.
    pub body: Body,
}

impl ClientResponse {
    /// The answer itself when its status is 200 to 299.
    ///
    /// # Errors
    ///
    /// The fault that the body tells, `{"error", "code", "fault"}`, else one
    /// named `bad-upstream` with the status of the answer, or 502 when that is
    /// no status of a fault.
    pub async fn success(self) -> Result<Self, Fault> {
        if self.status.is_success() {
            return Ok(self);
        }
        let status = match self.status.as_u16() {
            status @ 400.. => status,
            _ => 502,
        };
        let told = json::from_slice::<Told>(&self.body.collect().await?);
        Err(match told {
            Ok(told) => Fault::new(told.code.unwrap_or(status), told.fault, told.error),
            Err(_) => Fault::new(status, "bad-upstream", "the called service did not succeed"),
        })
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); `bad-upstream` (502) when the body is not
    /// the JSON that was expected; the fault with which it was broken off.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let body = self.bytes().await?;
        json::from_slice(&body).map_err(|error| Fault::bad_upstream(error.into_text()))
    }

    /// Reads the body as text.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); `bad-upstream` (502) when the body is not
    /// UTF-8; the fault with which it was broken off.
    pub async fn text(self) -> Result<String, Fault> {
        String::from_utf8(self.bytes().await?)
            .map_err(|_| Fault::bad_upstream("the answer is not UTF-8"))
    }

    /// Reads the bytes of the body.
    ///
    /// # Errors
    ///
    /// As [`success`](Self::success); the fault with which the body was broken
    /// off.
    pub async fn bytes(self) -> Result<Vec<u8>, Fault> {
        self.success().await?.body.collect().await
    }
}

impl IntoResponse for ClientResponse {
    fn into_response(self) -> Result<Response, Fault> {
        Ok(Response { status: self.status, headers: self.headers, body: self.body })
    }
}

/// A fault as hosts write it into a body.
#[derive(Deserialize)]
struct Told {
    error: String,
    code: Option<u16>,
    fault: String,
}

/// Path parameters of a call: tuples, arrays and `Vec`s of what can be
/// displayed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the path parameters of a call",
    label = "no parameters",
    note = "write a tuple in the order of the pattern: `.params((40, 2))`, or one at a time: `.param(40)`"
)]
pub trait IntoParams {
    /// The parameters as text.
    fn into_params(self) -> Vec<String>;
}

impl IntoParams for () {
    fn into_params(self) -> Vec<String> {
        Vec::new()
    }
}

impl<T: ToString> IntoParams for Vec<T> {
    fn into_params(self) -> Vec<String> {
        self.iter().map(T::to_string).collect()
    }
}

impl<T: ToString, const N: usize> IntoParams for [T; N] {
    fn into_params(self) -> Vec<String> {
        self.iter().map(T::to_string).collect()
    }
}

macro_rules! tuples {
    ($(($($generic:ident $index:tt),*);)*) => {$(
        impl<$($generic: ToString),*> IntoParams for ($($generic,)*) {
            fn into_params(self) -> Vec<String> {
                vec![$(self.$index.to_string()),*]
            }
        }
    )*};
}

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Json, testing};

    #[test]
    fn without_a_host_a_call_is_a_fault() {
        let fault = testing::block_on(client("nobody").method("a").text()).unwrap_err();
        assert_eq!((fault.status(), fault.name()), (503, "no-host"));
    }

    #[test]
    fn a_registered_answer_sees_the_call() {
        testing::answer("calc", "add", |call| {
            assert_eq!(call.params, ["40", "2"]);
            assert_eq!(call.query, [("round".to_owned(), "true".to_owned())]);
            assert_eq!(call.headers.get("content-type"), Some("application/json"));
            assert_eq!(call.body, b"[1]");
            Json(42)
        });
        let call = client("calc").method("add").params((40, "2")).query(&[("round", true)]);
        assert_eq!(testing::block_on(call.data(&[1]).json::<u8>()), Ok(42));
    }

    #[test]
    fn a_fault_in_the_body_comes_back_as_it_was() {
        testing::answer("faulty", "a", |_| {
            let told = r#"{"error":"no such user","code":404,"fault":"no-such-user"}"#;
            (StatusCode::NOT_FOUND, told)
        });
        testing::answer("faulty", "b", |_| (StatusCode::FOUND, "elsewhere"));
        let fault = testing::block_on(client("faulty").method("a").text()).unwrap_err();
        assert_eq!(fault, Fault::new(404, "no-such-user", "no such user"));
        let fault = testing::block_on(client("faulty").method("b").text()).unwrap_err();
        assert_eq!((fault.status(), fault.name()), (502, "bad-upstream"));
    }

    #[test]
    fn what_cannot_be_written_is_the_fault_of_the_call() {
        let call = client("calc").method("add").query(&7);
        assert_eq!(testing::block_on(call.text()).unwrap_err().name(), "internal");
        let call = client("calc").method("add").header("a b", "c");
        assert_eq!(testing::block_on(call.text()).unwrap_err().name(), "bad-header");
    }
}
