use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/a")]
    #[post("/a")]
    async fn one() {}
}

fn main() {}
