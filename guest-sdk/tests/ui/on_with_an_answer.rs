use picolet_sdk::prelude::*;

#[service]
mod rates {
    #[on("rates.*")]
    async fn changed(Path(currency): Path<String>) -> String {
        currency
    }
}

fn main() {}
