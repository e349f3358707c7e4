use picolet_sdk::prelude::*;

#[service]
mod chat {
    #[websocket]
    async fn without_a_pattern(_: SocketEvent) {}

    #[websocket("chat")]
    async fn without_a_slash(_: SocketEvent) {}

    #[websocket("/a", path = "/b")]
    async fn with_an_unknown_key(_: SocketEvent) {}

    #[websocket("/a", name = "a b")]
    async fn with_a_bad_name(_: SocketEvent) {}

    #[websocket("/a", protocols = "chat")]
    async fn with_one_protocol(_: SocketEvent) {}

    #[websocket("/a", protocols = ["chat v2"])]
    async fn with_a_bad_protocol(_: SocketEvent) {}

    #[websocket("/a")]
    fn that_is_not_async(_: SocketEvent) {}

    #[websocket("/a")]
    async fn with_a_body(Json(_): Json<u8>) {}

    #[websocket("/a")]
    async fn with_a_path_and_no_parameter(Path(_): Path<u8>, _: SocketEvent) {}

    #[websocket("/a/{b}")]
    #[get("/a/{b}")]
    async fn with_two_roles(_: SocketEvent) {}
}

#[service]
mod of_one_name {
    #[get("/one")]
    async fn one() {}

    #[websocket("/a", name = "one")]
    async fn other(_: SocketEvent) {}

    #[websocket("/b")]
    async fn third(_: SocketEvent) {}

    #[websocket("/c", name = "third")]
    async fn fourth(_: SocketEvent) {}
}

#[service]
mod of_one_pattern {
    #[get("/chat/{room}")]
    async fn page(Path(_): Path<String>) {}

    #[websocket("/chat/{name}")]
    async fn talk(_: SocketEvent) {}

    #[post("/rooms")]
    async fn open() {}

    #[websocket("/rooms")]
    async fn rooms(_: SocketEvent) {}

    #[websocket("/rooms")]
    async fn more_rooms(_: SocketEvent) {}
}

fn main() {}
