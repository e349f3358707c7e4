use picolet_sdk::prelude::*;

#[service]
async fn hello() {}

fn main() {}
