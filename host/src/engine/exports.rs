//! What a module exports: `service`, and of the rest what it has.

use super::bindings::{declared, events};
use super::state::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{Instance, InstancePre};

/// Exports of a module, found and not yet of an instance.
#[derive(Clone)]
pub(super) struct ExportIndices {
    service: declared::GuestIndices,
    events: Option<events::GuestIndices>,
}

/// Exports of an instance.
pub(super) struct Exports {
    pub(super) service: declared::Guest,
    pub(super) events: Option<events::Guest>,
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
        let service = declared::GuestIndices::new(pre)?;
        let events = has("events").then(|| events::GuestIndices::new(pre)).transpose()?;
        Ok(Self { service, events })
    }

    pub(super) fn load(
        &self,
        mut store: StoreContextMut<'_, State>,
        instance: &Instance,
    ) -> wasmtime::Result<Exports> {
        let service = self.service.load(&mut store, instance)?;
        let events = self.events.as_ref().map(|events| events.load(&mut store, instance));
        Ok(Exports { service, events: events.transpose()? })
    }
}
