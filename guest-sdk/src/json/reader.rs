//! The tokens of a JSON text.
//!
//! A reader stops where something is wrong, so an error need not carry its
//! place along: [`Reader::place`] adds line and column at the end.

use std::borrow::Cow;

use super::{Error, plain_count, push_number};

/// How deep arrays and objects may be nested, the outermost included.
const DEPTH_MAX: u8 = 127;

type Result<T> = std::result::Result<T, Error>;

/// Walks over a JSON text.
pub(super) struct Reader<'de> {
    /// All of what is UTF-8.
    text: &'de str,
    /// Whether that is less than what was given.
    cut: bool,
    at: usize,
    depth: u8,
}

/// A number as it stands in the text.
pub(super) struct Number<'de> {
    pub(super) text: &'de str,
    pub(super) negative: bool,
    /// Without the sign; none for a fraction, and beyond 64 bits.
    pub(super) whole: Option<u64>,
}

impl<'de> Reader<'de> {
    pub(super) fn new(json: &'de [u8]) -> Self {
        let (text, cut) = match str::from_utf8(json) {
            Ok(text) => (text, false),
            Err(error) => {
                let valid = json.get(..error.valid_up_to()).unwrap_or_default();
                (str::from_utf8(valid).unwrap_or_default(), true)
            }
        };
        Self { text, cut, at: 0, depth: 0 }
    }

