//! Compiled code: how it is made, and the one place where it is believed.
//!
//! The only module of the host that uses `unsafe`, for one call: code that the
//! engine compiled before is mapped without being checked again. What reaches
//! [`Trusted`] was handed back by the compiler process of this host or carried
//! a message authentication code made with this host's key.

#![allow(unsafe_code, reason = "deserialising compiled code is unsafe by its contract")]

use wasmtime::component::Component;

/// Compiled code whose origin was established.
#[derive(Debug)]
pub(super) struct Trusted(Vec<u8>);

impl Trusted {
    /// Takes bytes that the caller received from the compiler process of this
    /// host, over a pipe that nobody else holds.
    pub(super) fn from_compiler(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Takes bytes whose authentication code the caller has verified.
    pub(super) fn from_cache(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, to be kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Maps the code into this process.
    pub(super) fn load(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
        // SAFETY: the bytes were produced by `Engine::precompile_component` in
        // a process of this binary and were not changed since; see the type's
        // constructors. The engine itself checks version and settings.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

/// Compiles a component. Runs in the compiler process.
pub(super) fn compile(engine: &wasmtime::Engine, bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
    engine.precompile_component(bytes)
}
