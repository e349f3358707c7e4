//! Calls to other services, by name.

mod answer;
mod call;
mod options;
mod params;
mod wrap;

pub(crate) use self::options::Options;
pub use self::{answer::ClientResponse, call::Call, params::IntoParams};

use self::wrap::Wraps;
use crate::{Body, Headers, head::Pairs};

/// A client of the service with this name, wherever it runs.
///
/// `calc` is a name, `calc@^1.2` a name with a version requirement, and
/// `stock-*` any service whose name begins with `stock-`.
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
    Client { service: service.into(), options: Options::new(), wraps: Wraps::default() }
}

/// Which service to call, and how.
#[derive(Clone, Debug)]
#[must_use = "a client calls nothing before `method(…)` and `.json()`, `.text()` or `.send()`"]
pub struct Client {
    service: String,
    options: Options,
    wraps: Wraps,
}

impl Client {
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
            wraps: self.wraps,
            refusal: None,
        }
    }
}

impl From<&str> for Client {
    fn from(service: &str) -> Self {
        client(service)
    }
}

impl From<String> for Client {
    fn from(service: String) -> Self {
        client(service)
    }
}

/// What goes to the host.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) options: Options,
    pub(crate) params: Vec<String>,
    pub(crate) query: Pairs,
    pub(crate) headers: Headers,
    pub(crate) body: Body,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, Json, StatusCode, testing};

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
    fn a_version_and_a_wildcard_find_the_service() {
        for service in ["stock-nails", "stock-bolts"] {
            testing::answer(service, "name", move |_| service);
        }
        let name = |service: &str| testing::block_on(client(service).method("name").text());
        assert_eq!(name("stock-nails@^1.2"), Ok("stock-nails".into()));
        assert_eq!(name("stock-n*"), Ok("stock-nails".into()));
        assert_eq!(name("stock-*"), Ok("stock-bolts".into()));
        assert_eq!(name("stocks-*").unwrap_err().name(), "no-host");
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
