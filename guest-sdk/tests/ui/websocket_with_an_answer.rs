use picolet_sdk::prelude::*;

#[service]
mod chat {
    #[websocket("/chat")]
    async fn talk(_: SocketEvent) -> String {
        String::new()
    }
}

fn main() {}
