//! The service `calc` as its next build: the same routes, another sender.

use picolet_sdk::prelude::*;

#[derive(Deserialize)]
struct Numbers {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Sum {
    message: &'static str,
    from: &'static str,
    result: i64,
}

#[service(name = "calc", version = "1.0.0", root = "/api")]
mod calc {
    /// Adds two path parameters.
    #[get("/add/{a}/{b}")]
    async fn add1(Path((a, b)): Path<(i64, i64)>) -> Result<Json<Sum>, Fault> {
        sum("Hello 🌍", a, b)
    }

    /// Adds two numbers of a JSON object.
    #[post("/add")]
    async fn add2(Json(numbers): Json<Numbers>) -> Result<Json<Sum>, Fault> {
        sum("Hey 👋", numbers.a, numbers.b)
    }

    fn sum(message: &'static str, a: i64, b: i64) -> Result<Json<Sum>, Fault> {
        let Some(result) = a.checked_add(b) else {
            return Err(Fault::unprocessable("the sum does not fit into 64 bits"));
        };
        Ok(Json(Sum { message, from: "pico2", result }))
    }
}
