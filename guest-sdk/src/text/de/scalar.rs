//! Reads one value from the text of one name.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IntoDeserializer, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::super::{Error, whole};

/// The values of one name.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    One(&'a [u8]),
    Named { name: &'a str, pairs: &'a [(Cow<'a, str>, Cow<'a, str>)] },
}

impl<'a> Values<'a> {
    fn all(self) -> impl Iterator<Item = &'a str> {
        let (one, pairs, name) = match self {
            Self::One(value) => (Some(text(value)), &[][..], ""),
            Self::Named { name, pairs } => (None, pairs, name),
        };
        one.into_iter()
            .chain(pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| &**value))
    }

    fn only_text(self) -> Result<&'a str, Error> {
        self.only().map(text)
    }

    fn only(self) -> Result<&'a [u8], Error> {
        if let Self::One(value) = self {
            return Ok(value);
        }
        let mut all = self.all();
        match (all.next(), all.next()) {
            (Some(value), None) => Ok(value.as_bytes()),
            (None, _) => Err(Error::new("is missing")),
            (Some(_), Some(_)) => Err(Error::new("is given more than once")),
        }
    }
}

/// The text of one name, read as one value.
pub(super) struct Scalar<'a>(pub(super) Values<'a>);

macro_rules! whole {
    ($($method:ident $visit:ident $sign:ident $type:ty, $what:literal;)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
            let digits = self.0.only()?;
            match whole::$sign(digits).and_then(|value| <$type>::try_from(value).ok()) {
                Some(value) => visitor.$visit(value),
                None => Err(is_not(text(digits), $what)),
            }
        }
    )*};
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty, $what:literal;)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
            let text = self.0.only_text()?;
            match text.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(is_not(text, $what)),
            }
        }
    )*};
}

macro_rules! verbatim {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_str(self.0.only_text()?)
        }
    )*};
}

impl<'a> Deserializer<'a> for Scalar<'a> {
    type Error = Error;

    whole! {
        deserialize_i8 visit_i8 signed i8, "a whole number from -128 to 127";
        deserialize_i16 visit_i16 signed i16, "a whole number from -32768 to 32767";
        deserialize_i32 visit_i32 signed i32, "a whole number of 32 bits";
        deserialize_i64 visit_i64 signed i64, "a whole number of 64 bits";
        deserialize_u8 visit_u8 unsigned u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 unsigned u16, "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 unsigned u32, "a whole number of 32 bits, not negative";
        deserialize_u64 visit_u64 unsigned u64, "a whole number of 64 bits, not negative";
    }

    parsed! {
        deserialize_bool visit_bool bool, "`true` or `false`";
        deserialize_i128 visit_i128 i128, "a whole number of 128 bits";
        deserialize_u128 visit_u128 u128, "a whole number of 128 bits, not negative";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
        deserialize_char visit_char char, "a single character";
    }

    verbatim! { deserialize_any deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(self.0.only()?)
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Sequence(self.0.all()))
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.only_text()?.into_deserializer())
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { <V: Visitor<'a>> map struct tuple_struct unit unit_struct }
}

struct Sequence<I>(I);

impl<'a, I: Iterator<Item = &'a str>> SeqAccess<'a> for Sequence<I> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0
            .next()
            .map(|value| seed.deserialize(Scalar(Values::One(value.as_bytes()))))
            .transpose()
    }
}

/// What the host passes as text is UTF-8.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

#[cold]
fn is_not(text: &str, what: &str) -> Error {
    let shown = text.get(..text.floor_char_boundary(64)).unwrap_or_default();
    Error::new(["`", shown, "` is not ", what].concat())
}
