//! Parameters of path and query.

use crate::route::Pattern;
use serde_json::{Map, Value, json};

/// The parameters of a path, named as the path is spelled. Its root has none,
/// so they come in the order of the pattern.
pub(super) fn of_path(spelled: &str, pattern: &Pattern, schema: Option<&Value>) -> Vec<Value> {
    let names = spelled.split('/').filter_map(|segment| {
        segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'))
    });
    let rest = pattern.as_str().contains("{*").then(|| pattern.params().len());
    let parameter = |(index, (name, own)): (usize, (&str, &String))| {
        let schema = schema.and_then(|schema| of_parameter(schema, index, own, pattern));
        let schema = schema.cloned().unwrap_or_else(|| json!({ "type": "string" }));
        let mut parameter =
            json!({ "name": name, "in": "path", "required": true, "schema": schema });
        describe(&mut parameter);
        if rest == Some(index + 1) {
            super::put(&mut parameter, "x-picolet-rest", true.into());
            let text = "the rest of the path; slashes in it stay as they are";
            super::put(&mut parameter, "description", text.into());
        }
        parameter
    };
    names.zip(pattern.params()).enumerate().map(parameter).collect()
}

/// What a schema of all parameters says of one.
fn of_parameter<'s>(
    schema: &'s Value,
    index: usize,
    name: &str,
    pattern: &Pattern,
) -> Option<&'s Value> {
    if let Some(by_name) = schema.get("properties").and_then(|all| all.get(name)) {
        return Some(by_name);
    }
    if let Some(Value::Array(in_order)) = schema.get("prefixItems") {
        return in_order.get(index);
    }
    let is_one = pattern.params().len() == 1;
    let is_several = ["object", "array"].iter().any(|kind| schema["type"] == *kind);
    (is_one && !is_several).then_some(schema)
}

/// The parameters of a query.
pub(super) fn of_query(schema: &Value) -> Vec<Value> {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return if is_map(schema) { vec![any(schema)] } else { Vec::new() };
    };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let parameter = |(name, schema): (&String, &Value)| {
        let required = is_required(name);
        let mut parameter =
            json!({ "name": name, "in": "query", "required": required, "schema": schema });
        describe(&mut parameter);
        parameter
    };
    let mut parameters: Vec<Value> = properties.iter().map(parameter).collect();
    if is_map(schema) {
        parameters.push(any(schema));
    }
    parameters
}

/// Whether it takes members that it does not name.
fn is_map(schema: &Value) -> bool {
    schema.get("additionalProperties").is_some_and(|others| *others != false)
}

/// Stands for whatever else the query may have.
fn any(schema: &Value) -> Value {
    let others = schema.get("additionalProperties").cloned().unwrap_or_default();
    let mut schema = Map::from_iter([("type".to_owned(), "object".into())]);
    schema.insert("additionalProperties".to_owned(), others);
    json!({ "name": "others", "in": "query", "style": "form", "explode": true, "schema": schema })
}

/// What the schema says of a parameter is said of the parameter, which is where
/// tools show it.
fn describe(parameter: &mut Value) {
    if let Some(text) = parameter["schema"].get("description").cloned() {
        super::put(parameter, "description", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn path(pattern: &str, schema: Option<&Value>) -> Vec<(String, Value)> {
        let pattern = Pattern::parse(pattern).unwrap();
        let spelled = pattern.as_str().replace("{*", "{");
        let parameters = of_path(&spelled, &pattern, schema);
        let short = |parameter: Value| {
            (parameter["name"].as_str().unwrap().to_owned(), parameter["schema"].clone())
        };
        parameters.into_iter().map(short).collect()
    }

    #[test]
    fn a_path_is_read_by_name_in_order_or_as_one() {
        let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let expected = [(a.clone(), text.clone()), (b.clone(), number.clone())];
        let by_name = json!({ "properties": { "b": number, "a": text } });
        assert_eq!(path("/{a}/{b}", Some(&by_name)), expected);
        let in_order = json!({ "type": "array", "prefixItems": [text, number] });
        assert_eq!(path("/{a}/{b}", Some(&in_order)), expected);
        assert_eq!(path("/{b}", Some(&number)), [(b, number.clone())]);
        assert_eq!(path("/x/{*a}", None), [(a, text)]);
    }

    #[test]
    fn the_rest_of_a_path_says_so() {
        let pattern = Pattern::parse("/files/{*rest}").unwrap();
        let parameters = of_path("/root/files/{rest}", &pattern, None);
        assert_eq!(parameters[0]["x-picolet-rest"], true);
    }

    #[test]
    fn members_of_a_query_are_parameters() {
        let schema = json!({
            "required": ["amount"],
            "properties": {
                "amount": { "type": "number", "description": "how much" },
                "to": { "type": ["string", "null"] },
            },
        });
        let parameters = of_query(&schema);
        assert_eq!(parameters[0]["description"], "how much");
        let required: Vec<&Value> = parameters.iter().map(|one| &one["required"]).collect();
        assert_eq!(required, [true, false]);
    }

    #[test]
    fn a_query_of_any_names_is_one_parameter() {
        let schema = json!({ "type": "object", "additionalProperties": { "type": "number" } });
        let parameters = of_query(&schema);
        assert_eq!(parameters.len(), 1);
        assert_eq!(parameters[0]["schema"], schema);
        assert_eq!(of_query(&json!({ "type": "string" })), Vec::<Value>::new());
    }
}
