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
});

/// What a module may export beside: a module of bindings for each world.
macro_rules! beside {
    ($($(#[$doc:meta])* $module:ident: $world:tt;)*) => {$(
        $(#[$doc])*
        pub mod $module {
            wit_bindgen::generate!({
                path: ["wit-deps", "../wit"],
                world: $world,
                with: {
                    "picolet:service/types@1.0.0": crate::abi::bindings::picolet::service::types,
                },
                runtime_path: "crate::abi::rt",
                pub_export_macro: true,
            });
        }
    )*};
}

beside! {
    /// What a module exports that hears events.
    listener: "picolet:service/listener";
    /// What a module exports that keeps WebSockets.
    socketed: "picolet:service/socketed";
    /// What a module exports that does something before its first call.
    starter: "picolet:service/starter";
    /// What a module exports that does something after its last call.
    stopper: "picolet:service/stopper";
    /// What a module exports that does something from time to time.
    timed: "picolet:service/timed";
}

/// What a module exports that tells the shapes of what its methods take and
/// answer.
#[cfg(feature = "schemas")]
pub mod described {
    wit_bindgen::generate!({
        path: ["wit-deps", "../wit"],
        world: "picolet:service/described",
        runtime_path: "crate::abi::rt",
        pub_export_macro: true,
    });
}
