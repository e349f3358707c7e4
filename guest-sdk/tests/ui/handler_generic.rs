use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/a")]
    async fn one<T>(Json(_): Json<T>) {}
}

fn main() {}
