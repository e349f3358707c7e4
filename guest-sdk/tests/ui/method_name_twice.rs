use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/a")]
    async fn one() {}

    #[get("/b", name = "one")]
    async fn two() {}
}

fn main() {}
