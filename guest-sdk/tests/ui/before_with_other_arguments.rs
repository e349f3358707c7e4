use picolet_sdk::prelude::*;

#[service]
mod api {
    #[before]
    async fn look(_: Request) {}

    #[get("/a")]
    async fn one() {}
}

fn main() {}
