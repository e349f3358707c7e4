//! One operation: a method, or the place of a WebSocket.

use super::components::{Components, Whole};
use super::parameters;
use crate::declaration::{Declaration, Method, Part, Shape, WebSocket};
use crate::name::Name;
use crate::route::{Pattern, Verb};
use serde_json::{Map, Value, json};

/// What an operation is made of.
pub(super) struct Described<'d> {
    declaration: &'d Declaration,
    pub(super) name: &'d Name,
    pub(super) verb: Verb,
    /// The whole path.
    pub(super) path: String,
    pattern: &'d Pattern,
    description: &'d str,
    kind: Kind<'d>,
}

enum Kind<'d> {
    /// With what is known of its shapes.
    Method(Vec<&'d Shape>),
    WebSocket(&'d WebSocket),
}

impl<'d> Described<'d> {
    /// Every operation of a service.
    pub(super) fn all(
        declaration: &'d Declaration,
        shapes: &'d [Shape],
    ) -> impl Iterator<Item = Self> {
        let methods = (0..).zip(&declaration.methods).map(move |(index, method)| {
            let Method { name, verb, pattern, description, .. } = method;
            let shapes = shapes.iter().filter(|shape| shape.method == index).collect();
            let (path, kind) = (declaration.path(method), Kind::Method(shapes));
            Self { declaration, name, verb: *verb, path, pattern, description, kind }
        });
        let websockets = declaration.websockets.iter().map(move |websocket| {
            let WebSocket { name, pattern, description, .. } = websocket;
            let path = format!("{}{pattern}", declaration.root);
            let kind = Kind::WebSocket(websocket);
            Self { declaration, name, verb: Verb::Get, path, pattern, description, kind }
        });
        methods.chain(websockets)
    }

    pub(super) fn service(&self) -> &Name {
        &self.declaration.name
    }

    /// The operation at a path that is spelled so.
    pub(super) fn operation(
        &self,
        id: &str,
        spelled: &str,
        verb: &str,
        components: &mut Components,
    ) -> Value {
        let path_schema = self.open(Part::Path, components);
        let mut parameters = parameters::of_path(spelled, self.pattern, path_schema.as_ref());
        if let Some(query) = self.open(Part::Query, components) {
            parameters.extend(parameters::of_query(&query));
        }
        let mut operation = Map::new();
        let mut put = |key: &str, value: Value| operation.insert(key.to_owned(), value);
        put("operationId", id.into());
        put("tags", json!([self.service().as_str()]));
        let (summary, more) = self.described();
        put("summary", summary.into());
        if let Some(description) = more {
            put("description", description.into());
        }
        if !parameters.is_empty() {
            put("parameters", parameters.into());
        }
        if let Some(body) = self.body(verb, components) {
            put("requestBody", body);
        }
        put("responses", self.responses(components));
        put("x-picolet-version", self.declaration.version.to_string().into());
        if self.verb == Verb::Any {
            put("x-picolet-any", true.into());
        }
        if let Kind::WebSocket(websocket) = &self.kind {
            put("x-picolet-websocket", json!({ "protocols": websocket.protocols }));
        }
        Value::Object(operation)
    }

    /// The first line of the description, or else the name; and all of it when
    /// there is more.
    fn described(&self) -> (&str, Option<&str>) {
        let text = self.description.trim();
        match text.split_once('\n') {
            Some((first, _)) => (first.trim_end(), Some(text)),
            None if text.is_empty() => (self.name.as_str(), None),
            None => (text, None),
        }
    }

    fn shapes(&self, part: Part) -> impl Iterator<Item = &'d Shape> {
        let shapes = match &self.kind {
            Kind::Method(shapes) => shapes.as_slice(),
            Kind::WebSocket(_) => &[],
        };
        shapes.iter().copied().filter(move |shape| shape.part == part)
    }

    /// The one schema of a part, to be looked into.
    fn open(&self, part: Part, components: &mut Components) -> Option<Value> {
        let shape = self.shapes(part).next()?;
        Some(self.take(shape, Whole::Open, components))
    }

    fn take(&self, shape: &Shape, whole: Whole, components: &mut Components) -> Value {
        let owner = self.service().as_str();
        let place = format!("{owner}.{}.{}", self.name, shape.part.as_str());
        components.take((owner, &place), shape.schema(), whole)
    }

    /// Content by type, none when nothing is known of it.
    fn content(&self, part: Part, components: &mut Components) -> Option<Value> {
        let mut content = Map::new();
        for shape in self.shapes(part) {
            let schema = self.take(shape, Whole::Named, components);
            content.insert(shape.content_type.clone(), json!({ "schema": schema }));
        }
        (!content.is_empty()).then_some(Value::Object(content))
    }

    fn body(&self, verb: &str, components: &mut Components) -> Option<Value> {
        if matches!(self.kind, Kind::WebSocket(_)) {
            return None;
        }
        if let Some(content) = self.content(Part::Body, components) {
            return Some(json!({ "required": true, "content": content }));
        }
        let may_have_one = ["post", "put", "patch"].contains(&verb);
        let any = || json!({ "content": { "application/json": {}, "*/*": {} } });
        may_have_one.then(any)
    }

    fn responses(&self, components: &mut Components) -> Value {
        let fault = json!({ "$ref": "#/components/responses/Fault" });
        match &self.kind {
            Kind::WebSocket(_) => json!({
                "101": { "description": "the connection goes on as a WebSocket" },
                "default": fault,
            }),
            // A wasi:http guest writes its faults as it likes.
            Kind::Method(_) if self.verb == Verb::Any => json!({
                "default": { "description": "the answer, or a fault", "content": { "*/*": {} } },
            }),
            Kind::Method(_) => {
                let content = self.content(Part::Answer, components);
                let content = content.unwrap_or_else(|| json!({ "*/*": {} }));
                let answer = json!({ "description": "the answer", "content": content });
                json!({ "2XX": answer, "default": fault })
            }
        }
    }
}
