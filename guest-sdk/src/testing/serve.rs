//! A whole service that answers, natively.

use std::cell::Cell;

use super::{Call, PROPERTIES, answer, property, request, set_property};
use crate::{
    Fault, Request, Response, call,
    service::{Method, Service},
    text,
};

/// Answers calls of every method of a service by the service itself, on this
/// thread: `#[before]`, arguments, `#[after]` and properties included.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// #[service(name = "greeter", version = "1.0.0")]
/// mod greeter {
///     #[get("/hello/{name}")]
///     async fn hello(Path(name): Path<String>) -> String {
///         format!("Hello {name}")
///     }
/// }
///
/// # fn main() {
/// testing::serve::<greeter::Service>();
/// let hello = client("greeter").method("hello").param("John").text();
/// assert_eq!(testing::block_on(hello).unwrap(), "Hello John");
/// # }
/// ```
pub fn serve<S: Service>() {
    for method in S::DECLARATION.methods {
        answer(S::DECLARATION.name, method.name, |call| served::<S>(method, call));
    }
}

fn served<S: Service>(method: &'static Method, call: Call) -> Result<Response, Fault> {
    let baggage = call.options.iter().rev().find(|(name, _)| name == "baggage");
    let baggage = match baggage {
        Some((_, baggage)) => baggage.clone(),
        None => property(call::current(), "").unwrap_or_default(),
    };
    let mut request = build(S::DECLARATION.root, method, call);
    request.call = next_call();
    PROPERTIES.with_borrow_mut(|all| all.retain(|(call, _), _| *call != request.call));
    for (name, value) in text::read_baggage(&baggage) {
        set_property(request.call, &name, &value);
    }
    super::call::<S>(method.name, request)
}

fn build(root: &str, method: &Method, call: Call) -> Request {
    let mut values = call.params.iter();
    let fill = |segment| match str::starts_with(segment, '{') {
        true => values.next().map_or("", |value| value),
        false => segment,
    };
    let below: Vec<&str> = method.pattern.split('/').map(fill).collect();
    let query = call.query.iter().map(|(name, value)| (&**name, value.as_bytes()));
    let target = [root, &below.join("/"), "?", &text::encode(query)].concat();
    let mut built = request(method.verb, &target).body(call.body);
    built.headers = call.headers;
    for (name, value) in method.params.iter().zip(&call.params) {
        built = built.param(name, value);
    }
    built.build()
}

thread_local! {
    static LAST: Cell<u64> = const { Cell::new(1 << 32) };
}

/// Away from those that tests choose.
fn next_call() -> u64 {
    LAST.set(LAST.get() + 1);
    LAST.get()
}
