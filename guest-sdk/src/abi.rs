//! The boundary to the host: generated bindings, and what turns their types
//! into those of the SDK and back.
//!
//! After a response is returned its body may still be written: `start_task`
//! runs what [`spawn`] was given beside the exported function and after it.

pub mod bindings;

use std::{
    cell::Cell,
    future::poll_fn,
    marker::PhantomData,
    mem::ManuallyDrop,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use self::bindings::{
    exports::picolet::service::service as exported,
    picolet::service::{client as wit_client, types as wit},
    wasi::clocks::monotonic_clock,
    wit_future, wit_stream,
};
use crate::{
    Body, Fault, Headers, Request, Response, StatusCode,
    body::{Incoming, Kind},
    call,
    head::Head,
    service::{Declaration, Service},
};

/// The runtime of the bindings, with tasks that outlive the return.
pub mod rt {
    pub use wit_bindgen::rt::*;

    pub mod async_support {
        pub use wit_bindgen::rt::async_support::*;

        /// What the exported function calls with its own future.
        pub fn start_task(task: impl Future<Output = ()> + 'static) -> i32 {
            wit_bindgen::rt::async_support::start_task(super::super::with_spawned(task))
        }
    }
}

type Spawned = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// What was spawned during the poll that runs now. Every poll empties it;
    /// that nothing is ever left to drop spares the code for it.
    static SPAWNED: Cell<ManuallyDrop<Vec<Spawned>>> =
        const { Cell::new(ManuallyDrop::new(Vec::new())) };

    /// Polls what was spawned; a module that spawns nothing has none of it.
    static POLL_SPAWNED: Cell<fn(&mut Vec<Spawned>, &mut Context<'_>)> =
        const { Cell::new(|_, _| {}) };
}

fn take_spawned() -> Vec<Spawned> {
    ManuallyDrop::into_inner(SPAWNED.replace(ManuallyDrop::new(Vec::new())))
}

/// Runs a future beside the exported function being polled, and after it.
fn spawn(future: impl Future<Output = ()> + 'static) {
    let future = Box::pin(call::within(call::current(), future));
    POLL_SPAWNED.set(poll_spawned);
    let mut spawned = take_spawned();
    spawned.push(future);
    SPAWNED.set(ManuallyDrop::new(spawned));
}

/// Ends when the task and everything it spawned has ended.
async fn with_spawned(task: impl Future<Output = ()>) {
    let mut main = pin!(Some(task));
    let mut others: Vec<Spawned> = Vec::new();
    poll_fn(|context| {
        if let Some(task) = main.as_mut().as_pin_mut()
            && task.poll(context).is_ready()
        {
            main.set(None);
        }
        POLL_SPAWNED.get()(&mut others, context);
        if main.is_none() && others.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn poll_spawned(others: &mut Vec<Spawned>, context: &mut Context<'_>) {
    others.retain_mut(|other| other.as_mut().poll(context).is_pending());
    loop {
        let newer = take_spawned();
        if newer.is_empty() {
            return;
        }
        for mut other in newer {
            if other.as_mut().poll(context).is_pending() {
                others.push(other);
            }
        }
    }
}

/// Implements the exported interface for a service.
pub struct Adapter<S>(PhantomData<S>);

impl<S: Service> exported::Guest for Adapter<S> {
    fn describe() -> exported::Declaration {
        S::DECLARATION.into()
    }

    async fn handle(method: u32, request: wit::Request) -> Result<wit::Response, wit::Fault> {
        let call = request.call;
        let request = Request::from_host(call, Head::new(request.head), request.body.into());
        call::within(call, async move {
            match S::handle(method, request).await {
                Ok(response) => Ok(response.into()),
                Err(fault) => Err(fault.into()),
            }
        })
        .await
    }
}

impl From<&Declaration> for exported::Declaration {
    fn from(declaration: &Declaration) -> Self {
        Self {
            name: declaration.name.into(),
            version: declaration.version.into(),
            root: declaration.root.into(),
            description: declaration.description.into(),
            metadata: Vec::new(),
            methods: declaration
                .methods
                .iter()
                .map(|method| exported::Method {
                    name: method.name.into(),
                    verb: method.verb.into(),
                    pattern: method.pattern.into(),
                    description: method.description.into(),
                    metadata: match method.idempotent {
                        true => vec![("idempotent".into(), "true".into())],
                        false => Vec::new(),
                    },
                })
                .collect(),
        }
    }
}

impl From<wit::Fault> for Fault {
    fn from(fault: wit::Fault) -> Self {
        Fault::new(fault.status, fault.name, fault.message)
    }
}

impl From<Fault> for wit::Fault {
    fn from(fault: Fault) -> Self {
        let (status, name, message) = fault.into_parts();
        wit::Fault { status, name, message }
    }
}

impl From<Response> for wit::Response {
    fn from(response: Response) -> Self {
        wit::Response {
            status: response.status.as_u16(),
            head: response.headers.0.into_block(),
            body: response.body.into(),
        }
    }
}

impl From<wit::Body> for Body {
    fn from(body: wit::Body) -> Self {
        Body(match body {
            wit::Body::Empty => Kind::Empty,
            wit::Body::Bytes(bytes) => Kind::Bytes(bytes),
            wit::Body::Streamed(streamed) => Kind::Incoming(Incoming::new(streamed)),
        })
    }
}

/// A body that a producer writes gets its task here; so it must be called
/// within a call.
impl From<Body> for wit::Body {
    fn from(body: Body) -> Self {
        match body.0 {
            Kind::Empty => wit::Body::Empty,
            Kind::Bytes(bytes) => wit::Body::Bytes(bytes),
            Kind::Incoming(incoming) => incoming.into_streamed(),
            Kind::Produced(producer) => producer.send(),
            Kind::Kept(kept) => kept.send(),
        }
    }
}

/// A body that this future writes, beside the exported function and after it.
pub(crate) fn produced(
    start: impl FnOnce(
        rt::async_support::StreamWriter<u8>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Fault>>>>,
) -> wit::Body {
    let (writer, data) = wit_stream::new::<u8>();
    // What counts when the producer is dropped before it said how it ended.
    let (ending, end) = wit_future::new::<Result<(), wit::Fault>>(|| {
        Err(Fault::internal("the body was broken off").into())
    });
    let producer = start(writer);
    spawn(async move {
        let ended = producer.await;
        // Nobody to tell when the reader is gone.
        let _ = ending.write(ended.map_err(Into::into)).await;
    });
    wit::Body::Streamed(wit::Streamed { data, end })
}

/// Waits without holding up the other calls of the instance.
pub(crate) async fn sleep(nanoseconds: u64) {
    monotonic_clock::wait_for(nanoseconds).await;
}

/// Makes a call through the host.
pub(crate) async fn invoke(call: crate::client::Outgoing) -> Result<Response, Fault> {
    let response = wit_client::invoke(
        call::current(),
        wit_client::Call {
            service: call.service,
            method: call.method,
            options: call.options.into_block(),
            params: call.params,
            query: call.query.into_block(),
            headers: call.headers.0.into_block(),
            body: call.body.into(),
        },
    )
    .await?;
    Ok(Response {
        status: StatusCode::new(response.status),
        headers: Headers::from_block(&response.head),
        body: response.body.into(),
    })
}
