//! What browsers reach, and what they do not: methods, events, rooms.

use std::time::Duration;

use picolet_sdk::prelude::*;

#[derive(Deserialize)]
struct Terms {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Sum {
    sum: i64,
}

#[derive(Deserialize)]
struct Wanted {
    currency: Option<String>,
    count: Option<u32>,
}

/// What an item was asked for with.
#[derive(Serialize)]
struct Item {
    kind: String,
    id: u32,
    currency: Option<String>,
    count: Option<u32>,
}

/// Something for a room, and what comes out of it.
#[derive(Serialize, Deserialize)]
struct Said {
    text: String,
}

/// By which socket and in which request a call came.
#[derive(Serialize)]
struct Who {
    socket: Option<String>,
    request_id: String,
    caller: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Rate {
    rate: f64,
}

#[service(root = "/shop")]
mod shop {
    #[post("/add")]
    async fn add(Json(terms): Json<Terms>) -> Result<Json<Sum>, Fault> {
        let sum = terms.a.checked_add(terms.b);
        let sum = sum.ok_or_else(|| Fault::unprocessable("the sum does not fit"))?;
        Ok(Json(Sum { sum }))
    }

    #[get("/items/{kind}/{id}")]
    async fn item(Path((kind, id)): Path<(String, u32)>, Query(w): Query<Wanted>) -> Json<Item> {
        Json(Item { kind, id, currency: w.currency, count: w.count })
    }

    #[delete("/items/{kind}/{id}")]
    async fn remove(_item: Path<(String, u32)>) {}

    #[post("/buy")]
    async fn buy() -> Result<(), Fault> {
        Err(Fault::new(409, "sold-out", "there is none left"))
    }

    /// Publishes what browsers may hear.
    #[post("/rates/{what}")]
    async fn rate(Path(what): Path<String>, Json(rate): Json<Rate>) -> Result<(), Fault> {
        publish(&format!("rates.{what}"), Json(rate))
    }

    /// Publishes what they may not.
    #[post("/secrets/{what}")]
    async fn whisper(Path(what): Path<String>) -> Result<(), Fault> {
        publish(&format!("secrets.{what}"), "not for browsers")
    }

    #[post("/rooms/{name}/join")]
    async fn join(Path(name): Path<String>, socket: Socket) -> Result<(), Fault> {
        socket.join(&name)?;
        Ok(())
    }

    #[post("/rooms/{name}/leave")]
    async fn leave(Path(name): Path<String>, socket: Socket) -> Result<(), Fault> {
        socket.leave(&name)?;
        Ok(())
    }

    /// Tells everybody in a room.
    #[post("/rooms/{name}/tell")]
    async fn tell(Path(name): Path<String>, Json(said): Json<Said>) -> Result<(), Fault> {
        room(&name).emit("told", &said)?;
        Ok(())
    }

    /// Tells everybody in a room but whoever says it.
    #[post("/rooms/{name}/tell-others")]
    async fn tell_others(
        Path(name): Path<String>,
        socket: Socket,
        Json(said): Json<Said>,
    ) -> Result<(), Fault> {
        room(&name).except(&socket).emit("told", &said)?;
        Ok(())
    }

    /// Tells whoever asks, without an event's name.
    #[post("/tell-me")]
    async fn tell_me(socket: Socket, Json(said): Json<Said>) -> Result<(), Fault> {
        socket.send(said.text)?;
        Ok(())
    }

    #[get("/who")]
    async fn who(socket: Option<Socket>, context: Context) -> Json<Who> {
        let socket = socket.map(|socket| socket.id().to_owned());
        Json(Who { socket, request_id: context.request_id(), caller: context.caller() })
    }

    #[get("/text")]
    async fn text() -> &'static str {
        "not JSON"
    }

    #[get("/bytes")]
    async fn bytes() -> Vec<u8> {
        vec![0, 159, 146, 150]
    }

    #[post("/nothing")]
    async fn nothing() {}

    /// Answers when somebody has gone to sleep over it.
    #[get("/sleep/{ms}")]
    async fn nap(Path(ms): Path<u64>) -> &'static str {
        sleep(Duration::from_millis(ms)).await;
        "slept"
    }

    #[post("/trap")]
    #[allow(clippy::panic, reason = "what it is for")]
    async fn trap() {
        panic!("told to panic")
    }

    /// Never exposed by a test.
    #[get("/hidden")]
    async fn hidden() -> &'static str {
        "for programs alone"
    }
}
