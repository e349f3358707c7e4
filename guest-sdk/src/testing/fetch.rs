//! Strangers of native tests.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use crate::{Fault, Headers, IntoResponse, Response, fetch::Outgoing};

/// A request that reaches an [`answer_fetch`].
#[derive(Debug)]
pub struct Fetched {
    /// The verb.
    pub verb: String,
    /// The whole URL, its query included.
    pub url: String,
    /// The headers.
    pub headers: Headers,
    /// All of the body.
    pub body: Vec<u8>,
    /// How long the guest would wait.
    pub timeout: Option<Duration>,
}

type Answer = Rc<dyn Fn(Fetched) -> Result<Response, Fault>>;

thread_local! {
    static ANSWERS: RefCell<BTreeMap<String, Answer>> = const { RefCell::new(BTreeMap::new()) };
}

/// Answers requests to URLs that begin so, on this thread: an origin, or an
/// origin with the beginning of a path. Of several the longest counts.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// testing::answer_fetch("https://api.example.com", |_request| Json(1.15));
/// let rate = fetch("https://api.example.com/rates/usd").json::<f64>();
/// assert_eq!(testing::block_on(rate), Ok(1.15));
/// ```
pub fn answer_fetch<T, F>(beginning: &str, answer: F)
where
    T: IntoResponse,
    F: Fn(Fetched) -> T + 'static,
{
    let answer: Answer = Rc::new(move |request| answer(request).into_response());
    ANSWERS.with_borrow_mut(|answers| answers.insert(beginning.to_owned(), answer));
}

#[cfg_attr(target_family = "wasm", allow(dead_code, reason = "a guest asks its host"))]
pub(crate) async fn fetch(request: Outgoing) -> Result<Response, Fault> {
    let Outgoing { verb, url, headers, body, timeout } = request;
    let Some(answer) = find(&url) else {
        let message = format!(
            "there is no host to ask {url}; a test can give an answer with \
             `picolet_sdk::testing::answer_fetch`"
        );
        return Err(Fault::new(503, "no-host", message));
    };
    answer(Fetched { verb, url, headers, body: body.collect().await?, timeout })
}

fn find(url: &str) -> Option<Answer> {
    ANSWERS.with_borrow(|answers| {
        let begins = |beginning: &str| {
            let rest = url.strip_prefix(beginning);
            rest.is_some_and(|rest| {
                rest.is_empty() || beginning.ends_with('/') || rest.starts_with(['/', '?', '#'])
            })
        };
        let fitting = answers.iter().filter(|(beginning, _)| begins(beginning));
        fitting.max_by_key(|(beginning, _)| beginning.len()).map(|(_, answer)| Rc::clone(answer))
    })
}
