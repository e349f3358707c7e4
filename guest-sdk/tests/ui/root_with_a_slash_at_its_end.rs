use picolet_sdk::prelude::*;

#[service(root = "/api/")]
mod api {
    #[get("/a")]
    async fn one() {}
}

fn main() {}
