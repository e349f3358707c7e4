use picolet_sdk::prelude::*;

#[service]
mod api {
    #[cfg(test)]
    #[get("/a")]
    async fn one() {}
}

fn main() {}
