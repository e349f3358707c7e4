//! Events of native tests.

use std::cell::RefCell;

use super::{block_on, request};
use crate::{Fault, IntoResponse, body::Kind, call, service::Listener};

/// An event that was published on this thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// What it is about.
    pub subject: String,
    /// Empty when there is none.
    pub content_type: String,
    /// All of it.
    pub payload: Vec<u8>,
}

thread_local! {
    static PUBLISHED: RefCell<Vec<Published>> = const { RefCell::new(Vec::new()) };
}

/// Events that were published on this thread since this was asked last. Nobody
/// hears them but by [`hear`].
pub fn published() -> Vec<Published> {
    PUBLISHED.take()
}

#[cfg_attr(target_family = "wasm", allow(dead_code, reason = "a guest asks its host"))]
pub(crate) fn publish(subject: &str, content_type: &str, payload: &[u8]) -> Result<(), Fault> {
    if tokens(subject).any(|token| token.is_empty() || ["*", ">"].contains(&token)) {
        return Err(Fault::new(400, "bad-subject", format!("subject {subject:?} is none")));
    }
    let (subject, content_type) = (subject.to_owned(), content_type.to_owned());
    let published = Published { subject, content_type, payload: payload.to_vec() };
    PUBLISHED.with_borrow_mut(|all| all.push(published));
    Ok(())
}

/// Lets a service hear an event, as the host would: every function with a
/// subscription that covers the subject, in their order. Gives how many there
/// were.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// #[service(name = "rates", version = "1.0.0")]
/// mod rates {
///     #[on("rates.*")]
///     async fn changed(Path(currency): Path<String>, Json(rate): Json<f64>) {
///         println!("{currency} is {rate}");
///     }
/// }
///
/// # fn main() {
/// assert_eq!(testing::hear::<rates::Service>("rates.usd", Json(1.15)), Ok(1));
/// assert!(testing::hear::<rates::Service>("rates.usd", "a lot").is_err());
/// # }
/// ```
///
/// # Errors
///
/// The first fault of a function.
pub fn hear<S: Listener>(subject: &str, payload: impl IntoResponse) -> Result<usize, Fault> {
    let payload = payload.into_response()?;
    let body = match payload.body.0 {
        Kind::Empty => Vec::new(),
        Kind::Bytes(bytes) => bytes,
        _ => return Err(Fault::new(400, "bad-payload", "an event cannot have a streamed body")),
    };
    let mut heard = 0;
    for (subscription, index) in S::SUBSCRIPTIONS.iter().zip(0..) {
        let Some(captured) = captures(subscription.subject, subject) else { continue };
        let mut event = request("EVENT", &format!("/{subject}")).body(body.clone());
        event.headers = payload.headers.clone();
        for value in captured {
            event = event.param("", value);
        }
        let mut event = event.header("x-event-id", "test-1").build();
        block_on(call::within(event.call, S::hear(index, &mut event)))?;
        heard += 1;
    }
    Ok(heard)
}

fn tokens(subject: &str) -> impl Iterator<Item = &str> {
    subject.split('.')
}

/// What the wildcards stand for; none when the pattern does not cover it.
fn captures<'s>(pattern: &str, subject: &'s str) -> Option<Vec<&'s str>> {
    let (mut captured, mut rest) = (Vec::new(), Some(subject));
    for token in tokens(pattern) {
        let left = rest?;
        let (first, after) = left.split_once('.').map_or((left, None), |(a, b)| (a, Some(b)));
        match token {
            ">" => {
                captured.push(left);
                return Some(captured);
            }
            "*" => captured.push(first),
            _ if token == first => {}
            _ => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(captured)
}
