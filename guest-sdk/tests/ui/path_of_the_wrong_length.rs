use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/add/{a}/{b}")]
    async fn add(Path((a, _, _)): Path<(i64, i64, i64)>) -> String {
        a.to_string()
    }

    #[get("/none")]
    async fn none(Path(id): Path<u32>) -> String {
        id.to_string()
    }
}

fn main() {}
