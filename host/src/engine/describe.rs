//! What a module declares, asked of an instance of it.

use super::bindings::{declared, events, schemas, timers, websockets};
use super::exports::ExportIndices;
use super::instance::Instance;
use crate::declaration::{
    Part, RawDeclaration, RawMethod, RawSchedule, RawShape, RawSubscription, RawTimer, RawWebSocket,
};
use wasmtime::AsContextMut;

impl Instance {
    /// Asks everything that is asked when a module is loaded.
    pub(super) async fn describe(
        &mut self,
        indices: &ExportIndices,
    ) -> wasmtime::Result<RawDeclaration> {
        let _running = self.store.data().host.pulse.run();
        let (store, exports) = (&mut self.store, &self.exports);
        let mut raw = RawDeclaration::from(exports.service.call_describe(&mut *store).await?);
        if let Some(schemas) = indices.load_schemas(store.as_context_mut(), &self.made)? {
            let shapes = schemas.call_schemas(&mut *store).await?;
            raw.shapes = shapes.into_iter().map(RawShape::from).collect();
        }
        let Some(others) = &exports.others else { return Ok(raw) };
        if let Some(events) = &others.events {
            let subscriptions = events.call_subscriptions(&mut *store).await?;
            raw.subscriptions = subscriptions.into_iter().map(RawSubscription::from).collect();
        }
        if let Some(timers) = &others.timers {
            let timers = timers.call_timers(&mut *store).await?;
            raw.timers = timers.into_iter().map(RawTimer::from).collect();
        }
        if let Some(websockets) = &others.websockets {
            let websockets = websockets.call_websockets(&mut *store).await?;
            raw.websockets = websockets.into_iter().map(RawWebSocket::from).collect();
        }
        raw.starts = others.start.is_some();
        raw.stops = others.stop.is_some();
        Ok(raw)
    }
}

impl From<declared::Declaration> for RawDeclaration {
    fn from(from: declared::Declaration) -> Self {
        let method = |from: declared::Method| RawMethod {
            name: from.name,
            verb: from.verb,
            pattern: from.pattern,
            description: from.description,
            metadata: from.metadata,
        };
        Self {
            name: from.name,
            version: from.version,
            root: from.root,
            description: from.description,
            metadata: from.metadata,
            methods: from.methods.into_iter().map(method).collect(),
            ..Self::default()
        }
    }
}

impl From<events::Subscription> for RawSubscription {
    fn from(from: events::Subscription) -> Self {
        let events::Subscription { name, subject, group, description } = from;
        Self { name, subject, group, description }
    }
}

impl From<timers::Timer> for RawTimer {
    fn from(from: timers::Timer) -> Self {
        let timers::Timer { name, schedule, overlap, description } = from;
        let schedule = match schedule {
            timers::Schedule::EveryMs(ms) => RawSchedule::EveryMs(ms),
            timers::Schedule::Cron(pattern) => RawSchedule::Cron(pattern),
        };
        Self { name, schedule, overlap, description }
    }
}

impl From<websockets::Websocket> for RawWebSocket {
    fn from(from: websockets::Websocket) -> Self {
        let websockets::Websocket { name, pattern, protocols, description } = from;
        Self { name, pattern, protocols, description }
    }
}

impl From<schemas::Shape> for RawShape {
    fn from(from: schemas::Shape) -> Self {
        let schemas::Shape { method, part, content_type, schema } = from;
        let part = match part {
            schemas::Part::Path => Part::Path,
            schemas::Part::Query => Part::Query,
            schemas::Part::Body => Part::Body,
            schemas::Part::Answer => Part::Answer,
        };
        Self { method, part, content_type, schema }
    }
}