    /// The byte that comes now; 0, which is nowhere right, at the end.
    pub(super) fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return byte,
            }
        }
    }

    /// Goes past a byte that is not white space, if it is this one.
    pub(super) fn eat(&mut self, wanted: u8) -> bool {
        let there = self.peek() == wanted;
        self.at += usize::from(there);
        there
    }

    /// As [`eat`](Self::eat), without skipping white space.
    pub(super) fn eat_now(&mut self, wanted: u8) -> bool {
        let there = self.byte() == wanted;
        self.at += usize::from(there);
        there
    }

    pub(super) fn end(&mut self) -> Result<()> {
        self.peek();
        if self.at == self.text.len() && !self.cut {
            return Ok(());
        }
        Err(Error::new("expected the end"))
    }

    /// Adds to an error where the reader stands.
    #[cold]
    #[inline(never)]
    pub(super) fn place(&self, error: Error) -> Error {
        let read = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let lines_before = read.iter().filter(|byte| **byte == b'\n').count();
        let columns_before = read.iter().rev().take_while(|byte| **byte != b'\n').count();
        let mut text = match (self.cut, self.at == self.text.len()) {
            (true, true) => b"what is not UTF-8".to_vec(),
            _ => error.into_text().into_owned().into_bytes(),
        };
        text.extend_from_slice(b" at line ");
        push_number(&mut text, lines_before as u64 + 1);
        text.extend_from_slice(b" column ");
        push_number(&mut text, columns_before as u64 + 1);
        Error::new(String::from_utf8(text).unwrap_or_default())
    }

    /// Goes into an array or object.
    pub(super) fn open(&mut self, bracket: u8, expected: &'static str) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(Error::new("nested too deeply"));
        }
        if !self.eat(bracket) {
            return Err(Error::new(expected));
        }
        self.depth += 1;
        Ok(())
    }

    /// Leaves an array or object, of which there must be nothing left.
    pub(super) fn close(&mut self, bracket: u8) -> Result<()> {
        if !self.eat(bracket) {
            // What is too much begins behind the comma.
            self.eat(b',');
            self.peek();
            return Err(Error::new("more than was expected"));
        }
        self.depth -= 1;
        Ok(())
    }

    /// Goes to the next element, if there is one before this bracket.
    pub(super) fn next(&mut self, first: &mut bool, bracket: u8) -> Result<bool> {
        if self.peek() == bracket {
            return Ok(false);
        }
        if std::mem::take(first) || self.eat(b',') {
            return Ok(true);
        }
        Err(Error::new("expected a comma or the end"))
    }

    /// Goes to the next name of an object, if there is one.
    pub(super) fn next_name(&mut self, first: &mut bool) -> Result<bool> {
        let there = self.next(first, b'}')?;
        if there && self.peek() != b'"' {
            return Err(Error::new("expected a name in quotes"));
        }
        Ok(there)
    }

    pub(super) fn colon(&mut self) -> Result<()> {
        if self.eat(b':') { Ok(()) } else { Err(Error::new("expected a colon")) }
    }

    pub(super) fn word(&mut self, word: &str, expected: &'static str) -> Result<()> {
        self.peek();
        if !self.rest().starts_with(word) {
            return Err(Error::new(expected));
        }
        self.at += word.len();
        Ok(())
    }

    pub(super) fn boolean(&mut self) -> Result<bool> {
        let value = self.peek() == b't';
        self.word(if value { "true" } else { "false" }, "expected `true` or `false`")?;
        Ok(value)
    }

    pub(super) fn null(&mut self) -> Result<()> {
        self.word("null", "expected `null`")
    }

    /// A string, borrowed unless it holds escapes.
    pub(super) fn string(&mut self) -> Result<Cow<'de, str>> {
        if !self.eat(b'"') {
            return Err(Error::new("expected a string"));
        }
        let mut decoded = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.get(..plain_count(rest.as_bytes())).unwrap_or_default();
            self.at += plain.len();
            if self.eat_now(b'"') {
                if decoded.is_empty() {
                    return Ok(Cow::Borrowed(plain));
                }
                decoded.push_str(plain);
                return Ok(Cow::Owned(decoded));
            }
            if !self.eat_now(b'\\') {
                return Err(Error::new("expected the end of the string"));
            }
            decoded.push_str(plain);
            decoded.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char> {
        let byte = self.byte();
        let plain = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(Error::new("no such escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// What follows `\u`: a character, or the first of two surrogates.
    fn unicode(&mut self) -> Result<char> {
        let mut code = self.unit()?;
        if let 0xd800..0xdc00 = code
            && self.eat_now(b'\\')
            && self.eat_now(b'u')
            && let low @ 0xdc00..0xe000 = self.unit()?
        {
            code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).ok_or_else(|| Error::new("half of a surrogate pair"))
    }

    fn unit(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()).to_digit(16);
            unit = unit * 16 + digit.ok_or_else(|| Error::new("expected a hexadecimal digit"))?;
            self.at += 1;
        }
        Ok(unit)
    }

    pub(super) fn number(&mut self) -> Result<Number<'de>> {
        self.peek();
        let rest = self.rest();
        let start = self.at;
        let negative = self.eat_now(b'-');
        let mut whole = Some(0);
        if !self.eat_now(b'0') {
            self.digits(&mut whole)?;
        }
        if self.eat_now(b'.') {
            self.digits(&mut whole)?;
            whole = None;
        }
        if self.eat_now(b'e') || self.eat_now(b'E') {
            let _sign = self.eat_now(b'+') || self.eat_now(b'-');
            self.digits(&mut whole)?;
            whole = None;
        }
        let text = rest.get(..self.at - start).unwrap_or_default();
        Ok(Number { text, negative, whole })
    }

    /// One digit or more, appended to the number as long as that fits.
    fn digits(&mut self, number: &mut Option<u64>) -> Result<()> {
        const TENTH: u64 = u64::MAX / 10;
        let start = self.at;
        while let digit @ b'0'..=b'9' = self.byte() {
            let digit = u64::from(digit - b'0');
            *number = match *number {
                Some(before @ 0..TENTH) => Some(before * 10 + digit),
                Some(TENTH) if digit <= u64::MAX % 10 => Some(TENTH * 10 + digit),
                _ => None,
            };
            self.at += 1;
        }
        if self.at == start { Err(Error::new("expected a number")) } else { Ok(()) }
    }

    /// Goes past a value of any kind.
    pub(super) fn skip(&mut self) -> Result<()> {
        let mut first = true;
        match self.peek() {
            b'n' => self.null(),
            b't' | b'f' => self.boolean().map(drop),
            b'"' => self.string().map(drop),
            b'[' => {
                self.open(b'[', "")?;
                while self.next(&mut first, b']')? {
                    self.skip()?;
                }
                self.close(b']')
            }
            b'{' => {
                self.open(b'{', "")?;
                while self.next_name(&mut first)? {
                    self.string()?;
                    self.colon()?;
                    self.skip()?;
                }
                self.close(b'}')
            }
            _ => self.number().map(drop),
        }
    }

    fn rest(&self) -> &'de str {
        self.text.get(self.at..).unwrap_or_default()
    }
}
