//! What a module exports: `service`, and of the rest what it has.

use super::bindings::{declared, events, schemas, start, stop, timers, websockets};
use super::state::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{Instance, InstancePre};

/// Exports of a module, found and not yet of an instance.
#[derive(Clone)]
pub(super) struct ExportIndices {
    service: declared::GuestIndices,
    events: Option<events::GuestIndices>,
    timers: Option<timers::GuestIndices>,
    websockets: Option<websockets::GuestIndices>,
    start: Option<start::GuestIndices>,
    stop: Option<stop::GuestIndices>,
    /// Asked when a module is loaded and never again, so no instance keeps it.
    schemas: Option<schemas::GuestIndices>,
}

/// Exports of an instance. An instance is handed on by value, so what few
/// modules have lies elsewhere.
pub(super) struct Exports {
    pub(super) service: declared::Guest,
    pub(super) others: Option<Box<OtherExports>>,
}

/// What a module may export beside `service`.
pub(super) struct OtherExports {
    pub(super) events: Option<events::Guest>,
    pub(super) timers: Option<timers::Guest>,
    pub(super) websockets: Option<websockets::Guest>,
    pub(super) start: Option<start::Guest>,
    pub(super) stop: Option<stop::Guest>,
}

impl ExportIndices {
    /// Looks for them. What is there has to be as this host knows it.
    pub(super) fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        let component = pre.component();
        let exported = component.component_type();
        let has = |interface: &str| {
            let is_it = |name: &str| {
                let name = name.strip_prefix("picolet:service/");
                name.and_then(|name| name.split('@').next()) == Some(interface)
            };
            exported.exports(component.engine()).any(|(name, _)| is_it(name))
        };
        Ok(Self {
            service: declared::GuestIndices::new(pre)?,
            events: has("events").then(|| events::GuestIndices::new(pre)).transpose()?,
            timers: has("timers").then(|| timers::GuestIndices::new(pre)).transpose()?,
            websockets: has("websockets")
                .then(|| websockets::GuestIndices::new(pre))
                .transpose()?,
            start: has("start").then(|| start::GuestIndices::new(pre)).transpose()?,
            stop: has("stop").then(|| stop::GuestIndices::new(pre)).transpose()?,
            schemas: has("schemas").then(|| schemas::GuestIndices::new(pre)).transpose()?,
        })
    }

    pub(super) fn load(
        &self,
        mut store: StoreContextMut<'_, State>,
        instance: &Instance,
    ) -> wasmtime::Result<Exports> {
        let Self { service, events, timers, websockets, start, stop, schemas: _ } = self;
        let service = service.load(&mut store, instance)?;
        let is_plain = events.is_none()
            && timers.is_none()
            && websockets.is_none()
            && start.is_none()
            && stop.is_none();
        if is_plain {
            return Ok(Exports { service, others: None });
        }
        let others = OtherExports {
            events: events.as_ref().map(|it| it.load(&mut store, instance)).transpose()?,
            timers: timers.as_ref().map(|it| it.load(&mut store, instance)).transpose()?,
            websockets: websockets.as_ref().map(|it| it.load(&mut store, instance)).transpose()?,
            start: start.as_ref().map(|it| it.load(&mut store, instance)).transpose()?,
            stop: stop.as_ref().map(|it| it.load(&mut store, instance)).transpose()?,
        };
        Ok(Exports { service, others: Some(Box::new(others)) })
    }

    /// What tells the shapes of what the methods take and answer, if anything.
    pub(super) fn load_schemas(
        &self,
        mut store: StoreContextMut<'_, State>,
        instance: &Instance,
    ) -> wasmtime::Result<Option<schemas::Guest>> {
        self.schemas.as_ref().map(|it| it.load(&mut store, instance)).transpose()
    }
}
