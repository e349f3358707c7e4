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

/// What a module exports that does something before its first call.
pub mod starter {
    wit_bindgen::generate!({
        path: ["wit-deps", "../wit"],
        world: "picolet:service/starter",
        with: {
            "picolet:service/types@1.0.0": crate::abi::bindings::picolet::service::types,
        },
        runtime_path: "crate::abi::rt",
        pub_export_macro: true,
        export_macro_name: "export_starter",
        default_bindings_module: "picolet_sdk::__private::abi::bindings::starter",
    });
}

/// What a module exports that does something after its last call.
pub mod stopper {
    wit_bindgen::generate!({
        path: ["wit-deps", "../wit"],
        world: "picolet:service/stopper",
        with: {
            "picolet:service/types@1.0.0": crate::abi::bindings::picolet::service::types,
        },
        runtime_path: "crate::abi::rt",
        pub_export_macro: true,
        export_macro_name: "export_stopper",
        default_bindings_module: "picolet_sdk::__private::abi::bindings::stopper",
    });
}

/// What a module exports that does something from time to time.
pub mod timed {
    wit_bindgen::generate!({
        path: ["wit-deps", "../wit"],
        world: "picolet:service/timed",
        with: {
            "picolet:service/types@1.0.0": crate::abi::bindings::picolet::service::types,
        },
        runtime_path: "crate::abi::rt",
        pub_export_macro: true,
        export_macro_name: "export_timed",
        default_bindings_module: "picolet_sdk::__private::abi::bindings::timed",
    });
}
