//! The schemas that a document has in one place, under names of their own.

use crate::declaration::{Leads, each_reference, leads_to};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Schemas by name. What two schemas define alike stands here once.
#[derive(Default)]
pub(super) struct Components {
    /// As they stand in the document.
    schemas: Map<String, Value>,
    /// As they were told.
    told: BTreeMap<String, Value>,
}

/// What is to become of a schema itself; its definitions always go to the
/// components.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// It gets a name, too, when it has members to speak of.
    Named,
    /// It stays where it is, to be looked into.
    Open,
}

const DEFINITIONS: &str = "$defs";

impl Components {
    /// Takes in what a schema defines, under a name that begins with `owner`
    /// where that is free, else with `place`. Gives what stands for the schema.
    pub(super) fn take(
        &mut self,
        (owner, place): (&str, &str),
        mut schema: Value,
        whole: Whole,
    ) -> Value {
        let Some(members) = schema.as_object_mut() else { return schema };
        members.shift_remove("$schema");
        let mut defined = match members.shift_remove(DEFINITIONS) {
            Some(Value::Object(defined)) => defined,
            _ => Map::new(),
        };
        let has_members =
            ["properties", "oneOf", "anyOf"].iter().any(|key| members.contains_key(*key));
        let refers_to_itself =
            refers_to_whole(&mut schema) || defined.values_mut().any(refers_to_whole);
        let mut own = None;
        if refers_to_itself || whole == Whole::Named && has_members {
            let name = own_name(&schema, &defined);
            defined.insert(name.clone(), schema.clone());
            own = Some(name);
        }
        let names = self.names(owner, place, &defined);
        for (key, mut definition) in defined {
            let Some(name) = names.get(&key) else { continue };
            self.told.insert(name.clone(), definition.clone());
            redirect(&mut definition, &names, own.as_deref());
            self.schemas.insert(name.clone(), definition);
        }
        match own.as_ref().and_then(|own| names.get(own)) {
            Some(name) if whole == Whole::Named => serde_json::json!({ "$ref": path_of(name) }),
            _ => {
                redirect(&mut schema, &names, own.as_deref());
                schema
            }
        }
    }

    /// All of them.
    pub(super) fn into_schemas(self) -> Map<String, Value> {
        self.schemas
    }

    /// Names for all definitions of one schema. They refer to each other, so
    /// either each of them is new or known as it is, or all get other names.
    fn names(
        &self,
        owner: &str,
        place: &str,
        defined: &Map<String, Value>,
    ) -> BTreeMap<String, String> {
        let longer = (2..).map(|count| format!("{place}-{count}"));
        let mut beginnings = [owner.to_owned(), place.to_owned()].into_iter().chain(longer);
        loop {
            let beginning = beginnings.next().unwrap_or_default();
            let names = named(&beginning, defined);
            let fits = |(key, name): (&String, &String)| {
                self.told.get(name).is_none_or(|told| Some(told) == defined.get(key))
            };
            if names.iter().all(fits) {
                return names;
            }
        }
    }
}

/// Names that begin so, each with nothing but what a name of a component may
/// have, and each once.
fn named(beginning: &str, defined: &Map<String, Value>) -> BTreeMap<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut names = BTreeMap::new();
    for key in defined.keys() {
        let plain: String = key.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let mut name = format!("{beginning}.{plain}");
        while names.values().any(|taken| *taken == name) {
            name.push('_');
        }
        names.insert(key.clone(), name);
    }
    names
}

/// What a schema calls itself, unless one of its definitions is called so.
fn own_name(schema: &Value, defined: &Map<String, Value>) -> String {
    let title = schema.get("title").and_then(Value::as_str).filter(|title| !title.is_empty());
    let mut name: String = title.unwrap_or("Value").chars().take(64).collect();
    while defined.contains_key(&name) {
        name.push('_');
    }
    name
}

fn refers_to_whole(schema: &mut Value) -> bool {
    let mut refers = false;
    each_reference(schema, &mut |_, text| refers |= leads_to(text) == Some(Leads::Whole));
    refers
}

/// Lets references lead to the components.
fn redirect(schema: &mut Value, names: &BTreeMap<String, String>, own: Option<&str>) {
    each_reference(schema, &mut |_, text| {
        let (key, rest) = match leads_to(text) {
            Some(Leads::Whole) => (own.map(str::to_owned), ""),
            Some(Leads::Definition(key, rest)) => (Some(key), rest),
            None => (None, ""),
        };
        if let Some(name) = key.and_then(|key| names.get(&key)) {
            *text = format!("{}{rest}", path_of(name));
        }
    });
}

fn path_of(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn definitions_get_a_place_of_their_own() {
        let mut components = Components::default();
        let schema = json!({
            "type": "array",
            "items": { "$ref": "#/$defs/Item" },
            "$defs": { "Item": { "properties": { "next": { "$ref": "#/$defs/Item" } } } },
        });
        let stands = components.take(("shop", "shop.list.answer"), schema, Whole::Named);
        let item = "#/components/schemas/shop.Item";
        assert_eq!(stands, json!({ "type": "array", "items": { "$ref": item } }));
        let schemas = components.into_schemas();
        assert_eq!(schemas["shop.Item"], json!({ "properties": { "next": { "$ref": item } } }));
    }

    #[test]
    fn what_is_alike_stands_once_and_what_differs_twice() {
        let mut components = Components::default();
        let schema =
            |kind: &str| json!({ "title": "Sum", "properties": { "a": { "type": kind } } });
        let mut take = |place, kind| {
            let stands = components.take(("calc", place), schema(kind), Whole::Named);
            stands["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
        };
        assert_eq!(take("calc.one.body", "integer"), "calc.Sum");
        assert_eq!(take("calc.two.body", "integer"), "calc.Sum");
        assert_eq!(take("calc.two.answer", "string"), "calc.two.answer.Sum");
        assert_eq!(components.into_schemas().len(), 2);
    }

    #[test]
    fn a_schema_that_refers_to_itself_gets_a_name() {
        let mut components = Components::default();
        let schema = json!({ "title": "Tree of T", "items": { "$ref": "#" } });
        let stands = components.take(("s", "s.m.body"), schema, Whole::Open);
        assert_eq!(stands["items"]["$ref"], "#/components/schemas/s.Tree_of_T");
        assert_eq!(components.into_schemas()["s.Tree_of_T"]["items"], stands["items"]);
    }
}
