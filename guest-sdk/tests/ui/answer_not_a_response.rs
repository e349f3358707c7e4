use picolet_sdk::prelude::*;

#[derive(Serialize)]
struct Sum {
    result: i64,
}

#[service]
mod api {
    #[get("/sum")]
    async fn sum() -> Sum {
        Sum { result: 42 }
    }
}

fn main() {}
