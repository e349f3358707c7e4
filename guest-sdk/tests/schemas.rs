//! What has a schema tells it; what has none compiles as well.

#![cfg(feature = "schemas")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use picolet_sdk::{
    __private::{Described, Part, Shape},
    prelude::*,
};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Numbers {
    /// The first one.
    a: i64,
    #[serde(default)]
    b: i64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    result: i64,
    parts: Vec<Part1>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Part")]
struct Part1 {
    of: Option<Box<Part1>>,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    a: i64,
}

#[service(name = "calc", version = "1.0.0", root = "/api")]
mod calc {
    #[get("/add/{a}/{b}")]
    async fn add(Path((a, b)): Path<(i64, i64)>, _query: Query<Numbers>) -> Json<Sum> {
        Json(Sum { result: a + b, parts: Vec::new() })
    }

    #[post("/add")]
    async fn post(
        _context: Context,
        body: Option<Json<Numbers>>,
    ) -> Result<(StatusCode, Json<Sum>), Fault> {
        let Json(Numbers { a, b }) = body.ok_or_else(|| Fault::bad_request("no numbers"))?;
        Ok((StatusCode::CREATED, Json(Sum { result: a + b, parts: Vec::new() })))
    }

    #[post("/plain")]
    async fn plain(Json(Plain { a }): Json<Plain>) -> Json<Plain> {
        Json(Plain { a })
    }

    #[get("/text")]
    async fn text() -> Result<String, Fault> {
        Ok(String::new())
    }

    #[delete("")]
    async fn nothing() {}
}

fn told(method: u32) -> Vec<(Part, &'static str, Value)> {
    let shapes = calc::Service::shapes().into_iter().filter(|shape| shape.method == method);
    let read = |Shape { part, content_type, schema, .. }: Shape| {
        (part, content_type, serde_json::from_str(&schema).unwrap())
    };
    shapes.map(read).collect()
}

#[test]
fn parameters_and_answers_are_told() {
    let told = told(0);
    let parts: Vec<Part> = told.iter().map(|(part, ..)| *part).collect();
    assert_eq!(parts, [Part::Path, Part::Query, Part::Answer]);
    assert_eq!(told[0].2["prefixItems"][1]["type"], "integer");
    assert_eq!(told[1].2["required"], json!(["a"]));
    assert_eq!(told[1].2["properties"]["a"]["description"], "The first one.");
    assert_eq!(told[2].1, "application/json");
    assert_eq!(told[2].2["properties"]["parts"]["items"]["$ref"], "#/$defs/Part");
    assert_eq!(told[2].2.get("$schema"), None);
}

#[test]
fn what_is_around_a_value_does_not_matter() {
    let told = told(1);
    let parts: Vec<(Part, &str)> = told.iter().map(|(part, kind, _)| (*part, *kind)).collect();
    assert_eq!(parts, [(Part::Body, "application/json"), (Part::Answer, "application/json")]);
    assert_eq!(told[1].2["title"], "Sum");
}

#[test]
fn what_has_no_schema_is_passed_over() {
    assert_eq!(told(2), []);
    assert_eq!(told(4), []);
}

#[test]
fn a_text_has_its_content_type() {
    let told = told(3);
    assert_eq!((told[0].1, &told[0].2["type"]), ("text/plain", &json!("string")));
}
