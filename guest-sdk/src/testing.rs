//! For tests that run natively, without a host.
//!
//! Handlers are plain async functions: call them under [`block_on`]. To run one
//! as the host would, arguments, `#[before]` and `#[after]` included, give
//! [`call()`] the type `Service` that `#[service]` puts into its module.
//!
//! ```
//! use picolet_sdk::{prelude::*, testing};
//!
//! #[service(name = "greeter", version = "1.0.0", root = "/greeter")]
//! mod greeter {
//!     /// Greets by name.
//!     #[get("/hello/{name}")]
//!     async fn hello(Path(name): Path<String>) -> String {
//!         format!("Hello {name}")
//!     }
//! }
//!
//! # fn main() {
//! let request = testing::request("GET", "/greeter/hello/John").param("name", "John").build();
//! let response = testing::call::<greeter::Service>("hello", request).unwrap();
//! assert_eq!(response.status, 200);
//! # }
//! ```

mod events;
mod fetch;
mod serve;
pub(crate) mod sockets;
pub(crate) mod state;
pub(crate) mod watch;

pub(crate) use self::{events::publish, fetch::fetch};
pub use self::{
    events::{Published, hear, published},
    fetch::{Fetched, answer_fetch},
    serve::serve,
    sockets::{Sent, attend, closed, rooms, sent},
    state::configure,
};

