//! What the WIT says, in Rust.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "picolet:service/picoservice",
    imports: {
        "picolet:service/prompt.begin": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

pub(crate) use exports::picolet::service::service as declared;
pub(crate) use picolet::service::{client, context, directory, prompt, types, watch};
