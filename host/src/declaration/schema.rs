//! JSON schemas of what methods take and answer: told as text, checked once.

use super::{DeclarationError, Method, shorten};
use crate::name::Name;
use crate::upgrade::is_token;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A shape as a module tells it, unchecked.
#[derive(Clone, Debug)]
pub(crate) struct RawShape {
    pub method: u32,
    pub part: Part,
    pub content_type: String,
    pub schema: String,
}

/// Where a value stands in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Path,
    Query,
    Body,
    Answer,
}

/// The shape of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The index of the method.
    pub method: u32,
    pub part: Part,
    /// Of a body, without parameters; empty otherwise.
    pub content_type: String,
    /// A JSON schema that refers to nothing but itself. It is kept as text, which
    /// takes a tenth of the memory.
    schema: Box<str>,
}

/// Why a schema is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("has a schema for method {index}, of {count} methods")]
    NoMethod { index: u32, count: usize },
    #[error("schemas of method {method} are over {max} bytes")]
    MethodTooLarge { method: Name, max: usize },
    #[error("schemas are over {max} bytes together")]
    TooLarge { max: usize },
    #[error("method {method} has two schemas for its {part} of the type {content_type:?}")]
    Twice { method: Name, part: &'static str, content_type: String },
    #[error("method {method}: the type {content_type:?} of its {part} is no content type")]
    ContentType { method: Name, part: &'static str, content_type: String },
    #[error("method {method}: the schema of its {part} is no JSON: {error}")]
    NoJson { method: Name, part: &'static str, error: String },
    #[error("method {method}: the schema of its {part} is neither an object nor true or false")]
    NoSchema { method: Name, part: &'static str },
    #[error(
        "method {method}: the schema of its {part} has {keyword} {text:?}; it may refer to # and \
         to what it has in $defs"
    )]
    Reference { method: Name, part: &'static str, keyword: String, text: String },
}

const METHOD_BYTES_MAX: usize = 64 << 10;
const MODULE_BYTES_MAX: usize = 1 << 20;

impl Part {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
            Self::Answer => "answer",
        }
    }
}

impl Shape {
    /// Its schema.
    pub(crate) fn schema(&self) -> Value {
        // It has been read before.
        serde_json::from_str(&self.schema).unwrap_or(Value::Bool(true))
    }

    /// How long the text of its schema is.
    pub(crate) fn bytes(&self) -> usize {
        self.schema.len()
    }

    fn check(raw: RawShape, method: &Name) -> Result<Self, SchemaError> {
        let RawShape { method: index, part, content_type, schema } = raw;
        let (method, word) = (|| method.clone(), part.as_str());
        let is_body = matches!(part, Part::Body | Part::Answer);
        if is_body != content_type.split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b))
        {
            let content_type = shorten(&content_type);
            return Err(SchemaError::ContentType { method: method(), part: word, content_type });
        }
        let mut value: Value = serde_json::from_str(&schema).map_err(|error| {
            SchemaError::NoJson { method: method(), part: word, error: error.to_string() }
        })?;
        if !value.is_object() && !value.is_boolean() {
            return Err(SchemaError::NoSchema { method: method(), part: word });
        }
        if let Some((keyword, text)) = strange_reference(&mut value) {
            let text = shorten(&text);
            return Err(SchemaError::Reference { method: method(), part: word, keyword, text });
        }
        Ok(Self { method: index, part, content_type, schema: schema.into() })
    }
}

/// Checks all schemas of a module.
pub(super) fn check_all(
    raw: Vec<RawShape>,
    methods: &[Method],
) -> Result<Arc<[Shape]>, DeclarationError> {
    let (mut all, mut of_method) = (0, BTreeMap::<u32, usize>::new());
    let mut known = BTreeSet::new();
    let mut shapes = Vec::with_capacity(raw.len());
    for shape in raw {
        let (index, len) = (shape.method, shape.schema.len() + shape.content_type.len());
        let Some(Method { name, .. }) = methods.get(index as usize) else {
            return Err(SchemaError::NoMethod { index, count: methods.len() }.into());
        };
        all += len;
        if MODULE_BYTES_MAX < all {
            return Err(SchemaError::TooLarge { max: MODULE_BYTES_MAX }.into());
        }
        let so_far = of_method.entry(index).or_default();
        *so_far += len;
        if METHOD_BYTES_MAX < *so_far {
            let (method, max) = (name.clone(), METHOD_BYTES_MAX);
            return Err(SchemaError::MethodTooLarge { method, max }.into());
        }
        if !known.insert((index, shape.part, shape.content_type.clone())) {
            let (method, part) = (name.clone(), shape.part.as_str());
            let content_type = shorten(&shape.content_type);
            return Err(SchemaError::Twice { method, part, content_type }.into());
        }
        shapes.push(Shape::check(shape, name)?);
    }
    Ok(shapes.into())
}

/// Where a reference leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leads<'r> {
    /// To the schema that it stands in.
    Whole,
    /// To one of its definitions, and what follows the name of that.
    Definition(String, &'r str),
}

/// Follows a reference; none when it leads out of its schema.
pub(crate) fn leads_to(reference: &str) -> Option<Leads<'_>> {
    if reference == "#" {
        return Some(Leads::Whole);
    }
    let path = reference.strip_prefix("#/$defs/")?;
    let (name, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some(Leads::Definition(name.replace("~1", "/").replace("~0", "~"), rest))
}

