//! OpenAPI documents of services: true to their routes, with schemas where the
//! module tells any, without where it does not.

use crate::kit::*;
use serde_json::{Value, json as value};

const DOCUMENT: &str = "/services/openapi.json";

async fn document(host: &Host, path: &str) -> Value {
    let document = json(&host.get(path).await, 200);
    assert_eq!(document["openapi"], "3.1.0", "{document}");
    document
}

async fn of(host: &Host, service: &str) -> Value {
    document(host, &format!("/services/{service}/openapi.json")).await
}

#[tokio::test]
async fn a_service_is_described_by_what_it_declares() {
    let host = Host::of(&["calc"]).await;
    let document = of(&host, "calc").await;
    assert_eq!(document["info"]["title"], "calc");
    assert_eq!(document["info"]["version"], "1.0.0");
    assert_eq!(document["info"]["description"], "Adds numbers.");
    assert_eq!(document["servers"][0]["url"], format!("http://{}", host.services));
    let get = &document["paths"]["/api/add/{a}/{b}"]["get"];
    assert_eq!(get["operationId"], "calc.add1");
    assert_eq!(get["summary"], "Adds two path parameters.");
    assert_eq!(get["tags"], value!(["calc"]));
    assert_eq!(get["parameters"][0]["schema"], value!({ "type": "string" }));
    let post = &document["paths"]["/api/add"]["post"];
    assert_eq!(post["requestBody"]["content"]["application/json"], value!({}));
    let fault = host.get("/api/add/1/x").await;
    let wanted = &document["components"]["schemas"]["Fault"]["required"];
    for member in wanted.as_array().unwrap() {
        assert!(json(&fault, 400).get(member.as_str().unwrap()).is_some(), "{member}");
    }
    host.stop().await;
}

#[tokio::test]
async fn types_of_a_guest_become_schemas() {
    let folder = Folder::of(&["conversion"]).deployed("conversion");
    let host = Launch::over(folder).own_state().start().await;
    let document = of(&host, "conversion").await;
    let convert = &document["paths"]["/conversion/convert/{from}/{to}"]["get"];
    let amount = &convert["parameters"][2];
    assert_eq!((&amount["name"], &amount["in"]), (&value!("amount"), &value!("query")));
    assert_eq!(
        (&amount["required"], &amount["schema"]["type"]),
        (&value!(true), &value!("number"))
    );
    assert_eq!(amount["description"], "How much of the first currency.");
    let answer = &convert["responses"]["2XX"]["content"]["application/json"]["schema"];
    assert_eq!(answer["$ref"], "#/components/schemas/conversion.Converted");
    let converted = &document["components"]["schemas"]["conversion.Converted"];
    assert_eq!(converted["required"], value!(["amount", "rate", "result"]));
    let page = &document["paths"]["/conversion"]["get"]["responses"]["2XX"]["content"];
    assert_eq!(*page, value!({ "*/*": {} }));
    host.stop().await;
}

#[tokio::test]
async fn every_path_of_all_documents_is_a_route() {
    let folder = Folder::of(&["calc", "chat", "conversion", "echo"]).deployed("conversion");
    let host = Launch::over(folder).own_state().start().await;
    let document = document(&host, DOCUMENT).await;
    let names = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["calc", "chat", "conversion", "echo"]);
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled: Vec<&str> = path
            .split('/')
            .map(|segment| if segment.starts_with('{') { "1" } else { segment })
            .collect();
        let options = host.send("OPTIONS", &filled.join("/"), &[], "").await;
        assert_eq!(options.status, 204, "{path}");
        for (verb, operation) in item.as_object().unwrap() {
            let allow = options.header("allow");
            assert!(allow.split(", ").any(|one| one.eq_ignore_ascii_case(verb)), "{path} {allow}");
            ids.push(operation["operationId"].as_str().unwrap());
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
    host.stop().await;
}

#[tokio::test]
async fn a_websocket_and_a_method_for_every_verb_are_described() {
    let host = Host::of(&["chat", "hello-wasi2"]).await;
    let socket = &of(&host, "chat").await["paths"]["/chat/rooms/{room}"]["get"];
    assert!(socket["responses"].get("101").is_some(), "{socket}");
    assert!(socket.get("x-picolet-websocket").is_some(), "{socket}");
    let plain = of(&host, "hello-wasi2").await;
    let below = plain["paths"]["/hello-wasi2/{path}"].as_object().unwrap();
    assert_eq!(below.keys().collect::<Vec<_>>(), ["get", "post", "put", "patch", "delete"]);
    assert_eq!(below["get"]["parameters"][0]["x-picolet-rest"], true);
    host.stop().await;
}

#[tokio::test]
async fn a_document_is_of_what_is_live_now() {
    let host = Host::of(&["calc"]).await;
    assert_eq!(of(&host, "calc").await["info"]["version"], "1.0.0");
    let mark = host.log.mark();
    host.folder.put("newer.wasm", versioned("calc2", "1.2.0"));
    host.line_from(mark, "serving calc 1.2.0").await;
    let newest = of(&host, "calc").await;
    assert_eq!(newest["info"]["version"], "1.2.0");
    assert_eq!(newest["tags"][0]["x-picolet-versions"], value!(["1.0.0", "1.2.0"]));
    let path = "/services/calc/openapi.json";
    let asked = host.send("GET", path, &[("x-picolet-version", "=1.0.0")], "").await;
    assert_eq!(json(&asked, 200)["info"]["version"], "1.0.0");
    let asked = host.send("GET", path, &[("x-picolet-version", "^2")], "").await;
    faults(&asked, 404, &["no-such-endpoint"]);
    host.stop().await;
}

