use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get]
    async fn one() {}

    #[get(idempotent)]
    async fn two() {}
}

fn main() {}
