//! A chat in rooms, with the page that opens it. The host keeps the sockets, so
//! everybody stays in their room while this module is replaced.

use picolet_sdk::prelude::*;

/// Longest name and longest line, in characters.
const NAME_MAX: usize = 32;
const TEXT_MAX: usize = 1_000;

/// What is said in a room.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Came { name: &'a str, here: usize },
    Said { name: &'a str, text: &'a str },
    Left { name: &'a str, here: usize },
}

/// Who somebody wants to be.
#[derive(Deserialize)]
struct Guest {
    name: String,
}

impl Guest {
    fn name(&self) -> Result<&str, Fault> {
        let name = self.name.trim();
        if (1..=NAME_MAX).contains(&name.chars().count()) {
            return Ok(name);
        }
        let text = format!("a name has 1 to {NAME_MAX} characters: `?name=Ann`");
        Err(Fault::new(400, "bad-name", text))
    }
}

fn tell(to: &Room, line: &Line<'_>) -> Result<(), Fault> {
    to.send(Message::json(line)?).map(drop)
}

#[service(root = "/chat")]
mod chat {
    /// The page.
    #[get("")]
    async fn page() -> Html<&'static str> {
        Html(include_str!("page.html"))
    }

    /// A place in a room, under the name in the query.
    #[websocket("/rooms/{room}")]
    async fn talk(
        Path(own): Path<String>,
        Query(guest): Query<Guest>,
        socket: Socket,
        event: SocketEvent,
    ) -> Result<(), Fault> {
        let (name, room) = (guest.name()?, room(&own));
        match event {
            SocketEvent::Open => {
                socket.join(&own)?;
                tell(&room, &Line::Came { name, here: room.count() })
            }
            SocketEvent::Text(text) => match text.chars().count() {
                0 => Ok(()),
                1..=TEXT_MAX => tell(&room, &Line::Said { name, text: &text }),
                _ => socket.close(4000, "that is too long"),
            },
            SocketEvent::Binary(_) => socket.close(4000, "say it in words"),
            SocketEvent::Close { .. } => {
                socket.leave(&own)?;
                tell(&room, &Line::Left { name, here: room.count() })
            }
        }
    }

    /// How many are in a room.
    #[get("/rooms/{room}/count")]
    async fn count(Path(own): Path<String>) -> String {
        room(own).count().to_string()
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{attend, closed, rooms, sent};

    use super::*;

    fn happens(who: &str, event: SocketEvent) -> Result<(), Fault> {
        attend::<chat::Service>(&format!("/chat/rooms/lobby?name={who}"), who, event)
    }

    /// What was told since last, and to whom.
    fn told() -> Vec<(String, String)> {
        let text = |message: Message| match message.payload {
            picolet_sdk::Payload::Text(text) => text,
            picolet_sdk::Payload::Binary(bytes) => format!("{bytes:?}"),
        };
        sent().into_iter().map(|sent| (sent.to, text(sent.message))).collect()
    }

    fn to(who: &str, line: &str) -> (String, String) {
        (who.to_owned(), line.to_owned())
    }

    #[test]
    fn everybody_in_a_room_is_told_who_comes_speaks_and_leaves() {
        happens("Ann", SocketEvent::Open).unwrap();
        assert_eq!(told(), [to("Ann", r#"{"kind":"came","name":"Ann","here":1}"#)]);
        happens("Bob", SocketEvent::Open).unwrap();
        let line = r#"{"kind":"came","name":"Bob","here":2}"#;
        assert_eq!(told(), [to("Ann", line), to("Bob", line)]);
        assert_eq!(rooms("Bob"), ["lobby"]);
        happens("Ann", SocketEvent::Text("hello".into())).unwrap();
        let line = r#"{"kind":"said","name":"Ann","text":"hello"}"#;
        assert_eq!(told(), [to("Ann", line), to("Bob", line)]);
        let reason = String::new();
        happens("Bob", SocketEvent::Close { code: 1001, reason }).unwrap();
        assert_eq!(told(), [to("Ann", r#"{"kind":"left","name":"Bob","here":1}"#)]);
    }

    #[test]
    fn nobody_is_nameless_and_nobody_shouts() {
        for name in ["", "%20", &"x".repeat(33)] {
            assert_eq!(happens(name, SocketEvent::Open).unwrap_err().name(), "bad-name");
        }
        happens("Ann", SocketEvent::Open).unwrap();
        happens("Ann", SocketEvent::Text("x".repeat(1_001))).unwrap();
        assert_eq!(closed(), [("Ann".to_owned(), 4000, "that is too long".to_owned())]);
    }
}
