//! What the WIT says, in Rust.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "picolet:service/complete",
    imports: {
        "picolet:service/prompt.begin": async | trappable,
        "wasi:keyvalue/store.[method]bucket.set": async | trappable,
        "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
        "wasi:keyvalue/atomics.increment": async | trappable,
        "wasi:keyvalue/batch.set-many": async | trappable,
        "wasi:keyvalue/batch.delete-many": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: { "wasi:keyvalue/store.bucket": OpenBucket },
});

/// A bucket that a guest has opened with `wasi:keyvalue`.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated code passes it on")]
pub struct OpenBucket(pub(crate) crate::bucket::BucketAccess);

pub(crate) use exports::picolet::service::{
    events, schemas, service as declared, start, stop, timers, websockets,
};
pub(crate) use picolet::service::{
    bus, client, context, directory, outbound, prompt, sockets as messaging, state as kept, types,
    watch,
};
pub(crate) use wasi::config::store as configured;
pub(crate) use wasi::keyvalue::{atomics, batch, store as keyvalue};
