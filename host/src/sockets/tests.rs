//! Who gets what, without a socket.

use super::*;
use tokio_tungstenite::tungstenite::error::CapacityError;

#[derive(Default)]
struct Seen {
    texts: Mutex<Vec<String>>,
    closed: Mutex<Option<Closing>>,
}

impl Outlet for Seen {
    fn send(&self, message: &Arc<Message>) {
        let Payload::Text(text) = &message.payload else { return };
        self.texts.lock().unwrap().push(text.to_string());
    }

    fn close(&self, closing: Closing) {
        *self.closed.lock().unwrap() = Some(closing);
    }

    fn follow(&self) {
        self.close(Closing::new(1_001, "nobody has it"));
    }
}

struct One {
    seen: Arc<Seen>,
    present: Present,
}

impl One {
    fn enter(sockets: &Sockets, owner: Owner) -> Self {
        let seen = Arc::<Seen>::default();
        let present = sockets.enter(owner, seen.clone()).unwrap();
        Self { seen, present }
    }

    fn id(&self) -> &str {
        self.present.id().as_str()
    }

    #[track_caller]
    fn saw(&self, expected: &[&str]) {
        assert_eq!(*self.seen.texts.lock().unwrap(), expected);
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn of_service(text: &str) -> Owner {
    Owner::Service(name(text))
}

fn by(service: &str, namespace: Option<&str>) -> Reachable {
    Reachable { service: name(service), namespace: namespace.map(name) }
}

fn text(text: &str) -> Arc<Message> {
    Arc::new(Message::new(String::new(), Payload::Text(text.into())))
}

fn room(name: &str) -> Audience {
    Audience::Room(name.to_owned())
}

#[test]
fn a_room_has_those_who_joined_it_and_nobody_twice() {
    let sockets = Sockets::new(10);
    let chat = by("chat", None);
    let [a, b, c] = [(); 3].map(|()| One::enter(&sockets, of_service("chat")));
    for one in [&a, &b, &a] {
        assert_eq!(sockets.join(&chat, one.id(), "red"), Ok(true));
    }
    assert_eq!(sockets.send(&chat, &room("red"), None, &text("1")), 2);
    assert_eq!(sockets.send(&chat, &room("red"), Some(a.id()), &text("2")), 1);
    assert_eq!(sockets.send(&chat, &Audience::Everyone, None, &text("3")), 3);
    assert_eq!(sockets.send(&chat, &Audience::Socket(c.id().to_owned()), None, &text("4")), 1);
    a.saw(&["1", "3"]);
    b.saw(&["1", "2", "3"]);
    c.saw(&["3", "4"]);
    assert_eq!(sockets.leave(&chat, b.id(), "red"), Ok(true));
    assert_eq!(sockets.leave(&chat, b.id(), "red"), Ok(false));
    assert_eq!(sockets.count(&chat, &room("red")), 1);
}

#[test]
fn who_is_gone_is_gone_from_everything() {
    let sockets = Sockets::new(1);
    let chat = by("chat", None);
    let a = One::enter(&sockets, of_service("chat"));
    let id = a.id().to_owned();
    assert_eq!(sockets.join(&chat, &id, "red"), Ok(true));
    let refused = sockets.enter(of_service("other"), Arc::<Seen>::default());
    assert_eq!(refused.err(), Some(TooMany { max: 1 }));
    drop(a);
    assert_eq!(sockets.count(&chat, &room("red")), 0);
    assert_eq!(sockets.join(&chat, &id, "red"), Ok(false));
    assert!(!sockets.close(&chat, &id, Closing::new(1_000, "")));
    let _other = One::enter(&sockets, of_service("other"));
    let _browser = One::enter(&sockets, Owner::Namespace(name("shop")));
}

#[test]
fn services_share_the_browsers_of_a_namespace_and_nothing_else() {
    let sockets = Sockets::new(10);
    let (cart, till) = (by("cart", Some("shop")), by("till", Some("shop")));
    let own = One::enter(&sockets, of_service("cart"));
    let browser = One::enter(&sockets, Owner::Namespace(name("shop")));
    assert_eq!(sockets.join(&cart, browser.id(), "sale"), Ok(true));
    assert_eq!(sockets.join(&cart, own.id(), "sale"), Ok(true));
    assert_eq!(sockets.count(&cart, &room("sale")), 2);
    assert_eq!(sockets.count(&till, &room("sale")), 1);
    assert_eq!(sockets.join(&till, own.id(), "sale"), Ok(false));
    assert_eq!(sockets.count(&by("stranger", None), &Audience::Everyone), 0);
    assert!(sockets.close(&till, browser.id(), Closing::new(4_000, "bye")));
    assert_eq!(*browser.seen.closed.lock().unwrap(), Some(Closing::new(4_000, "bye")));
}

#[test]
fn after_a_change_those_of_services_look_whether_anybody_has_them() {
    let sockets = Sockets::new(10);
    let own = One::enter(&sockets, of_service("cart"));
    let other = One::enter(&sockets, of_service("till"));
    let browser = One::enter(&sockets, Owner::Namespace(name("shop")));
    sockets.follow();
    let codes = [own, other, browser].map(|one| {
        let closed = one.seen.closed.lock().unwrap();
        closed.as_ref().map(|closing| closing.code)
    });
    assert_eq!(codes, [Some(1_001), Some(1_001), None]);
}

#[test]
fn rooms_are_bounded_in_name_and_number() {
    let sockets = Sockets::new(10);
    let chat = by("chat", None);
    let a = One::enter(&sockets, of_service("chat"));
    assert_eq!(sockets.join(&chat, a.id(), ""), Err(RoomError::BadName { len: 0 }));
    let long = "x".repeat(129);
    assert_eq!(sockets.join(&chat, a.id(), &long), Err(RoomError::BadName { len: 129 }));
    for index in 0..256 {
        assert_eq!(sockets.join(&chat, a.id(), &index.to_string()), Ok(true));
    }
    assert_eq!(sockets.join(&chat, a.id(), "one more"), Err(RoomError::TooMany));
    assert_eq!(sockets.join(&chat, a.id(), "7"), Ok(true), "it is there already");
}

#[test]
fn what_cannot_be_read_is_closed_with_its_code() {
    let code = |error: Error| Closing::after(&error).map(|closing| closing.code);
    let too_long = CapacityError::MessageTooLong { size: 2, max_size: 1 };
    assert_eq!(code(Error::Capacity(too_long)), Some(1009));
    assert_eq!(code(Error::Utf8("no".to_owned())), Some(1007));
    assert_eq!(code(Error::Protocol(ProtocolError::NonZeroReservedBits)), Some(1002));
    assert_eq!(code(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), None);
    assert_eq!(code(Error::ConnectionClosed), None);
}

#[test]
fn what_is_sent_is_read_and_rendered_once() {
    let message = text(r#"{"a":1}"#);
    let content = message.content();
    assert_eq!(*content, Content::Json(serde_json::json!({"a": 1})));
    assert!(std::ptr::eq(content, message.content()));
    let rendered = |as_what: &'static str| move |_: &Message| Payload::Text(as_what.into());
    assert_eq!(*message.rendered(rendered("first")), Payload::Text("first".into()));
    assert_eq!(*message.rendered(rendered("second")), Payload::Text("first".into()));
}
