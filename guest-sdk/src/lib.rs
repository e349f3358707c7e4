//! Write picoservices: HTTP services compiled to WebAssembly, for the Picolet
//! host.
//!
//! ```
//! use picolet_sdk::prelude::*;
//!
//! #[derive(Serialize)]
//! struct Sum { result: i64 }
//!
//! #[service(root = "/api")]
//! mod calc {
//!     /// Adds two path parameters.
//!     #[get("/add/{a}/{b}")]
//!     async fn add(Path((a, b)): Path<(i64, i64)>) -> Json<Sum> {
//!         Json(Sum { result: a + b })
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` of a `cdylib` makes the
//! module. What a handler may take is listed at [`FromRequest`], what it may
//! return at [`IntoResponse`]; [`client()`] calls other services, [`fetch()`] asks
//! strangers, [`typed`] has clients whose calls are checked by the compiler,
//! [`testing`] runs all of it natively.

#![warn(missing_docs)]

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod abi;
#[cfg(any(test, all(target_family = "wasm", feature = "allocator")))]
mod allocator;
mod body;
mod bucket;
mod call;
mod client;
mod config;
mod context;
mod cookies;
mod directory;
mod events;
mod extract;
mod fault;
mod fetch;
mod head;
mod headers;
mod join;
mod json;
mod lifecycle;
mod payload;
mod request;
mod response;
#[cfg(feature = "schemas")]
mod schemas;
mod service;
mod session;
mod sleep;
mod sockets;
mod sse;
mod status;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod text;
pub mod typed;
mod written;

pub use picolet_sdk_macros::{
    after, before, contract, cron, delete, every, get, on, patch, post, put, service, start, stop,
    websocket,
};

#[cfg(feature = "msgpack")]
pub use crate::payload::MsgPack;
#[cfg(feature = "protobuf")]
pub use crate::payload::Protobuf;
pub use crate::{
    body::{Body, BodyWriter},
    bucket::{Bucket, FromValue, Swapped, ToValue, Versioned},
    client::{Call, Client, ClientResponse, IntoParams, client},
    config::{Secret, config, secret},
    context::Context,
    cookies::{Cookie, Cookies, SameSite},
    directory::{DirectoryChange, Endpoint, EndpointState, Entry, directory, directory_changes},
    events::{BusEvent, publish},
    extract::{FromRequest, Path, Query},
    fault::Fault,
    fetch::{Fetch, fetch},
    headers::Headers,
    join::{Join, TryJoin, join_all, try_join_all},
    lifecycle::{StartCause, StopCause, Tick},
    payload::{Bytes, Form, Html, Json, Text},
    request::Request,
    response::{IntoResponse, Response, ResponsePart},
    session::{LogLevel, Session},
    sleep::sleep,
    sockets::{Everyone, Message, Payload, Room, Socket, SocketEvent, everyone, room, socket},
    sse::{Event, Events, Sse},
    status::StatusCode,
};

/// What most services use; `Serialize` and `Deserialize` of serde included.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};

    #[cfg(feature = "msgpack")]
    pub use crate::MsgPack;
    #[cfg(feature = "protobuf")]
    pub use crate::Protobuf;
    pub use crate::{
        Body, BodyWriter, Bucket, BusEvent, Bytes, Call, Client, ClientResponse, Context, Cookie,
        Cookies, DirectoryChange, Endpoint, EndpointState, Entry, Event, Events, Everyone, Fault,
        Fetch, Form, FromRequest, Headers, Html, IntoResponse, Join, Json, LogLevel, Message, Path,
        Query, Request, Response, ResponsePart, Room, SameSite, Secret, Session, Socket,
        SocketEvent, Sse, StartCause, StatusCode, StopCause, Swapped, Text, Tick, TryJoin,
        Versioned, after, before, client, config, contract, cron, delete, directory,
        directory_changes, every, everyone, fetch, get, join_all, on, patch, post, publish, put,
        room, secret, service, sleep, socket, start, stop, try_join_all, websocket,
    };
    #[cfg(feature = "schemas")]
    pub use schemars::JsonSchema;
}

/// What the macros expand to; nothing here is for anyone else.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::abi;
    #[cfg(feature = "schemas")]
    pub use crate::schemas::{
        Described, Known, Part, Shape, Shapes, Taken, Told, Unknown, keep_described,
    };
    pub use crate::{
        Call, Client, Fault, FromRequest, Request, Response,
        service::{
            Declaration, Listener, Method, Route, Schedule, Service, Socketed, Starter, Stopper,
            Subscription, Timed, Timer, WebSocket, agree, begin, complete, enter, enter_websocket,
            extract, heard, keep, keep_listener, keep_socketed, keep_starter, keep_stopper,
            keep_timed, kept, no_such_method, no_such_subscription, no_such_timer,
            no_such_websocket, one_takes_the_body, proceed, put, respond, told,
        },
    };
}

/// Keeps what tells the schemas of a service.
#[cfg(feature = "schemas")]
#[doc(hidden)]
#[macro_export]
macro_rules! __schemas {
    ($($items:tt)*) => { $($items)* };
}

/// Leaves it out.
#[cfg(not(feature = "schemas"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __schemas {
    ($($items:tt)*) => {};
}

/// Exports a service, or what it does beside in the world of this name, where
/// there is a host to export it to.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($service:ty $(, $world:ident)?) => {
        const _: () = {
            type Exported = $crate::__private::abi::Adapter<$service>;
            $crate::__private::abi::bindings::$($world::)?export!(
                Exported with_types_in $crate::__private::abi::bindings$(::$world)?
            );
        };
    };
}

/// Exports nothing where there is no host.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($service:ty $(, $world:ident)?) => {};
}
