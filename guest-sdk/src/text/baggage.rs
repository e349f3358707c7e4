//! Properties as the value of a `baggage` header
//! (<https://www.w3.org/TR/baggage/>).

use super::form::{escape, unescape};

/// The properties in a `baggage` value. What is no pair, and what follows a
/// semicolon, is left out.
pub(crate) fn read_baggage(baggage: &str) -> impl Iterator<Item = (String, String)> {
    baggage.split(',').filter_map(|member| {
        let (pair, _) = member.split_once(';').unwrap_or((member, ""));
        let (name, value) = pair.split_once('=')?;
        // In a form a plus is a space, here it is itself.
        let value = value.trim().replace('+', "%2B");
        Some((name.trim().to_owned(), unescape(&value).into_owned()))
    })
}

/// Writes properties whose names are tokens.
pub(crate) fn write_baggage<'a>(properties: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut baggage = String::new();
    for (name, value) in properties {
        if !baggage.is_empty() {
            baggage.push(',');
        }
        baggage.push_str(name);
        baggage.push('=');
        let mut escaped = String::new();
        escape(&mut escaped, value.as_bytes());
        baggage.push_str(&escaped.replace('+', "%20"));
    }
    baggage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let properties = [("user", "a b+c,d;é"), ("plan", "")];
        let baggage = write_baggage(properties.into_iter());
        assert_eq!(baggage, "user=a%20b%2Bc%2Cd%3B%C3%A9,plan=");
        let read: Vec<_> = read_baggage(&baggage).collect();
        let read: Vec<_> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(read, properties);
    }

    #[test]
    fn what_others_write_is_read() {
        let read: Vec<_> = read_baggage(" user = a+b ;meta=1, broken ,x=%zz").collect();
        let expected = [("user", "a+b"), ("x", "%zz")].map(|(n, v)| (n.into(), v.into()));
        assert_eq!(read, expected);
    }
}
