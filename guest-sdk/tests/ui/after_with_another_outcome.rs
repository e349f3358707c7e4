use picolet_sdk::prelude::*;

#[service]
mod api {
    #[after]
    async fn look(_: &mut Response) -> bool {
        true
    }

    #[get("/a")]
    async fn one() {}
}

fn main() {}
