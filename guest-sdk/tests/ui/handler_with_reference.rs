use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/a")]
    async fn one(_: &Request) {}
}

fn main() {}
