use picolet_sdk::prelude::*;

struct Numbers;

#[service]
mod api {
    #[post("/add")]
    async fn add(Json(_): Json<Numbers>) {}
}

fn main() {}
