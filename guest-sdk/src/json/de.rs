//! Reads values from JSON: what a type asks for, and only that.

use std::borrow::Cow;

use serde::{Deserializer, de::Visitor, forward_to_deserialize_any};

use super::{
    Error,
    access::{Elements, Fields, Unit, Variant},
    reader::{Number, Reader},
};

impl<'de> Number<'de> {
    fn visit_whole<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.whole {
            Some(whole) if !self.negative => visitor.visit_u64(whole),
            Some(whole) => match 0i64.checked_sub_unsigned(whole) {
                Some(number) => visitor.visit_i64(number),
                None => Err(Error::new(WHOLE)),
            },
            None => Err(Error::new(WHOLE)),
        }
    }

    fn visit_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.whole {
            // There is no whole -0.
            Some(1..0x8000_0000_0000_0001) => self.visit_whole(visitor),
            Some(_) if !self.negative => self.visit_whole(visitor),
            _ => match self.text.parse::<f64>() {
                Ok(number) if number.is_finite() => visitor.visit_f64(number),
                _ => Err(Error::new("a number out of range")),
            },
        }
    }
}

const WHOLE: &str = "expected a whole number of at most 64 bits";

macro_rules! whole {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.number()?.visit_whole(visitor)
        }
    )*};
}

macro_rules! wide {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.number()?.text.parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(Error::new("expected a whole number of at most 128 bits")),
            }
        }
    )*};
}

macro_rules! same {
    ($($method:ident($($type:ty),*) = $other:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $(_: $type,)*
            visitor: V,
        ) -> Result<V::Value, Error> {
            self.$other(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    whole! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    wide! {
        deserialize_i128 visit_i128 i128;
        deserialize_u128 visit_u128 u128;
    }

    same! {
        deserialize_f32() = deserialize_f64;
        deserialize_char() = deserialize_str;
        deserialize_string() = deserialize_str;
        deserialize_identifier() = deserialize_str;
        deserialize_byte_buf() = deserialize_bytes;
        deserialize_unit_struct(&'static str) = deserialize_unit;
        deserialize_tuple(usize) = deserialize_seq;
        deserialize_tuple_struct(&'static str, usize) = deserialize_seq;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            b'n' => self.deserialize_unit(visitor),
            b't' | b'f' => self.deserialize_bool(visitor),
            b'"' => self.deserialize_str(visitor),
            b'[' => self.deserialize_seq(visitor),
            b'{' => self.deserialize_map(visitor),
            _ => self.deserialize_f64(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number()?.visit_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek() == b'[' {
            return self.deserialize_seq(visitor);
        }
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Cow::Owned(text) => visitor.visit_byte_buf(text.into_bytes()),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.null()?;
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek() == b'n' {
            self.null()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.open(b'[', "expected an array")?;
        let value = visitor.visit_seq(Elements::of(self))?;
        self.close(b']')?;
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.open(b'{', "expected an object")?;
        let value = visitor.visit_map(Fields::of(self))?;
        self.close(b'}')?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.peek() {
            b'[' => self.deserialize_seq(visitor),
            _ => self.deserialize_map(visitor),
        }
    }

    /// A string is a variant without data, an object of one field any variant.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.peek() == b'"' {
            return visitor.visit_enum(Unit(self));
        }
        self.open(b'{', "expected a string or an object")?;
        let value = visitor.visit_enum(Variant(self))?;
        self.close(b'}')?;
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// The name of a field, which may stand for a number or a boolean.
pub(super) struct Name<'a, 'de>(pub(super) &'a mut Reader<'de>);

impl<'de> Name<'_, 'de> {
    fn unquoted<T>(
        self,
        read: impl FnOnce(&mut Reader<'de>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let there = self.0.eat(b'"') && !self.0.byte().is_ascii_whitespace();
        let value = if there { read(self.0)? } else { return Err(Error::new(NO_KEY)) };
        if self.0.eat_now(b'"') { Ok(value) } else { Err(Error::new(NO_KEY)) }
    }
}

const NO_KEY: &str = "expected a number or boolean in quotes";

macro_rules! unquoted {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.unquoted(|reader| reader.$method(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for Name<'_, 'de> {
    type Error = Error;

    unquoted! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Unit(self.0))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_bytes(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_bytes(visitor)
    }

    forward_to_deserialize_any! {
        <V: Visitor<'de>>
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
