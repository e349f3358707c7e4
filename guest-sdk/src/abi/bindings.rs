//! What the WIT says, in Rust.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::mem_forget,
    reason = "what the generator emits"
)]

wit_bindgen::generate!({
    inline: r#"
        package picolet:sdk;

        world guest {
            include picolet:service/picoservice@1.0.0;
            import wasi:clocks/monotonic-clock@0.3.0;
        }
    "#,
    path: ["wit-deps", "../wit"],
    world: "picolet:sdk/guest",
    generate_all,
    runtime_path: "crate::abi::rt",
    pub_export_macro: true,
    export_macro_name: "export_guest",
    default_bindings_module: "picolet_sdk::__private::abi::bindings",
});

/// What a module exports that hears events.
pub mod listener {
    wit_bindgen::generate!({
        path: ["wit-deps", "../wit"],
        world: "picolet:service/listener",
        with: {
            "picolet:service/types@1.0.0": crate::abi::bindings::picolet::service::types,
        },
        runtime_path: "crate::abi::rt",
        pub_export_macro: true,
        export_macro_name: "export_listener",
        default_bindings_module: "picolet_sdk::__private::abi::bindings::listener",
    });
}
