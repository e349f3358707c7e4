use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/{*rest}/end")]
    async fn file(Path(rest): Path<String>) -> String {
        rest
    }
}

fn main() {}
