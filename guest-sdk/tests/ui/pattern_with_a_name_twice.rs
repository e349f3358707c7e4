use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/{a}/{a}")]
    async fn file(Path((a, _)): Path<(String, String)>) -> String {
        a
    }
}

fn main() {}
