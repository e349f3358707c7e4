//! What runs around the calls of a client.

use std::{fmt, marker::PhantomData, pin::Pin, rc::Rc};

use super::{Call, Client, ClientResponse};
use crate::{Fault, service::Outcome};

type Boxed<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + 'a>>;

/// The functions around every call of a client, in order.
#[derive(Clone, Default)]
pub(super) struct Wraps {
    pub(super) before: Vec<Rc<dyn Wrap<Call>>>,
    pub(super) after: Vec<Rc<dyn Wrap<ClientResponse>>>,
}

impl fmt::Debug for Wraps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wraps({} before, {} after)", self.before.len(), self.after.len())
    }
}

/// One such function, whatever its type.
pub(super) trait Wrap<T> {
    fn run<'a>(&'a self, on: &'a mut T) -> Boxed<'a>;
}

struct Wrapped<F, O>(F, PhantomData<fn() -> O>);

impl<T, F: AsyncFn(&mut T) -> O, O: Outcome> Wrap<T> for Wrapped<F, O> {
    fn run<'a>(&'a self, on: &'a mut T) -> Boxed<'a> {
        Box::pin(async move { (self.0)(on).await.into_result() })
    }
}

/// Runs them on a call or an answer until one refuses.
pub(super) async fn run<T>(wraps: &[Rc<dyn Wrap<T>>], on: &mut T) -> Result<(), Fault> {
    for wrap in wraps {
        wrap.run(on).await?;
    }
    Ok(())
}

/// What runs around each call, as `#[before]` and `#[after]` do around the
/// methods of a service.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// async fn key(call: &mut Call) -> Result<(), Fault> {
///     call.headers_mut().set("x-key", "secret")
/// }
///
/// # testing::answer("stock", "count", |call| {
/// #     let age = Headers::new().with("x-age", "0")?;
/// #     Ok::<_, Fault>((age, call.headers.get("x-key").unwrap_or("none").to_owned()))
/// # });
/// let stock = client("stock").before(key).after(async |answer: &mut ClientResponse| {
///     match answer.headers.get("x-age") {
///         Some("0") => Ok(()),
///         _ => Err(Fault::bad_upstream("the stock is stale")),
///     }
/// });
/// # let answer = testing::block_on(stock.method("count").text());
/// # assert_eq!(answer.unwrap(), "secret");
/// ```
impl Client {
    /// Runs an `async` function or closure before each call. It may change the
    /// call; a fault that it returns is the outcome instead.
    pub fn before<F, O>(mut self, before: F) -> Self
    where
        F: AsyncFn(&mut Call) -> O + 'static,
        O: Outcome + 'static,
    {
        self.wraps.before.push(Rc::new(Wrapped(before, PhantomData)));
        self
    }

    /// Runs an `async` function or closure on each answer, of whatever status.
    /// It may change the answer; a fault that it returns is the outcome
    /// instead. Faults of the call pass it by.
    pub fn after<F, O>(mut self, after: F) -> Self
    where
        F: AsyncFn(&mut ClientResponse) -> O + 'static,
        O: Outcome + 'static,
    {
        self.wraps.after.push(Rc::new(Wrapped(after, PhantomData)));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StatusCode, client, testing};

    #[test]
    fn they_run_in_order_and_may_change_what_passes() {
        testing::answer("wrapped", "echo", |call| {
            let seen: Vec<_> = call.headers.get_all("x-step").collect();
            seen.join(",")
        });
        let wrapped = client("wrapped")
            .before(async |call: &mut Call| call.headers_mut().append("x-step", "1"))
            .before(async |call: &mut Call| {
                assert_eq!((call.service(), call.method()), ("wrapped", "echo"));
                call.headers_mut().append("x-step", "2")
            })
            .after(async |answer: &mut ClientResponse| {
                answer.status = StatusCode::ACCEPTED;
            });
        let answer = testing::block_on(wrapped.method("echo").send()).unwrap();
        assert_eq!(answer.status, 202);
        assert_eq!(testing::block_on(answer.text()), Ok("1,2".into()));
    }

    #[test]
    fn a_fault_of_one_is_the_outcome() {
        testing::answer("guarded", "a", |_| "never seen");
        let guarded = client("guarded")
            .after(async |_: &mut ClientResponse| Err::<(), _>(Fault::conflict("stale")));
        let fault = testing::block_on(guarded.clone().method("a").text()).unwrap_err();
        assert_eq!(fault.name(), "conflict");
        let closed = guarded.before(async |_: &mut Call| Err::<(), _>(Fault::forbidden("no key")));
        let fault = testing::block_on(closed.method("a").text()).unwrap_err();
        assert_eq!(fault.name(), "forbidden");
    }
}
