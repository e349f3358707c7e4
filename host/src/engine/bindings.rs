//! What the WIT says, in Rust.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "picolet:service/complete",
    imports: {
        "picolet:service/prompt.begin": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

pub(crate) use exports::picolet::service::{events, service as declared};
pub(crate) use picolet::service::{bus, client, context, directory, prompt, types, watch};
