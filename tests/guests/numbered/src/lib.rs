//! A service of ten routes whose name ends in a number: the digits can be
//! replaced in the built module, so one build makes thousands of services.

use picolet_sdk::prelude::*;

#[derive(Serialize)]
struct Sum {
    result: i64,
}

#[service(name = "numbered-0000", root = "/numbered-0000")]
mod numbered {
    /// Adds two path parameters.
    #[get("/add/{a}/{b}")]
    async fn add(Path((a, b)): Path<(i64, i64)>) -> Json<Sum> {
        Json(Sum { result: a.wrapping_add(b) })
    }

    /// Lists what there is not.
    #[get("/items")]
    async fn list() -> Json<Vec<String>> {
        Json(Vec::new())
    }

    /// Takes an item.
    #[post("/items")]
    async fn create(Text(body): Text) -> String {
        body
    }

    /// Finds an item.
    #[get("/items/{id}")]
    async fn find(Path(id): Path<String>) -> String {
        id
    }

    /// Replaces an item.
    #[put("/items/{id}")]
    async fn replace(Path(id): Path<String>) -> String {
        id
    }

    /// Changes an item.
    #[patch("/items/{id}")]
    async fn change(Path(id): Path<String>) -> String {
        id
    }

    /// Removes an item.
    #[delete("/items/{id}")]
    async fn remove(Path(id): Path<String>) -> String {
        id
    }

    /// Finds a part of an item.
    #[get("/items/{id}/parts/{part}")]
    async fn part(Path((id, part)): Path<(String, String)>) -> String {
        id + &part
    }

    /// Says how many there are.
    #[get("/count")]
    async fn count() -> String {
        "0".to_owned()
    }

    /// Says its name.
    #[get("/name")]
    async fn name() -> &'static str {
        "numbered-0000"
    }
}
