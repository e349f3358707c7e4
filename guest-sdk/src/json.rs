//! JSON (RFC 8259), in no more code than the types in use ask for.
//!
//! Behind serde's traits and to the byte as `serde_json` writes it. What a
//! module does not use, above all floating point numbers, is not linked into
//! it: a type that wants a whole number never reaches code for another one.

mod access;
mod de;
mod reader;
mod ser;

use std::{borrow::Cow, fmt};

use serde::{
    Serialize,
    de::{DeserializeOwned, Expected, Unexpected},
};

use self::reader::Reader;

/// Reads a value; nothing but white space may follow it.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let mut reader = Reader::new(json);
    match T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => Err(reader.place(error)),
    }
}

/// Writes a value, without white space.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut json = Vec::with_capacity(128);
    value.serialize(ser::Writer::new(&mut json))?;
    Ok(json)
}

/// Why a text does not make a value, with line and column, or a value no text.
///
/// One pointer wide, since it passes through every function that reads.
#[derive(Debug)]
pub(crate) struct Error(Box<Cow<'static, str>>);

impl Error {
    #[cold]
    fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(text.into()))
    }

    pub(crate) fn into_text(self) -> Cow<'static, str> {
        *self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text.to_string())
    }

    // The provided ones show the value, and with it numbers of every kind.
    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = kind(&found);
        Self::new(["invalid type: ", found, ", expected ", &expected.to_string()].concat())
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = kind(&found);
        Self::new(["invalid value: ", found, ", expected ", &expected.to_string()].concat())
    }

    #[cold]
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let (length, expected) = (length.to_string(), expected.to_string());
        Self::new(["invalid length ", &length, ", expected ", &expected].concat())
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self::new(["missing field `", field, "`"].concat())
    }

    #[cold]
    fn duplicate_field(field: &'static str) -> Self {
        Self::new(["duplicate field `", field, "`"].concat())
    }
}

impl serde::ser::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text.to_string())
    }
}

fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        Unexpected::Unit | Unexpected::Option => "null",
        _ => "something else",
    }
}

/// How many bytes at the start stand in a JSON string as they are.
fn plain_count(bytes: &[u8]) -> usize {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut count = 0;
    for chunk in chunks {
        let plain = plain_in_word(u64::from_le_bytes(*chunk));
        count += plain;
        if plain < 8 {
            return count;
        }
    }
    count + plain_in_word(last_word(rest)).min(rest.len())
}

/// How many of eight bytes, from the lowest on, stand in a string as they are.
///
/// In a word without the byte sought, taking one from each byte sets no top
/// bit that was not set before. A borrow may mark a byte behind the first one
/// wrongly, never the first.
fn plain_in_word(word: u64) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let quote = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
    let special = (below(word, 0x20) | quote | backslash) & TOPS;
    special.trailing_zeros() as usize / 8
}

/// Up to seven bytes as a word, with zeros behind them.
///
/// Read in two or three pieces that overlap, instead of one by one.
fn last_word(bytes: &[u8]) -> u64 {
    let shift = |index: usize| 8 * (index as u32 & 7);
    if let (Some(low), Some(high)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let high = u64::from(u32::from_le_bytes(*high)) << shift(bytes.len() - 4);
        return u64::from(u32::from_le_bytes(*low)) | high;
    }
    let middle = bytes.len() / 2;
    match (bytes.first(), bytes.get(middle), bytes.last()) {
        (Some(low), Some(between), Some(high)) => {
            u64::from(*low)
                | u64::from(*between) << shift(middle)
                | u64::from(*high) << shift(bytes.len() - 1)
        }
        _ => 0,
    }
}

fn push_number(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut unused = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
        unused -= 1;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(unused..).unwrap_or_default());
}

#[cfg(test)]
mod tests;
