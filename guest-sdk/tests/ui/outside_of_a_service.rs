use picolet_sdk::prelude::*;

#[get("/hello")]
async fn hello() {}

fn main() {}
