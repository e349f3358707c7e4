//! `application/x-www-form-urlencoded`, which is also how queries are written.

use std::borrow::Cow;

/// The pairs of a query or form. A broken escape stays as it is, bytes that
/// are not UTF-8 become replacement characters.
pub(crate) fn decode(text: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        })
        .collect()
}

/// Writes pairs as a form.
pub(crate) fn encode<'a>(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut form = String::new();
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        escape(&mut form, name.as_bytes());
        form.push('=');
        escape(&mut form, value);
    }
    form
}

pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => plain.push(b' '),
            (b'%', [high, low, after @ ..]) if let Some(byte) = from_hex(*high, *low) => {
                plain.push(byte);
                rest = after;
            }
            _ => plain.push(*byte),
        }
    }
    Cow::Owned(match String::from_utf8(plain) {
        Ok(plain) => plain,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn from_hex(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

pub(super) fn escape(form: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                form.push(char::from(byte));
            }
            b' ' => form.push('+'),
            _ => {
                form.push('%');
                for digit in [byte >> 4, byte & 15] {
                    let digit = char::from_digit(digit.into(), 16).unwrap_or('0');
                    form.push(digit.to_ascii_uppercase());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let pairs = decode(text);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, expected);
    }

    #[test]
    fn escapes_plus_and_odd_pairs_are_read() {
        check("a=1&b=x+y%20z", &[("a", "1"), ("b", "x y z")]);
        check("a&&=b&c=d=e", &[("a", ""), ("", "b"), ("c", "d=e")]);
        check("%F0%9F%8C%8D=%zz%4&x=%ff", &[("🌍", "%zz%4"), ("x", "\u{fffd}")]);
        check("", &[]);
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        let pairs = [("a b", &b"x&y=z"[..]), ("é", b"100%")];
        let form = encode(pairs.into_iter());
        assert_eq!(form, "a+b=x%26y%3Dz&%C3%A9=100%25");
        check(&form, &[("a b", "x&y=z"), ("é", "100%")]);
    }
}
