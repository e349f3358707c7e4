//! A WebSocket as browsers open one, at `/ws` or below `/socket.io/`.

use super::{Host, within};
use futures::{SinkExt, StreamExt};
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// One open WebSocket.
pub(crate) struct Browser {
    socket: WebSocketStream<TcpStream>,
    /// Heard while something else was waited for.
    aside: VecDeque<Value>,
}

impl Browser {
    /// Opens one at `/ws`, in a namespace.
    pub(crate) async fn of(host: &Host, namespace: &str) -> Self {
        Self::at(host, &format!("/ws?namespace={namespace}")).await
    }

    /// Opens one at any path.
    pub(crate) async fn at(host: &Host, path: &str) -> Self {
        match Self::try_at(host, path, &[]).await {
            Ok(browser) => browser,
            Err(status) => panic!("{path} was answered with {status}"),
        }
    }

    /// Opens one of socket.io, and enters a namespace.
    pub(crate) async fn of_socket_io(host: &Host, namespace: &str) -> Self {
        let mut browser = Self::at(host, "/socket.io/?EIO=4&transport=websocket").await;
        browser.packet().await.expect("the session is opened");
        browser.say(format!("40/{namespace},")).await;
        let entered = browser.packet().await.expect("the session is open");
        assert!(entered.starts_with(&format!("40/{namespace},{{")), "{entered}");
        browser
    }

    /// The same with these headers; the status of what is answered instead.
    pub(crate) async fn try_at(
        host: &Host,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let url = format!("ws://{}{path}", host.services);
        let mut request = url.into_client_request().expect("the test's request is sound");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("the test's header is sound");
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let stream = within("a connection", TcpStream::connect(host.services)).await.unwrap();
        match within("a handshake", client_async(request, stream)).await {
            Ok((socket, _response)) => Ok(Self { socket, aside: VecDeque::new() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Sends a text.
    pub(crate) async fn say(&mut self, text: impl Into<String>) {
        let sent = self.try_say(Message::text(text.into())).await;
        sent.unwrap_or_else(|reason| panic!("cannot say it: {reason}"));
    }

    /// Sends anything, as long as the host takes it.
    pub(crate) async fn try_say(&mut self, message: Message) -> Result<(), String> {
        let sent = within("room to write", self.socket.send(message)).await;
        sent.map_err(|error| error.to_string())
    }

    /// The next text, as it came; none when the host has closed the socket.
    pub(crate) async fn text(&mut self) -> Option<String> {
        match self.message().await {
            Ok(Message::Text(text)) => Some(text.as_str().to_owned()),
            Ok(other) => panic!("{other:?} is no text"),
            Err(_closed) => None,
        }
    }

    /// The next packet of socket.io; whoever asks for a sign of life gets one.
    pub(crate) async fn packet(&mut self) -> Option<String> {
        loop {
            match self.text().await {
                // It may have been sent away meanwhile.
                Some(ping) if ping == "2" => drop(self.try_say(Message::text("3")).await),
                packet => return packet,
            }
        }
    }

    /// The next message that is no ping; the code with which it was closed
    /// instead, 1006 when the connection broke.
    pub(crate) async fn message(&mut self) -> Result<Message, u16> {
        loop {
            match within("a message", self.socket.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => (),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(message)) => return Ok(message),
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// The next object.
    pub(crate) async fn hear(&mut self) -> Value {
        if let Some(aside) = self.aside.pop_front() {
            return aside;
        }
        self.next_object().await
    }

    /// Sends an object and gives what has the same `id`; events that come
    /// meanwhile are heard later.
    pub(crate) async fn ask(&mut self, object: &Value) -> Value {
        self.say(object.to_string()).await;
        loop {
            let heard = self.next_object().await;
            if heard.get("id").is_some_and(|id| *id == object["id"]) {
                return heard;
            }
            self.aside.push_back(heard);
        }
    }

    /// How the host closes it; what it says before that is passed over.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.message().await {
                return code;
            }
        }
    }

    async fn next_object(&mut self) -> Value {
        let text = self.text().await.expect("the socket is open");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// A browser in the namespace of `shop` gets answers.
pub(crate) async fn check_works(browser: &mut Browser) {
    let asked = json!({ "call": "shop.add", "data": { "a": 40, "b": 2 }, "id": "works" });
    let sum = browser.ask(&asked).await;
    assert_eq!(sum["answer"]["sum"], 42, "{sum}");
}
