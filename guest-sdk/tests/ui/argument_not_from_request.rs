use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/add/{a}/{b}")]
    async fn add(a: i64, Path(_): Path<(i64, i64)>) -> String {
        a.to_string()
    }
}

fn main() {}