use std::{
    cell::RefCell,
    collections::HashMap,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use crate::{
    Body, Entry, Fault, Headers, IntoResponse, Request, Response, call,
    client::Outgoing,
    head::{Head, Pairs},
    json,
    service::Service,
    text,
};

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Runs a method of a service as the host would.
///
/// # Errors
///
/// The fault of the method.
///
/// # Panics
///
/// When the service declares no method of this name.
#[track_caller]
#[allow(clippy::panic, reason = "how a test says that it is wrong")]
pub fn call<S: Service>(method: &str, mut request: Request) -> Result<Response, Fault> {
    let methods = S::DECLARATION.methods;
    let Some(index) = methods.iter().position(|known| known.name == method) else {
        let known: Vec<_> = methods.iter().map(|known| known.name).collect();
        panic!("no method `{method}`, there are {known:?}");
    };
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    block_on(call::within(request.call, S::handle(index, &mut request)))
}

/// A request to put together; the target is a path and, after `?`, a query.
pub fn request(verb: &str, target: &str) -> RequestBuilder {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    RequestBuilder {
        verb: verb.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        params: Vec::new(),
        headers: Headers::new(),
        body: Body::empty(),
        socket: None,
    }
}

/// Puts a [`Request`] together.
#[derive(Debug)]
#[must_use = "a request is made by `.build()`"]
pub struct RequestBuilder {
    verb: String,
    path: String,
    query: String,
    params: Vec<(String, String)>,
    headers: Headers,
    body: Body,
    socket: Option<String>,
}

impl RequestBuilder {
    /// One more path parameter, decoded, in the order of the pattern.
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One more header.
    ///
    /// # Panics
    ///
    /// When it is no header.
    #[track_caller]
    #[allow(clippy::expect_used, reason = "how a test says that it is wrong")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(name, value).expect("a header");
        self
    }

    /// A JSON body with its content type.
    ///
    /// # Panics
    ///
    /// When the data cannot be JSON.
    #[track_caller]
    #[allow(clippy::expect_used, reason = "how a test says that it is wrong")]
    pub fn json(self, data: &(impl serde::Serialize + ?Sized)) -> Self {
        let json = json::to_vec(data).expect("data that can be JSON");
        self.header("content-type", "application/json").body(json)
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// The socket that the call comes by, which is open from then on.
    pub fn socket(mut self, id: &str) -> Self {
        self.socket = Some(id.to_owned());
        self
    }

    /// The request. Its parameter names live as long as the test.
    pub fn build(self) -> Request {
        let values: Vec<&str> = self.params.iter().map(|(_, value)| &**value).collect();
        let mut block = Head::encode(&self.verb, &self.path, &self.query, &values);
        block.extend_from_slice(self.headers.0.as_block());
        let call = self.socket.map_or(1, sockets::came_by);
        let mut request = Request::from_host(call, Head::new(block), self.body);
        let names = self.params.into_iter().map(|(name, _)| &*name.leak());
        request.names = names.collect::<Vec<_>>().leak();
        request
    }
}

/// A call that reaches an [`answer`].
#[derive(Debug)]
pub struct Call {
    /// The path parameters.
    pub params: Vec<String>,
    /// The query, name by name.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: Headers,
    /// The options, name by name, as `wit/client.wit` lists them.
    pub options: Vec<(String, String)>,
    /// All of the body.
    pub body: Vec<u8>,
}

type Answer = Rc<dyn Fn(Call) -> Result<Response, Fault>>;

thread_local! {
    static ANSWERS: RefCell<HashMap<(String, String), Answer>> = RefCell::default();
    static ENTRIES: RefCell<HashMap<String, Vec<Entry>>> = RefCell::default();
    static PROPERTIES: RefCell<HashMap<(u64, String), String>> = RefCell::default();
}

/// Answers calls of a method of another service, on this thread.
pub fn answer<T, F>(service: &str, method: &str, answer: F)
where
    T: IntoResponse,
    F: Fn(Call) -> T + 'static,
{
    let key = (service.to_owned(), method.to_owned());
    let answer: Answer = Rc::new(move |call| answer(call).into_response());
    ANSWERS.with_borrow_mut(|answers| answers.insert(key, answer));
}

/// Lists entries under a registry key, on this thread.
pub fn list(key: &str, entries: Vec<Entry>) {
    ENTRIES.with_borrow_mut(|listed| listed.insert(key.to_owned(), entries));
}

pub(crate) fn entries(key: &str) -> Vec<Entry> {
    ENTRIES.with_borrow(|listed| listed.get(key).cloned().unwrap_or_default())
}

#[cfg_attr(target_family = "wasm", allow(dead_code, reason = "a guest asks its host"))]
pub(crate) async fn invoke(call: Outgoing) -> Result<Response, Fault> {
    let Some(answer) = find(&call.service, &call.method) else {
        let message = format!(
            "there is no host to call `{}` of `{}`; a test can give an answer with \
             `picolet_sdk::testing::answer`",
            call.method, call.service
        );
        return Err(Fault::new(503, "no-host", message));
    };
    answer(Call {
        query: texts(&call.query),
        params: call.params,
        headers: call.headers,
        options: texts(&call.options.into_pairs()),
        body: call.body.collect().await?,
    })
}

/// Finds an answer as a host finds a service, versions aside.
fn find(service: &str, method: &str) -> Option<Answer> {
    let name = service.split_once('@').map_or(service, |(name, _)| name);
    ANSWERS.with_borrow(|answers| {
        if let Some(exact) = answers.get(&(name.to_owned(), method.to_owned())) {
            return Some(Rc::clone(exact));
        }
        let prefix = name.strip_suffix('*')?;
        let alike = |(known, _): &(&(String, String), &Answer)| {
            known.0.starts_with(prefix) && known.1 == method
        };
        answers.iter().filter(alike).min_by_key(|(known, _)| *known).map(|(_, a)| Rc::clone(a))
    })
}

fn texts(pairs: &Pairs) -> Vec<(String, String)> {
    let text = |value| String::from_utf8_lossy(value).into_owned();
    pairs.iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

pub(crate) fn request_id(call: u64) -> String {
    format!("test-{call}")
}

pub(crate) fn trace(call: u64) -> String {
    format!("00-{:032x}-{:016x}-01", call.max(1), call.max(1))
}

pub(crate) fn trace_state(_: u64) -> String {
    String::new()
}

pub(crate) fn remaining_ms(_: u64) -> u64 {
    30_000
}

pub(crate) fn caller(_: u64) -> Option<String> {
    None
}

pub(crate) fn property(call: u64, name: &str) -> Option<String> {
    PROPERTIES.with_borrow(|properties| {
        if name.is_empty() {
            let own = properties.iter().filter(|((of, _), _)| *of == call);
            let mut own: Vec<_> = own.map(|((_, name), value)| (&**name, &**value)).collect();
            own.sort_unstable();
            return Some(text::write_baggage(own.into_iter()));
        }
        properties.get(&(call, name.to_owned())).cloned()
    })
}

pub(crate) fn set_property(call: u64, name: &str, value: &str) -> bool {
    if !crate::headers::is_name(name) {
        return false;
    }
    PROPERTIES.with_borrow_mut(|properties| {
        properties.insert((call, name.to_owned()), value.to_owned());
    });
    true
}