/// Keywords that hold schemas by name.
const BY_NAME: [&str; 4] = ["properties", "patternProperties", "$defs", "dependentSchemas"];
/// Keywords that hold no schemas, but data.
const DATA: [&str; 5] = ["const", "enum", "default", "example", "examples"];
/// Keywords by which schemas refer to each other.
const REFERENCES: [&str; 5] = ["$ref", "$id", "$anchor", "$dynamicRef", "$dynamicAnchor"];

/// Shows each reference of a schema: the keyword and its text. The schema is as
/// deep as its text, which the parser bounds.
pub(crate) fn each_reference(schema: &mut Value, seen: &mut dyn FnMut(&str, &mut String)) {
    let Value::Object(members) = schema else { return };
    for (key, value) in members.iter_mut() {
        let key = key.as_str();
        match value {
            Value::String(text) if REFERENCES.contains(&key) => seen(key, text),
            Value::Object(named) if BY_NAME.contains(&key) => {
                named.values_mut().for_each(|schema| each_reference(schema, seen));
            }
            Value::Array(several) if !DATA.contains(&key) => {
                several.iter_mut().for_each(|schema| each_reference(schema, seen));
            }
            Value::Object(_) if !DATA.contains(&key) => each_reference(value, seen),
            _ => (),
        }
    }
}

/// The first reference that leads nowhere in the schema itself.
fn strange_reference(schema: &mut Value) -> Option<(String, String)> {
    let defined: BTreeSet<String> = match schema.get("$defs") {
        Some(Value::Object(defined)) => defined.keys().cloned().collect(),
        _ => BTreeSet::new(),
    };
    let mut strange = None;
    each_reference(schema, &mut |keyword, text| {
        let is_known = keyword == "$ref"
            && match leads_to(text) {
                Some(Leads::Whole) => true,
                Some(Leads::Definition(name, _)) => defined.contains(&name),
                None => false,
            };
        if !is_known && strange.is_none() {
            strange = Some((keyword.to_owned(), text.clone()));
        }
    });
    strange
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Pattern, Verb};

    fn methods() -> Vec<Method> {
        vec![Method {
            name: Name::parse("add").unwrap(),
            verb: Verb::Post,
            pattern: Pattern::parse("/add").unwrap(),
            description: String::new(),
            metadata: Vec::new(),
        }]
    }

    fn body(schema: &str) -> RawShape {
        RawShape {
            method: 0,
            part: Part::Body,
            content_type: "application/json".into(),
            schema: schema.into(),
        }
    }

    #[track_caller]
    fn refused(raw: Vec<RawShape>, expected: &str) {
        let error = check_all(raw, &methods()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_schema_that_is_whole_is_taken() {
        for schema in [
            "true",
            "{}",
            r##"{"$defs":{"a/b":{"$ref":"#"}},"items":{"$ref":"#/$defs/a~1b"}}"##,
            r#"{"properties":{"$ref":{"type":"string"}},"default":{"$ref":"elsewhere"}}"#,
        ] {
            let shapes = check_all(vec![body(schema)], &methods()).unwrap();
            assert_eq!(shapes.len(), 1, "{schema}");
        }
    }

    #[test]
    fn what_is_no_schema_is_refused_with_the_reason() {
        refused(vec![body("{")], "method add: the schema of its body is no JSON: EOF");
        refused(vec![body("[]")], "is neither an object nor true or false");
        refused(vec![body("{}"), body("{}")], "method add has two schemas for its body");
        refused(vec![RawShape { method: 1, ..body("{}") }], "schema for method 1, of 1 methods");
        refused(
            vec![RawShape { content_type: "json".into(), ..body("{}") }],
            "\"json\" of its body",
        );
        refused(
            vec![RawShape { part: Part::Path, ..body("{}") }],
            "of its path is no content type",
        );
    }

    #[test]
    fn a_schema_that_refers_elsewhere_is_refused() {
        for (schema, expected) in [
            (r#"{"$ref":"https://a.example/b"}"#, "has $ref \"https://a.example/b\""),
            (r##"{"items":{"$ref":"#/$defs/none"}}"##, "has $ref \"#/$defs/none\""),
            (r##"{"oneOf":[{"$ref":"#/properties/a"}]}"##, "has $ref \"#/properties/a\""),
            (r#"{"$id":"https://a.example"}"#, "has $id"),
        ] {
            refused(vec![body(schema)], expected);
        }
    }

    #[test]
    fn schemas_are_bounded_for_a_method() {
        let long = format!("{{\"title\":\"{}\"}}", "x".repeat(METHOD_BYTES_MAX));
        refused(vec![body(&long)], "schemas of method add are over 65536 bytes");
    }

    #[test]
    fn a_reference_is_followed_within_its_schema_alone() {
        assert_eq!(leads_to("#"), Some(Leads::Whole));
        let to = |name: &str, rest| Some(Leads::Definition(name.to_owned(), rest));
        assert_eq!(leads_to("#/$defs/A~1b%20c"), to("A/b c", ""));
        assert_eq!(leads_to("#/$defs/A/items"), to("A", "/items"));
        assert_eq!(leads_to("other.json#/$defs/A"), None);
    }
}
