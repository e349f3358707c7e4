use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/healthcheck")]
    async fn health() {}
}

fn main() {}
