//! Adds numbers: parameters of the path, JSON in and out.

use picolet_sdk::prelude::*;

#[derive(Deserialize)]
struct Numbers {
    a: i64,
    b: i64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Sum {
    message: &'static str,
    from: &'static str,
    result: i64,
}

// Name and version come from Cargo.toml.
#[service(root = "/api")]
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

    // What is not marked is no method.
    fn sum(message: &'static str, a: i64, b: i64) -> Result<Json<Sum>, Fault> {
        let Some(result) = a.checked_add(b) else {
            return Err(Fault::unprocessable("the sum does not fit into 64 bits"));
        };
        Ok(Json(Sum { message, from: "pico", result }))
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{block_on, call, request};

    use super::*;

    #[test]
    fn adds_path_parameters() {
        let request = request("GET", "/api/add/40/2").param("a", "40").param("b", "2").build();
        let response = call::<calc::Service>("add1", request).unwrap();
        let body = block_on(response.body.collect()).unwrap();
        assert_eq!(body, r#"{"message":"Hello 🌍","from":"pico","result":42}"#.as_bytes());
    }

    #[test]
    fn adds_the_numbers_of_an_object() {
        let request = request("POST", "/api/add").body(r#"{"a":21,"b":21}"#).build();
        let response = call::<calc::Service>("add2", request).unwrap();
        let body = block_on(response.body.collect()).unwrap();
        assert_eq!(body, r#"{"message":"Hey 👋","from":"pico","result":42}"#.as_bytes());
    }

    #[test]
    fn a_sum_that_does_not_fit_is_a_fault() {
        let max = i64::MAX.to_string();
        let request = request("GET", "/api/add/m/1").param("a", &max).param("b", "1").build();
        assert_eq!(call::<calc::Service>("add1", request).unwrap_err().status(), 422);
    }
}
