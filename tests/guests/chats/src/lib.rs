//! Keeps WebSockets in rooms, well and badly. How they were closed it counts in
//! its bucket, so that a test can see it.

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use picolet_sdk::prelude::*;

/// What the socket asked for on opening.
#[derive(Deserialize)]
struct Wish {
    /// The status to be refused with.
    refuse: Option<u16>,
    /// Milliseconds to be kept waiting.
    slow: Option<u64>,
}

/// Does what a text asks for; any other comes back as it is.
#[allow(clippy::panic, reason = "what it is for")]
async fn obey(socket: &Socket, own: &str, text: &str) -> Result<(), Fault> {
    match text.split_once(' ').unwrap_or((text, "")) {
        ("trap", _) => panic!("told to panic"),
        ("spin", _) => loop {
            black_box(());
        },
        ("fault", _) => Err(Fault::unavailable("told to fail")),
        ("slow", ms) => {
            sleep(Duration::from_millis(ms.parse().unwrap_or(100))).await;
            socket.send(text)
        }
        ("close", reason) => socket.close(4001, reason),
        ("leave", _) => socket.leave(own),
        ("room", said) => room(own).except(socket).send(said).map(drop),
        ("all", said) => everyone().send(said).map(drop),
        ("id", _) => socket.send(socket.id()),
        ("count", _) => socket.send(format!("{} of {}", room(own).count(), everyone().count())),
        ("version", _) => socket.send(version()),
        _ => socket.send(text),
    }
}

/// Whoever deploys it says which one it is.
fn version() -> String {
    config("version").unwrap_or_else(|| "1".to_owned())
}

#[service(root = "/chats")]
mod chats {
    /// Talk in a room.
    #[websocket("/talk/{room}", protocols = ["chats.v2", "chats.v1"])]
    async fn talk(
        Path(own): Path<String>,
        Query(wish): Query<Wish>,
        socket: Socket,
        event: SocketEvent,
    ) -> Result<(), Fault> {
        match event {
            SocketEvent::Open => {
                if let Some(ms) = wish.slow {
                    sleep(Duration::from_millis(ms)).await;
                }
                match wish.refuse {
                    Some(status) => Err(Fault::new(status, "not-wanted", "told to refuse")),
                    None => socket.join(&own),
                }
            }
            SocketEvent::Text(text) => obey(&socket, &own, &text).await,
            SocketEvent::Binary(bytes) => socket.send(bytes),
            SocketEvent::Close { code, reason } => {
                Bucket::own().add(&format!("{own} {code} {reason}"), 1).await.map(drop)
            }
        }
    }

    /// Says everything again, and keeps nothing of it.
    #[websocket("/echo")]
    async fn echo(socket: Socket, event: SocketEvent) -> Result<(), Fault> {
        match event {
            SocketEvent::Text(text) => socket.send(text),
            SocketEvent::Binary(bytes) => socket.send(bytes),
            SocketEvent::Open | SocketEvent::Close { .. } => Ok(()),
        }
    }

    /// How sockets were closed, and how often.
    #[get("/closed")]
    async fn closed() -> Result<Json<BTreeMap<String, u64>>, Fault> {
        let (bucket, mut counts) = (Bucket::own(), BTreeMap::new());
        for key in bucket.keys("", "", 1_000)? {
            let Json(count) = bucket.get::<Json<u64>>(&key)?.unwrap_or_default();
            counts.insert(key, count);
        }
        Ok(Json(counts))
    }

    #[get("/version")]
    async fn version_of_all() -> String {
        version()
    }

    /// How many sockets are open.
    #[get("/open")]
    async fn open() -> String {
        everyone().count().to_string()
    }

    /// Says something in a room, and tells to how many.
    #[post("/rooms/{room}")]
    async fn say(Path(name): Path<String>, Text(text): Text) -> Result<String, Fault> {
        Ok(room(name).send(text)?.to_string())
    }

    /// Says something to everyone.
    #[post("/everyone")]
    async fn say_to_everyone(Text(text): Text) -> Result<String, Fault> {
        Ok(everyone().send(text)?.to_string())
    }

    /// Sends so many messages of so many bytes to all in a room.
    #[post("/flood/{room}/{count}/{bytes}")]
    async fn flood(Path((name, count, bytes)): Path<(String, u32, usize)>) -> Result<(), Fault> {
        let (room, message) = (room(name), vec![7u8; bytes]);
        for _ in 0..count {
            room.send(message.clone())?;
        }
        Ok(())
    }

    /// Closes a socket from outside, with a code.
    #[post("/close/{socket}/{code}")]
    async fn close(Path((id, code)): Path<(String, u16)>, Text(reason): Text) -> Result<(), Fault> {
        socket(id).close(code, &reason)
    }

    /// Says which socket this call came by.
    #[get("/from")]
    async fn from(from: Option<Socket>) -> String {
        from.map_or_else(|| "none".to_owned(), |socket| socket.id().to_owned())
    }

    /// Puts a socket into many rooms.
    #[post("/join/{socket}/{rooms}")]
    async fn join(Path((id, rooms)): Path<(String, u32)>) -> Result<(), Fault> {
        let socket = socket(id);
        (0..rooms).try_for_each(|room| socket.join(&format!("room {room}")))
    }
}
