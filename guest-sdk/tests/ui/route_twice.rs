use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/{a}")]
    async fn one() {}

    #[get("/{b}")]
    async fn two() {}
}

fn main() {}
