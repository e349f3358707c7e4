//! `picolet register` and `unregister`: programs that are no modules.

use super::args::{RegisterArgs, UnregisterArgs};
use super::remote::{ask, ask_with, text};
use super::{Failure, print, read};
use crate::path::encode;
use http::Method;
use serde_json::{Value, json};

pub(super) fn register(args: &RegisterArgs) -> Result<(), Failure> {
    let file = &args.file;
    let record = read(file).map_err(|error| {
        Failure::Failed(format!("{file} cannot be read: {error}; - is standard input"))
    })?;
    let record: Value = serde_json::from_slice(&record)
        .map_err(|error| Failure::Failed(format!("{file} is not JSON: {error}")))?;
    let order = order(record, args.key.as_deref());
    let done = ask_with(&args.remote, Method::POST, "/api/services", &order)?;
    if args.remote.json {
        print(&done.to_string());
        return Ok(());
    }
    let (name, id) = (text(&order, "/record/name"), text(&done, "/registration"));
    let key = order.get("keyServices").and_then(Value::as_str).unwrap_or("default");
    print(&format!("registered {name} under {key} as {id}"));
    Ok(())
}

/// What is sent: the record with its key. Both may be in the file, too.
fn order(record: Value, key: Option<&str>) -> Value {
    let mut order =
        if record.get("record").is_some() { record } else { json!({ "record": record }) };
    if let (Some(key), Some(members)) = (key, order.as_object_mut()) {
        members.insert("keyServices".into(), key.into());
    }
    order
}

pub(super) fn unregister(args: &UnregisterArgs) -> Result<(), Failure> {
    let (key, id) = (&args.key, &args.id);
    let path = format!("/api/services/{}/{}", encode(key), encode(id));
    // To take out what is not there is well for a program, and not for people.
    ask(&args.remote, Method::GET, &path)?;
    let done = ask(&args.remote, Method::DELETE, &path)?;
    if args.remote.json {
        print(&done.to_string());
    } else {
        print(&format!("unregistered {id} under {key}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_may_come_alone_or_with_its_key() {
        let alone = json!({ "name": "a" });
        assert_eq!(order(alone.clone(), None), json!({ "record": { "name": "a" } }));
        let keyed = json!({ "record": { "name": "a" }, "keyServices": "k" });
        assert_eq!(order(alone, Some("k")), keyed);
        assert_eq!(order(keyed.clone(), None), keyed);
    }
}
