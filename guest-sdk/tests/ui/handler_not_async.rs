use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/a")]
    fn one() {}
}

fn main() {}
