//! The log as text: one line for each event, whatever is in it.

use std::borrow::Cow;
use std::fmt::{self, Debug, Write};
use tracing::field::Field;
use tracing_subscriber::fmt::format::Writer;

/// A text in which nothing can move the cursor, begin another line or turn the
/// direction of writing: such characters are written as in a program. Tabs stay.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut written = Printable(String::with_capacity(text.len() + 16));
    // Writing to a String cannot fail.
    let _ = written.write_str(text);
    Cow::Owned(written.0)
}

fn is_odd(c: char) -> bool {
    let is_break = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() && c != '\t'
        || is_break
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes what is printable on.
struct Printable<W>(W);

impl<W: Write> Write for Printable<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, odd)) = rest.char_indices().find(|(_, c)| is_odd(*c)) {
            let (before, after) = rest.split_at(at);
            self.0.write_str(before)?;
            write!(self.0, "{}", odd.escape_default())?;
            rest = after.get(odd.len_utf8()..).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

/// Writes one field of an event: the message as it is, others by their name.
pub(super) fn write_field(
    writer: &mut Writer<'_>,
    field: &Field,
    value: &dyn Debug,
) -> fmt::Result {
    let has_colour = writer.has_ansi_escapes();
    match (field.name(), has_colour) {
        ("message", _) => (),
        (name, false) => write!(writer, "{name}=")?,
        (name, true) => write!(writer, "\u{1b}[2m{name}=\u{1b}[0m")?,
    }
    write!(Printable(writer), "{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_another_line() {
        for (text, expected) in [
            ("as it\tis, 🌍", "as it\tis, 🌍"),
            ("a\nb\r\u{1b}[2K", "a\\nb\\r\\u{1b}[2K"),
            ("\u{9b}31m \u{202e}x \u{2028}", "\\u{9b}31m \\u{202e}x \\u{2028}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
