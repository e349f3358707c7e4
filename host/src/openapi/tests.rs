//! Documents of declarations that are written out here.

use super::*;
use crate::declaration::{Part, RawDeclaration, RawMethod, RawShape, RawWebSocket};
use crate::limits::HostLimits;
use crate::manifest::Manifest;
use crate::name::Name;

/// Rows of name, verb and pattern.
fn raw(name: &str, rows: &[(&str, &str, &str)]) -> RawDeclaration {
    let method = |(name, verb, pattern): &(&str, &str, &str)| RawMethod {
        name: (*name).into(),
        verb: (*verb).into(),
        pattern: (*pattern).into(),
        ..RawMethod::default()
    };
    RawDeclaration {
        name: name.into(),
        version: "1.2.0".into(),
        root: "/api".into(),
        methods: rows.iter().map(method).collect(),
        ..RawDeclaration::default()
    }
}

fn declared(raw: RawDeclaration) -> Declaration {
    Declaration::check(raw, &Manifest::default(), &HostLimits::DEFAULT).unwrap()
}

fn shown(declaration: &Declaration) -> Shown<'_> {
    Shown { declaration, versions: vec!["1.2.0".into()] }
}

fn document_of(raw: RawDeclaration) -> Value {
    of_service(&shown(&declared(raw)), "http://a.example")
}

#[test]
fn every_method_is_an_operation_of_its_path() {
    let mut raw = raw("calc", &[("one", "GET", "/add/{a}/{b}"), ("two", "POST", "/add/{x}/{y}")]);
    raw.methods[0].description = "Adds.\n\nSlowly.".into();
    let document = document_of(raw);
    let item = &document["paths"]["/api/add/{a}/{b}"];
    assert_eq!(item["get"]["operationId"], "calc.one");
    assert_eq!(item["get"]["summary"], "Adds.");
    assert_eq!(item["get"]["description"], "Adds.\n\nSlowly.");
    assert_eq!(item["post"]["parameters"][1]["name"], "b");
    assert_eq!(item["post"]["summary"], "two");
    assert_eq!(item["get"].get("requestBody"), None);
    assert_eq!(item["post"]["requestBody"]["content"]["application/json"], json!({}));
    assert_eq!(document["servers"][0]["url"], "http://a.example");
    assert_eq!(document["info"]["version"], "1.2.0");
    assert_eq!(document["paths"].as_object().unwrap().len(), 1);
}

#[test]
fn what_openapi_cannot_tell_apart_is_named() {
    let mut item = json!({});
    place(&mut item, "get", json!({ "operationId": "a.one" }));
    place(&mut item, "get", json!({ "operationId": "a.two" }));
    assert_eq!(item["get"]["operationId"], "a.one");
    assert_eq!(item["x-picolet-also"], json!(["a.two"]));
}

#[test]
fn ids_are_unique_though_names_have_dots() {
    let one = declared(raw("a", &[("b.c", "GET", "/one")]));
    let two = declared(raw("a.b", &[("c", "GET", "/two")]));
    let document = of_all(&[shown(&one), shown(&two)], "http://a.example");
    assert_eq!(document["paths"]["/api/one"]["get"]["operationId"], "a.b.c");
    assert_eq!(document["paths"]["/api/two"]["get"]["operationId"], "a.b.c_");
    assert_eq!(document["tags"][1]["name"], "a.b");
}

#[test]
fn schemas_become_parameters_bodies_and_answers() {
    let shape = |part, content_type: &str, schema: Value| RawShape {
        method: 0,
        part,
        content_type: content_type.into(),
        schema: schema.to_string(),
    };
    let sum = json!({ "title": "Sum", "type": "object", "properties": { "result": {} } });
    let mut raw = raw("calc", &[("add", "POST", "/add/{a}")]);
    raw.shapes = vec![
        shape(Part::Path, "", json!({ "type": "integer" })),
        shape(Part::Query, "", json!({ "properties": { "round": { "type": "boolean" } } })),
        shape(Part::Body, "application/json", json!(true)),
        shape(Part::Answer, "application/json", sum.clone()),
    ];
    let document = document_of(raw);
    let operation = &document["paths"]["/api/add/{a}"]["post"];
    assert_eq!(operation["parameters"][0]["schema"]["type"], "integer");
    assert_eq!(operation["parameters"][1]["name"], "round");
    assert_eq!(operation["requestBody"]["content"]["application/json"]["schema"], true);
    let answer = &operation["responses"]["2XX"]["content"]["application/json"]["schema"];
    assert_eq!(answer["$ref"], "#/components/schemas/calc.Sum");
    assert_eq!(document["components"]["schemas"]["calc.Sum"], sum);
}

#[test]
fn a_websocket_is_a_get_that_switches() {
    let mut raw = raw("chat", &[]);
    raw.websockets = vec![RawWebSocket {
        name: "talk".into(),
        pattern: "/{room}".into(),
        protocols: vec!["chat.v1".into()],
        description: String::new(),
    }];
    let document = document_of(raw);
    let operation = &document["paths"]["/api/{room}"]["get"];
    assert!(operation["responses"].get("101").is_some(), "{operation}");
    assert_eq!(operation["x-picolet-websocket"]["protocols"], json!(["chat.v1"]));
}

#[test]
fn a_method_that_takes_every_verb_is_there_under_each() {
    let manifest = Manifest::default();
    let proxy = Declaration::of_proxy(&Name::parse("site").unwrap(), &manifest).unwrap();
    let document = of_service(&shown(&proxy), "http://a.example");
    let item = document["paths"]["/site/{path}"].as_object().unwrap();
    assert_eq!(item.keys().collect::<Vec<_>>(), ["get", "post", "put", "patch", "delete"]);
    assert_eq!(item["put"]["operationId"], "site.below.put");
    assert_eq!(item["get"]["parameters"][0]["x-picolet-rest"], true);
}
