use picolet_sdk::prelude::*;

#[service]
mod api {
    #[get("/file-{id}")]
    async fn file(Path(id): Path<u32>) -> String {
        id.to_string()
    }
}

fn main() {}
