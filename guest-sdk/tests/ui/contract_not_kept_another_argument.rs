use picolet_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct Sum {
    result: i64,
}

#[contract]
pub trait Calc {
    #[get("/add/{a}/{b}")]
    async fn add(path: Path<(i64, i64)>) -> Json<Sum>;

    #[post("/subtract", idempotent)]
    async fn subtract(numbers: Json<(i64, i64)>) -> Json<Sum>;
}

#[service(contract = Calc)]
mod calc {
    #[get("/add/{a}/{b}")]
    async fn add(Path((a, b)): Path<(i64, i64)>, body: Body) -> Json<Sum> {
        drop(body);
        Json(Sum { result: a + b })
    }

    #[post("/subtract", idempotent)]
    async fn subtract() -> Json<Sum> {
        Json(Sum { result: 0 })
    }
}

fn main() {}
