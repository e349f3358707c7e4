use picolet_sdk::prelude::*;

#[service(name = "my service")]
mod named {
    #[get("/a")]
    async fn one() {}
}

#[service(version = "1")]
mod versioned {
    #[get("/a")]
    async fn one() {}
}

#[service(path = "/a")]
mod unknown {
    #[get("/a")]
    async fn one() {}
}

fn main() {}
