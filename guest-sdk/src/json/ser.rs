//! Writes values as JSON, to the byte as `serde_json` does.

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{Error, last_word, plain_count, plain_in_word, push_number};

/// Writes one value.
pub(super) struct Writer<'a> {
    json: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(json: &'a mut Vec<u8>) -> Self {
        Self { json }
    }

    fn push(self, text: &str) {
        self.json.extend_from_slice(text.as_bytes());
    }

    /// Begins an array or object that ends in these brackets.
    fn open(self, bracket: u8, end: &'static str) -> Open<'a> {
        self.json.push(bracket);
        Open { json: self.json, first: true, end }
    }

    /// Begins the object around a variant with data.
    fn variant(self, name: &str) -> Self {
        self.json.push(b'{');
        push_string(self.json, name);
        self.json.push(b':');
        self
    }
}

/// Copies word by word, which costs less than finding out how much to copy.
fn push_string(json: &mut Vec<u8>, text: &str) {
    json.push(b'"');
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for word in words {
        json.extend_from_slice(word);
        if plain_in_word(u64::from_le_bytes(*word)) < 8 {
            json.truncate(json.len() - 8);
            push_escaped(json, word);
        }
    }
    let word = last_word(rest);
    if plain_in_word(word) < rest.len() {
        push_escaped(json, rest);
        json.push(b'"');
    } else {
        let quote = u64::from(b'"') << (8 * rest.len());
        let end = json.len() + rest.len() + 1;
        json.extend_from_slice(&(word | quote).to_le_bytes());
        json.truncate(end);
    }
}

#[cold]
fn push_escaped(json: &mut Vec<u8>, mut rest: &[u8]) {
    loop {
        let (plain, special) = rest.split_at_checked(plain_count(rest)).unwrap_or_default();
        json.extend_from_slice(plain);
        let Some((special, after)) = special.split_first() else { return };
        push_escape(json, *special);
        rest = after;
    }
}

fn push_escape(json: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let low = byte & 0xf;
            let low = if low < 10 { b'0' + low } else { b'a' + low - 10 };
            json.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
            return;
        }
    };
    json.extend_from_slice(&[b'\\', short]);
}

macro_rules! whole {
    ($($method:ident $type:ty, $sign:ident;)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            whole!(@$sign self, value);
            Ok(())
        }
    )*};
    (@unsigned $self:ident, $value:ident) => {
        push_number($self.json, u64::from($value))
    };
    (@signed $self:ident, $value:ident) => {{
        if $value < 0 {
            $self.json.push(b'-');
        }
        push_number($self.json, i64::from($value).unsigned_abs())
    }};
}

// What floating point numbers look like is left to `serde_json`.
macro_rules! by_serde_json {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            let mut serializer = serde_json::Serializer::new(self.json);
            serializer.$method(value).map_err(|_| Error::new("a number that cannot be written"))
        }
    )*};
}

macro_rules! constant {
    ($($method:ident($($type:ty)?) = $text:literal;)*) => {$(
        fn $method(self $(, _: $type)?) -> Result<(), Error> {
            self.push($text);
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Open<'a>;
    type SerializeTuple = Open<'a>;
    type SerializeTupleStruct = Open<'a>;
    type SerializeTupleVariant = Open<'a>;
    type SerializeMap = Open<'a>;
    type SerializeStruct = Open<'a>;
    type SerializeStructVariant = Open<'a>;

    whole! {
        serialize_i8 i8, signed;
        serialize_i16 i16, signed;
        serialize_i32 i32, signed;
        serialize_i64 i64, signed;
        serialize_u8 u8, unsigned;
        serialize_u16 u16, unsigned;
        serialize_u32 u32, unsigned;
        serialize_u64 u64, unsigned;
    }

    by_serde_json! {
        serialize_i128 i128;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
    }

    constant! {
        serialize_none() = "null";
        serialize_unit() = "null";
        serialize_unit_struct(&'static str) = "null";
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.push(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        push_string(self.json, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.collect_seq(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let around = self.variant(variant);
        value.serialize(Writer::new(around.json))?;
        around.push("}");
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'a>, Error> {
        Ok(self.variant(variant).open(b'[', "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'a>, Error> {
        Ok(self.open(b'{', "}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Open<'a>, Error> {
        // These tell `serde_json` alone to write a text as it stands.
        if name.starts_with("$serde_json::private::") {
            return Err(Error::new("raw JSON cannot be written"));
        }
        Ok(self.open(b'{', "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'a>, Error> {
        Ok(self.variant(variant).open(b'{', "}}"))
    }
}

/// An array or object being written.
pub(super) struct Open<'a> {
    json: &'a mut Vec<u8>,
    first: bool,
    end: &'static str,
}

impl Open<'_> {
    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.json.push(b',');
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma();
        value.serialize(Writer::new(self.json))
    }

    /// Where the name is known, so is whether it has anything to escape.
    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        if plain_count(name.as_bytes()) == name.len() {
            let before: &[u8] = if std::mem::take(&mut self.first) { b"\"" } else { b",\"" };
            self.json.extend_from_slice(before);
            self.json.extend_from_slice(name.as_bytes());
            self.json.extend_from_slice(b"\":");
        } else {
            self.comma();
            push_string(self.json, name);
            self.json.push(b':');
        }
        value.serialize(Writer::new(self.json))
    }

    fn close(self) {
        self.json.extend_from_slice(self.end.as_bytes());
    }
}

/// Puts quotes around a key written as a value from here on, if it may have
/// them: strings have their own, numbers and booleans may, all else is no key.
fn quote(json: &mut Vec<u8>, start: usize) -> Result<(), Error> {
    match json.get(start) {
        Some(b'"') => Ok(()),
        Some(b'-' | b'0'..=b'9' | b't' | b'f') => {
            json.insert(start, b'"');
            json.push(b'"');
            Ok(())
        }
        _ => Err(Error::new("key must be a string")),
    }
}

macro_rules! elements {
    ($($interface:ident $method:ident;)*) => {$(
        impl $interface for Open<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! fields {
    ($($interface:ident)*) => {$(
        impl $interface for Open<'_> {
            type Ok = ();
            type Error = Error;

            #[inline(always)]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma();
        let start = self.json.len();
        key.serialize(Writer::new(self.json))?;
        quote(self.json, start)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.json.push(b':');
        value.serialize(Writer::new(self.json))
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}
