//! What routes say of themselves for the document of the admin API.
//!
//! Each stands beside its handler and is what programs, and the fuzzer, hold
//! the handler to.

use crate::name::Name;
use serde_json::{Map, Value, json};

/// Paths with what is at each of them.
pub(super) type Paths = Vec<(&'static str, Value)>;

const JSON: &str = "application/json";

/// One operation of a path.
pub(super) struct Operation(Map<String, Value>);

impl Operation {
    /// An operation by the name that programs generate code under, and what it
    /// does in one line.
    pub(super) fn new(id: &str, summary: &str) -> Self {
        let mut members = Map::new();
        members.insert("operationId".to_owned(), id.into());
        members.insert("summary".to_owned(), summary.into());
        members.insert("responses".to_owned(), json!({}));
        Self(members)
    }

    /// The same, taking one more parameter.
    pub(super) fn takes(mut self, parameter: Value) -> Self {
        let all = self.0.entry("parameters").or_insert_with(|| json!([]));
        if let Value::Array(all) = all {
            all.push(parameter);
        }
        self
    }

    /// The same, with a body of JSON that has to be there.
    pub(super) fn body(self, schema: Value) -> Self {
        self.body_of(true, as_json(schema))
    }

    /// The same, with a body of these types.
    pub(super) fn body_of(mut self, required: bool, content: Value) -> Self {
        let body = members([("required", required.into()), ("content", content)]);
        self.0.insert("requestBody".to_owned(), body);
        self
    }

    /// The same, answering JSON with 200.
    pub(super) fn answers(self, description: &str, schema: Value) -> Self {
        self.status(200, description, as_json(schema))
    }

    /// The same, answering text with this status.
    pub(super) fn answers_text(self, status: u16, description: &str) -> Self {
        self.status(status, description, json!({ "text/plain": { "schema": text() } }))
    }

    /// The same, refusing with this status.
    pub(super) fn refuses(self, status: u16, description: &str) -> Self {
        self.status(status, description, as_json(named("Refusal")))
    }

    /// The same with an answer of any types. Without content there is no body.
    pub(super) fn status(self, status: u16, description: &str, content: Value) -> Self {
        self.response(&status.to_string(), description, content)
    }

    /// The same with an answer of any other status.
    pub(super) fn otherwise(self, description: &str, content: Value) -> Self {
        self.response("default", description, content)
    }

    /// The same, for one that does not end by itself, or goes on as something
    /// else than HTTP. Fuzzers leave it out.
    pub(super) fn lasts(mut self) -> Self {
        self.0.insert("x-picolet-lasts".to_owned(), true.into());
        self
    }

    fn response(mut self, status: &str, description: &str, content: Value) -> Self {
        let mut response = json!({ "description": description });
        if let Some(members) = response.as_object_mut().filter(|_| !content.is_null()) {
            members.insert("content".to_owned(), content);
        }
        if let Some(Value::Object(responses)) = self.0.get_mut("responses") {
            responses.insert(status.to_owned(), response);
        }
        self
    }
}

/// What is at one path, by verb in lower case.
pub(super) fn path<const N: usize>(operations: [(&str, Operation); N]) -> Value {
    let operation =
        |(verb, Operation(members)): (&str, Operation)| (verb.to_owned(), Value::Object(members));
    Value::Object(operations.into_iter().map(operation).collect())
}

/// Whether a path asks for the token, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Guarded,
    Free,
}

/// What every route may refuse although it does not say so itself.
pub(super) fn complete(item: &mut Value, door: Door) {
    let refusal = |description: &str| json!({ "description": description, "content": as_json(named("Refusal")) });
    for operation in item.as_object_mut().into_iter().flat_map(|verbs| verbs.values_mut()) {
        let (takes, has_body) =
            (operation.get("parameters").is_some(), operation.get("requestBody").is_some());
        if let (Door::Free, Some(members)) = (door, operation.as_object_mut()) {
            members.insert("security".to_owned(), json!([]));
        }
        let Some(Value::Object(responses)) = operation.get_mut("responses") else { continue };
        let mut may = |status: &str, description: &str| {
            responses.entry(status).or_insert_with(|| refusal(description));
        };
        may("403", "a Host or Origin that is not taken");
        if door == Door::Guarded {
            may("401", "no token, or a wrong one, where one is asked for");
            may("429", "too many wrong tokens from this address");
        }
        if takes || has_body {
            may("400", "parameters or body are not what they should be");
        }
        if has_body {
            may("413", "a body over the limit");
        }
    }
}

/// A parameter of the path; any text unless a schema says more.
pub(super) fn in_path(name: &str, description: &str, schema: Value) -> Value {
    members([
        ("name", name.into()),
        ("in", "path".into()),
        ("required", true.into()),
        ("description", description.into()),
        ("schema", schema),
    ])
}

/// A parameter of the query that may be left out.
pub(super) fn in_query(name: &str, description: &str, schema: Value) -> Value {
    members([
        ("name", name.into()),
        ("in", "query".into()),
        ("description", description.into()),
        ("schema", schema),
    ])
}

/// Content of JSON.
pub(super) fn as_json(schema: Value) -> Value {
    members([(JSON, members([("schema", schema)]))])
}

/// An object with members that are always there, and all that it may have. More
/// may come in later versions.
pub(super) fn object(required: &[&str], properties: Value) -> Value {
    members([("type", "object".into()), ("required", required.into()), ("properties", properties)])
}

pub(super) fn array(items: Value) -> Value {
    members([("type", "array".into()), ("items", items)])
}

/// An object whose names are not known beforehand.
pub(super) fn by_name(values: Value) -> Value {
    members([("type", "object".into()), ("additionalProperties", values)])
}

fn members<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

/// Text, or nothing.
pub(super) fn text_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A whole number that is not negative.
pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// The same, or nothing.
pub(super) fn count_or_null() -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0 })
}

/// One of these words.
pub(super) fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// A [`Name`].
pub(super) fn name() -> Value {
    json!({
        "type": "string",
        "maxLength": Name::BYTES_MAX,
        "pattern": "^\\.*[A-Za-z0-9_-][A-Za-z0-9._-]*$",
    })
}

/// A schema of the components.
pub(super) fn named(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_route_may_refuse_is_added() {
        let post = Operation::new("post", "Posts.").body(text()).refuses(400, "its own words");
        let mut item = path([("post", post), ("get", Operation::new("get", "Gets."))]);
        complete(&mut item, Door::Guarded);
        let statuses = |item: &Value, verb: &str| {
            let responses = item[verb]["responses"].as_object().unwrap();
            responses.keys().cloned().collect::<Vec<_>>()
        };
        let mut post = statuses(&item, "post");
        post.sort();
        assert_eq!(post, ["400", "401", "403", "413", "429"]);
        assert_eq!(item["post"]["responses"]["400"]["description"], "its own words");
        let mut free = path([("get", Operation::new("get", "Gets."))]);
        complete(&mut free, Door::Free);
        assert_eq!(statuses(&free, "get"), ["403"]);
        assert_eq!(free["get"]["security"], json!([]));
    }
}
