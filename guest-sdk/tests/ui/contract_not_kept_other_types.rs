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
    async fn add(Path((a, b)): Path<(i32, i32)>) -> Json<Sum> {
        Json(Sum { result: i64::from(a + b) })
    }

    #[post("/subtract", idempotent)]
    async fn subtract(context: Context, Json((a, b)): Json<(i64, i64)>) -> Result<Json<i64>, Fault> {
        match context.caller() {
            Some(_) => Ok(Json(a - b)),
            None => Err(Fault::forbidden("only services may")),
        }
    }
}

fn main() {}
