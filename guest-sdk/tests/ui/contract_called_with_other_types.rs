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

async fn calls(calc: CalcClient) -> Result<(), Fault> {
    calc.add(("40", 2)).await?;
    let _: String = calc.subtract((40, 2)).await?;
    calc.multiply((40, 2)).await
}

fn main() {}
