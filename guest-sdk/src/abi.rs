//! The boundary to the host: generated bindings, and what turns their types
//! into those of the SDK and back.
//!
//! After a response is returned its body may still be written: what
//! [`task::spawn`] was given runs beside the exported function and after it.

pub mod bindings;
mod outbound;
pub(crate) mod sockets;
pub(crate) mod state;
mod task;

pub(crate) use self::outbound::fetch;

use std::{marker::PhantomData, pin::Pin};

#[cfg(feature = "schemas")]
use self::bindings::described::exports::picolet::service::schemas as told;
use self::bindings::{
    exports::picolet::service::service as exported,
    listener::exports::picolet::service::events,
    picolet::service::{bus, client as wit_client, prompt, types as wit},
    socketed::exports::picolet::service::websockets,
    starter::exports::picolet::service::start,
    stopper::exports::picolet::service::stop,
    timed::exports::picolet::service::timers,
    wasi::clocks::monotonic_clock,
    wit_future, wit_stream,
};
use crate::{
    Body, Fault, Headers, Request, Response, StatusCode,
    body::{Incoming, Kind},
    call,
    head::Head,
    service::{
        Declaration, Listener, Schedule, Service, Socketed, Starter, Stopper, Subscription, Timed,
        Timer, WebSocket,
    },
};

/// The runtime of the bindings, with our own tasks.
pub mod rt {
    pub use wit_bindgen::rt::*;

    pub mod async_support {
        pub use wit_bindgen::rt::async_support::*;

        pub use super::super::task::{callback, start_task};
    }
}

/// Implements the exported interface for a service.
pub struct Adapter<S>(PhantomData<S>);

impl<S: Service> exported::Guest for Adapter<S> {
    fn describe() -> exported::Declaration {
        S::DECLARATION.into()
    }

    async fn handle(method: u32, request: wit::Request) -> Result<wit::Response, wit::Fault> {
        match S::handle(method, &mut entered(request)).await {
            Ok(response) => Ok(response.into()),
            Err(fault) => Err(fault.into()),
        }
    }
}

impl<S: Listener> events::Guest for Adapter<S> {
    fn subscriptions() -> Vec<events::Subscription> {
        S::SUBSCRIPTIONS.iter().map(Into::into).collect()
    }

    async fn hear(subscription: u32, event: wit::Request) -> Result<(), wit::Fault> {
        S::hear(subscription, &mut entered(event)).await.map_err(Into::into)
    }
}

impl<S: Timed> timers::Guest for Adapter<S> {
    fn timers() -> Vec<timers::Timer> {
        S::TIMERS.iter().map(Into::into).collect()
    }

    async fn fire(timer: u32, event: wit::Request) -> Result<(), wit::Fault> {
        S::fire(timer, &mut entered(event)).await.map_err(Into::into)
    }
}

impl<S: Socketed> websockets::Guest for Adapter<S> {
    fn websockets() -> Vec<websockets::Websocket> {
        S::WEBSOCKETS.iter().map(Into::into).collect()
    }

    async fn attend(websocket: u32, happening: wit::Request) -> Result<(), wit::Fault> {
        S::attend(websocket, &mut entered(happening)).await.map_err(Into::into)
    }
}

impl<S: Starter> start::Guest for Adapter<S> {
    async fn start(event: wit::Request) -> Result<(), wit::Fault> {
        S::start(&mut entered(event)).await.map_err(Into::into)
    }
}

impl<S: Stopper> stop::Guest for Adapter<S> {
    async fn stop(event: wit::Request) -> Result<(), wit::Fault> {
        S::stop(&mut entered(event)).await.map_err(Into::into)
    }
}

#[cfg(feature = "schemas")]
impl<S: crate::schemas::Described> told::Guest for Adapter<S> {
    fn schemas() -> Vec<told::Shape> {
        S::shapes().into_iter().map(Into::into).collect()
    }
}

#[cfg(feature = "schemas")]
impl From<crate::schemas::Shape> for told::Shape {
    fn from(shape: crate::schemas::Shape) -> Self {
        use crate::schemas::Part;
        Self {
            method: shape.method,
            part: match shape.part {
                Part::Path => told::Part::Path,
                Part::Query => told::Part::Query,
                Part::Body => told::Part::Body,
                Part::Answer => told::Part::Answer,
            },
            content_type: shape.content_type.into(),
            schema: shape.schema,
        }
    }
}

/// A call that has come in.
fn entered(request: wit::Request) -> Request {
    call::enter(request.call);
    let (head, body) = (Head::new(request.head), request.body.into());
    Request::from_host(request.call, head, body)
}

impl From<&Timer> for timers::Timer {
    fn from(timer: &Timer) -> Self {
        Self {
            name: timer.name.into(),
            schedule: match timer.schedule {
                Schedule::EveryMs(ms) => timers::Schedule::EveryMs(ms),
                Schedule::Cron(pattern) => timers::Schedule::Cron(pattern.into()),
            },
            overlap: timer.overlap,
            description: timer.description.into(),
        }
    }
}

impl From<&Subscription> for events::Subscription {
    fn from(subscription: &Subscription) -> Self {
        Self {
            name: subscription.name.into(),
            subject: subscription.subject.into(),
            group: subscription.group.map(Into::into),
            description: subscription.description.into(),
        }
    }
}

impl From<&WebSocket> for websockets::Websocket {
    fn from(websocket: &WebSocket) -> Self {
        Self {
            name: websocket.name.into(),
            pattern: websocket.pattern.into(),
            protocols: websocket.protocols.iter().map(|protocol| (*protocol).into()).collect(),
            description: websocket.description.into(),
        }
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
    task::spawn(async move {
        let ended = producer.await;
        // Nobody to tell when the reader is gone.
        let _ = ending.write(ended.map_err(Into::into)).await;
    });
    wit::Body::Streamed(wit::Streamed { data, end })
}

/// Publishes an event.
pub(crate) fn publish(subject: &str, content_type: &str, payload: &[u8]) -> Result<(), Fault> {
    Ok(bus::publish(call::current(), subject, content_type, payload)?)
}

/// Waits without holding up the other calls of the instance.
pub(crate) async fn sleep(nanoseconds: u64) {
    monotonic_clock::wait_for(nanoseconds).await;
}

/// Makes a call through the host. Most answers are there at once; for the
/// others, and with a body that is still to be written, the guest waits.
pub(crate) async fn invoke(call: crate::client::Outgoing) -> Result<Response, Fault> {
    let by = call::current();
    let call = wit_client::Call {
        service: call.service,
        method: call.method,
        options: call.options.into_pairs().into_block(),
        params: call.params,
        query: call.query.into_block(),
        headers: call.headers.0.into_block(),
        body: call.body.into(),
    };
    let response = match call.body {
        wit::Body::Streamed(_) => wit_client::invoke(by, call).await?,
        _ => match prompt::begin(by, call) {
            prompt::Begun::Answered(response) => response,
            prompt::Begun::Failed(fault) => return Err(fault.into()),
            prompt::Begun::UnderWay(ticket) => prompt::finish(ticket).await?,
        },
    };
    Ok(received(response))
}

/// An answer of the host.
fn received(response: wit::Response) -> Response {
    Response {
        status: StatusCode::new(response.status),
        headers: Headers::from_block(&response.head),
        body: response.body.into(),
    }
}
