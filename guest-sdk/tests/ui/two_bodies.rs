use picolet_sdk::prelude::*;

#[service]
mod api {
    #[post("/a")]
    async fn one(Json(_): Json<u8>, Text(_): Text) {}
}

fn main() {}
