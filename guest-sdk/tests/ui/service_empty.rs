use picolet_sdk::prelude::*;

#[service]
mod api {
    async fn hello() {}
}

fn main() {}