#[tokio::test]
async fn only_services_that_are_reached_by_name_are_described() {
    let settings = "[gateway]\nnamespaces = [\"shop\"]";
    let folder = Folder::of(&["calc", "chat"]).with("picolet.toml", settings);
    let host = Host::over(folder.with("calc.toml", "namespace = \"shop\"")).await;
    let names = async || {
        let tags = document(&host, DOCUMENT).await["tags"].take();
        tags.as_array().unwrap().iter().map(|tag| tag["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&host, "calc").await["info"]["title"], "calc");
    assert_eq!(names().await, ["calc"]);
    let paths = document(&host, DOCUMENT).await["paths"].take();
    assert!(paths.get("/api/add").is_some(), "{paths}");
    assert!(paths.get("/chat/rooms/{room}").is_none(), "{paths}");
    faults(&host.get("/services/chat/openapi.json").await, 404, &["no-such-service"]);
    // Somebody else of that name, who is of no namespace, closes it.
    let program = Program::start().await;
    let mut record = program.record_with("one", &value!({}));
    record["record"]["name"] = "calc".into();
    let registered = host.admin("POST", "/api/services", &record.to_string()).await;
    assert_eq!(registered.status, 200);
    faults(&host.get("/services/calc/openapi.json").await, 404, &["no-such-service"]);
    assert_eq!(names().await, Vec::<Value>::new());
    host.stop().await;
}

#[tokio::test]
async fn who_asks_wrongly_is_told() {
    let host = Host::of(&["calc"]).await;
    faults(&host.get("/services/nobody/openapi.json").await, 404, &["no-such-service"]);
    faults(&host.send("POST", DOCUMENT, &[], "").await, 405, &["verb-not-allowed"]);
    let options = host.send("OPTIONS", DOCUMENT, &[], "").await;
    assert_eq!((options.status, options.header("allow")), (204, "GET, HEAD, OPTIONS"));
    let head = host.send("HEAD", DOCUMENT, &[], "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    // Further down it is a path of the service like any other.
    faults(&host.get("/services/calc/x/openapi.json").await, 404, &["no-route"]);
    host.stop().await;
}

#[tokio::test]
async fn a_host_without_services_has_a_document() {
    let host = Host::of(&[]).await;
    assert_eq!(document(&host, DOCUMENT).await["paths"], value!({}));
    host.stop().await;
}

#[tokio::test]
async fn a_module_that_knows_nothing_of_schemas_is_served() {
    let older = Component::declaring(&Declaration::default());
    let host = Host::over(Folder::empty().with("odd.wasm", older.bytes())).await;
    let document = of(&host, "odd").await;
    assert_eq!(document["paths"]["/odd/one"]["get"]["operationId"], "odd.one");
    host.stop().await;
}

/// A module that tells one schema.
fn telling(method: u32, part: u8, content_type: &str, schema: &str) -> Vec<u8> {
    let component = Component::declaring(&Declaration::default());
    component.telling(&[(method, part, content_type, schema)]).bytes()
}

const ANSWER: u8 = 3;

#[tokio::test]
async fn a_schema_of_any_language_is_taken() {
    let schema = r##"{"$defs":{"Leaf":{"type":"string"}},"items":{"$ref":"#/$defs/Leaf"}}"##;
    let module = telling(0, ANSWER, "application/json", schema);
    let host = Host::over(Folder::empty().with("odd.wasm", module)).await;
    let document = of(&host, "odd").await;
    let answer = &document["paths"]["/odd/one"]["get"]["responses"]["2XX"]["content"];
    let leaf = "#/components/schemas/odd.Leaf";
    assert_eq!(answer["application/json"]["schema"]["items"]["$ref"], leaf);
    assert_eq!(document["components"]["schemas"]["odd.Leaf"]["type"], "string");
    host.stop().await;
}

#[tokio::test]
async fn a_bad_schema_is_refused_with_its_reason() {
    let host = Host::of(&["calc"]).await;
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(64 << 10));
    for (index, (module, reason)) in [
        (telling(0, ANSWER, "application/json", "{"), "the schema of its answer is no JSON"),
        (telling(0, ANSWER, "application/json", "7"), "is neither an object nor true or false"),
        (telling(0, ANSWER, "json", "{}"), "the type \"json\" of its answer is no content type"),
        (telling(9, ANSWER, "application/json", "{}"), "schema for method 9, of 1 methods"),
        (
            telling(0, ANSWER, "application/json", &long),
            "schemas of method one are over 65536 bytes",
        ),
        (
            telling(0, ANSWER, "application/json", r#"{"$ref":"http://a.example/b"}"#),
            "has $ref \"http://a.example/b\"",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("odd{index}.wasm");
        host.folder.put(&file, module);
        refuses(&host, 0, &file, reason).await;
    }
    answers(
        &host.get("/api/add/40/2").await,
        200,
        r#"{"message":"Hello 🌍","from":"pico","result":42}"#,
    );
    host.stop().await;
}

#[tokio::test]
async fn what_the_admin_side_rejects_is_json_too() {
    let host = Host::of(&["calc"]).await;
    faults(
        &host.admin("GET", "/admin/v1/endpoints?watch=1&watch=2", "").await,
        400,
        &["bad-request"],
    );
    faults(&host.admin("GET", "/api/services/%FF", "").await, 400, &["bad-request"]);
    let long = "x".repeat((1 << 20) + 1);
    let refused = host.admin("POST", "/api/services", &long).await;
    faults(&refused, 413, &["body-too-large"]);
    host.stop().await;
}
