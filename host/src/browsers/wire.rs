//! What is said over a plain WebSocket of a browser: JSON texts, one object
//! each.

use crate::fault::{Fault, SocketFault};
use crate::payload::Content;
use crate::sockets::{Message, Payload};
use crate::subject::SubjectPattern;
use http::StatusCode;
use serde_json::{Map, Value, json};

/// What a browser says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    /// What the answer is marked with.
    pub(crate) id: Option<Value>,
    pub(crate) wish: Result<Wish, Fault>,
}

/// What a browser wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    Call { target: String, data: Option<Value> },
    Subscribe(SubjectPattern),
    Unsubscribe(SubjectPattern),
}

const SHAPES: &str =
    "want {\"call\":METHOD,\"data\":{…}}, {\"subscribe\":SUBJECT} or {\"unsubscribe\":SUBJECT}";

impl Said {
    /// Reads a message.
    pub(crate) fn read(payload: &Payload) -> Self {
        let Payload::Text(text) = payload else {
            return Self { id: None, wish: Err(bad("messages are JSON texts".to_owned())) };
        };
        match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(mut members) => {
                let id = members.remove("id").filter(|id| !id.is_null());
                Self { id, wish: wish(members) }
            }
            Err(error) => Self { id: None, wish: Err(bad(format!("{SHAPES}: {error}"))) },
        }
    }
}

fn wish(mut members: Map<String, Value>) -> Result<Wish, Fault> {
    let data = members.remove("data");
    let mut members = members.into_iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err(bad(SHAPES.to_owned()));
    };
    let Value::String(text) = value else {
        return Err(bad(format!("{name} wants a text; {SHAPES}")));
    };
    let subject = || {
        SubjectPattern::parse(&text)
            .map_err(|error| Fault::BadSubject { message: error.to_string() })
    };
    match name.as_str() {
        "call" => Ok(Wish::Call { target: text, data }),
        "subscribe" => subject().map(Wish::Subscribe),
        "unsubscribe" => subject().map(Wish::Unsubscribe),
        _ => Err(bad(format!("there is no {name}; {SHAPES}"))),
    }
}

fn bad(message: String) -> Fault {
    SocketFault::BadMessage { message }.into()
}

/// The answer of a call.
pub(crate) fn answered(id: Option<Value>, status: StatusCode, content: Content) -> String {
    let answer = json!({ "answer": content.into_value(), "status": status.as_u16() });
    marked(id, answer)
}

/// A fault.
pub(crate) fn failed(id: Option<Value>, fault: &Fault) -> String {
    marked(id, fault.to_json())
}

/// That a subscription began or ended; `did` is `subscribed` or `unsubscribed`.
pub(crate) fn noted(id: Option<Value>, did: &str, pattern: &SubjectPattern) -> String {
    marked(id, json!({ (did): pattern.to_string() }))
}

/// What browsers know a message of a service by.
pub(crate) fn event(message: &Message) -> &str {
    if message.event.is_empty() { "message" } else { &message.event }
}

/// A message of a service, as it is sent.
pub(crate) fn sent(message: &Message) -> Payload {
    let data = message.content().clone().into_value();
    Payload::Text(json!({ "event": event(message), "data": data }).to_string().into())
}

fn marked(id: Option<Value>, value: Value) -> String {
    match (id, value) {
        (Some(id), Value::Object(mut members)) => {
            let mut marked = Map::from_iter([("id".to_owned(), id)]);
            marked.append(&mut members);
            Value::Object(marked).to_string()
        }
        (_, value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> SubjectPattern {
        SubjectPattern::parse(text).unwrap()
    }

    fn read(text: &str) -> Said {
        Said::read(&Payload::Text(text.into()))
    }

    #[test]
    fn wishes_are_read() {
        let said = read(r#"{"call":"calc.add1","data":{"a":1},"id":7}"#);
        let call = Wish::Call { target: "calc.add1".into(), data: Some(json!({"a": 1})) };
        assert_eq!(said, Said { id: Some(json!(7)), wish: Ok(call) });
        let said = read(r#"{"subscribe":"rates.>"}"#);
        assert_eq!(said, Said { id: None, wish: Ok(Wish::Subscribe(pattern("rates.>"))) });
        let said = read(r#"{"unsubscribe":"a","id":"x"}"#);
        assert_eq!(said, Said { id: Some(json!("x")), wish: Ok(Wish::Unsubscribe(pattern("a"))) });
    }

    #[track_caller]
    fn refused(text: &str, id: Option<Value>, name: &str) {
        let said = read(text);
        let fault = said.wish.unwrap_err();
        assert_eq!((said.id, &*fault.reply().name), (id, name), "{text}");
    }

    #[test]
    fn what_is_no_wish_is_refused_with_its_id() {
        refused("", None, "bad-message");
        refused("[]", None, "bad-message");
        refused("{}", None, "bad-message");
        refused(r#"{"id":1}"#, Some(json!(1)), "bad-message");
        refused(r#"{"call":1,"id":2}"#, Some(json!(2)), "bad-message");
        refused(r#"{"call":"a","subscribe":"b"}"#, None, "bad-message");
        refused(r#"{"publish":"a"}"#, None, "bad-message");
        refused(r#"{"subscribe":"a..b","id":3}"#, Some(json!(3)), "bad-subject");
    }

    #[test]
    fn what_is_said_back_begins_with_the_id() {
        let content = Content::Json(json!({"sum": 3}));
        let text = answered(Some(json!(7)), StatusCode::OK, content);
        assert_eq!(text, r#"{"id":7,"answer":{"sum":3},"status":200}"#);
        let fault = bad("no".to_owned());
        assert_eq!(failed(None, &fault), r#"{"error":"no","code":400,"fault":"bad-message"}"#);
        let text = noted(Some(json!(1)), "subscribed", &pattern("rates.>"));
        assert_eq!(text, r#"{"id":1,"subscribed":"rates.>"}"#);
        for (event, text) in
            [("hi", r#"{"event":"hi","data":"x"}"#), ("", r#"{"event":"message","data":"x"}"#)]
        {
            let message = Message::new(event.to_owned(), Payload::Text("x".into()));
            assert_eq!(sent(&message), Payload::Text(text.into()));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "\\PC{0,64}") {
            let _ = read(&text);
        }

        #[test]
        fn any_object_is_judged(
            name in "(call|subscribe|unsubscribe|id|data|[a-z]{0,4})",
            value in "\\PC{0,16}",
        ) {
            let _ = read(&json!({ name: value }).to_string());
        }
    }
}
