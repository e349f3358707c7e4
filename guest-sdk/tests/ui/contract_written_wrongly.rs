use picolet_sdk::prelude::*;

#[contract]
trait Unclear {
    async fn no_verb() -> String;

    #[get("/sync")]
    fn not_async() -> String;

    #[get("/self")]
    async fn with_self(&self) -> String;

    #[get("/context")]
    async fn with_context(context: Context) -> String;

    #[get("/body")]
    async fn with_body() -> String {
        String::new()
    }

    #[get("/{a}")]
    async fn too_many(path: Path<(u8, u8)>) -> String;

    const NAME: &'static str;
}

#[contract]
trait Empty {}

#[contract]
mod not_a_trait {}

#[contract("calc")]
trait Named {
    #[get("/a")]
    async fn a();
}

#[service(contract = "Calc")]
mod quoted {
    #[get("/a")]
    async fn a() {}
}

fn main() {}
