//! What a browser says in one event of socket.io.

use crate::fault::{Fault, SocketFault};
use serde_json::Value;
use socketioxide::handler::Value as Raw;
use std::collections::VecDeque;

/// A call of a method.
#[derive(Debug, PartialEq)]
pub(super) struct Spoken {
    pub(super) target: String,
    pub(super) data: Option<Value>,
}

/// Reads an event.
pub(super) fn read(raw: &Raw) -> Result<Spoken, Fault> {
    match raw {
        Raw::Str(text, attached) => parse(text, attached.as_ref().map_or(0, VecDeque::len)),
        Raw::Bytes(_) => Err(bad("want a text".to_owned())),
    }
}

/// Reads the array of an event: its name and one value. Bytes that are attached
/// have no place in JSON; where they belong the array says something else.
fn parse(text: &str, attached: usize) -> Result<Spoken, Fault> {
    if 0 < attached {
        return Err(bad("data is JSON, without bytes; send them as a text".to_owned()));
    }
    let said: Vec<Value> =
        serde_json::from_str(text).map_err(|error| bad(format!("data cannot be read: {error}")))?;
    let mut said = said.into_iter();
    let (Some(Value::String(target)), data, None) = (said.next(), said.next(), said.next()) else {
        return Err(bad("want the name of a method and one value".to_owned()));
    };
    Ok(Spoken { target, data })
}

fn bad(message: String) -> Fault {
    SocketFault::BadMessage { message }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_name_and_at_most_one_value_are_a_call() {
        for (text, data) in [
            (r#"["shop.add"]"#, None),
            (r#"["shop.add",null]"#, Some(Value::Null)),
            (r#"["shop.add",{"a":1}]"#, Some(json!({"a": 1}))),
        ] {
            let target = "shop.add".to_owned();
            assert_eq!(parse(text, 0), Ok(Spoken { target, data }), "{text}");
        }
    }

    #[track_caller]
    fn refused(text: &str, attached: usize) {
        let fault = parse(text, attached).unwrap_err();
        let reply = fault.reply();
        assert_eq!((reply.status.as_u16(), &*reply.name), (400, "bad-message"), "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_no_call_without_data() {
        refused(r#"["shop.add",{]"#, 0);
        refused(r#"["shop.add",1"#, 0);
        refused(r#"["shop.add",1,2]"#, 0);
        refused(r#"[1,"shop.add"]"#, 0);
        refused("[]", 0);
        refused(r#"["shop.add",{"_placeholder":true,"num":0}]"#, 1);
        refused(&format!(r#"["shop.add",{}{}]"#, "[".repeat(1_000), "]".repeat(1_000)), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "\\PC{0,64}") {
            let _ = parse(&text, 0);
        }
    }
}
