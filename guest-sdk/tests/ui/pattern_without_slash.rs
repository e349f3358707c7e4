use picolet_sdk::prelude::*;

#[service(root = "/api")]
mod api {
    #[get("hello")]
    async fn hello() -> String {
        String::new()
    }
}

fn main() {}
