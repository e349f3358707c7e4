//! Writes values as pairs of texts.

use serde::{
    Serialize, Serializer,
    ser::{Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple},
};

use super::Error;
use crate::head::Pairs;

/// Writes a struct, a map or a list of two-tuples as pairs. A list among the
/// values repeats its name, `None` leaves it out.
pub(crate) fn write_pairs<T: Serialize + ?Sized>(value: &T) -> Result<Pairs, Error> {
    let mut pairs = Pairs::new();
    value.serialize(Whole { pairs: &mut pairs, key: String::new() })?;
    Ok(pairs)
}

/// Writes a value as path parameters: a struct or a map by the names in the
/// pattern, anything else by position.
pub(crate) fn write_params<T: Serialize>(names: &[&str], value: &T) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    let by_position = Values { each: &mut |text| texts.push(text.to_owned()) };
    if value.serialize(by_position).is_ok() {
        return Ok(texts);
    }
    let pairs = write_pairs(value)?;
    let by_name = |name: &&str| {
        let (_, value) = pairs
            .iter()
            .find(|(known, _)| known == name)
            .ok_or_else(|| Error::new("is missing").of(name))?;
        Ok(String::from_utf8_lossy(value).into_owned())
    };
    names.iter().map(by_name).collect()
}

fn no_pairs<T>() -> Result<T, Error> {
    Err(Error::new("only structs, maps and lists of pairs can be a query or form"))
}

fn no_text<T>() -> Result<T, Error> {
    Err(Error::new("a query or form holds texts, numbers, booleans and lists of them"))
}

macro_rules! refuse {
    ($refusal:ident: $($method:ident($($type:ty),*);)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<Self::Ok, Error> {
            $refusal()
        }
    )*};
}

macro_rules! refuse_compound {
    ($refusal:ident: $($method:ident($($type:ty),*) $result:ident;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<Self::$result, Error> {
            $refusal()
        }
    )*};
}

/// What becomes the pairs.
struct Whole<'a> {
    pairs: &'a mut Pairs,
    key: String,
}

impl<'a> Serializer for Whole<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Error>;

    refuse! { no_pairs:
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    refuse_compound! { no_pairs:
        serialize_tuple_struct(&'static str, usize) SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) SerializeTupleVariant;
        serialize_struct_variant(&'static str, u32, &'static str, usize) SerializeStructVariant;
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
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
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        no_pairs()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }
}

impl SerializeStruct for Whole<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value
            .serialize(Values { each: &mut |text| self.pairs.push(name, text.as_bytes()) })
            .map_err(|error| error.of(name))
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

impl SerializeMap for Whole<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key.clear();
        key.serialize(Values { each: &mut |text| self.key.push_str(text) })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Values { each: &mut |text| self.pairs.push(&self.key, text.as_bytes()) })
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// A list of two-tuples, each written as one pair.
impl SerializeSeq for Whole<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, pair: &T) -> Result<(), Error> {
        let mut texts = Vec::new();
        pair.serialize(Values { each: &mut |text| texts.push(text.to_owned()) })?;
        let [name, value] = texts.as_slice() else { return no_pairs() };
        self.pairs.push(name, value.as_bytes());
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// An array of them.
impl SerializeTuple for Whole<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, pair: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, pair)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// The texts of one value.
struct Values<'a> {
    each: &'a mut dyn FnMut(&str),
}

macro_rules! written {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            (self.each)(&value.to_string());
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Values<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    written! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_char char;
    }

    refuse! { no_text:
        serialize_bytes(&[u8]);
    }

    refuse_compound! { no_text:
        serialize_tuple_struct(&'static str, usize) SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) SerializeTupleVariant;
        serialize_map(Option<usize>) SerializeMap;
        serialize_struct(&'static str, usize) SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) SerializeStructVariant;
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        (self.each)(text);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
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
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        no_text()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }
}

impl SerializeSeq for Values<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Values { each: &mut *self.each })
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

impl SerializeTuple for Values<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Page {
        size: u8,
        after: Option<&'static str>,
        tags: Vec<&'static str>,
        up: bool,
    }

    #[track_caller]
    fn check<T: Serialize + ?Sized>(value: &T, expected: &str) {
        let pairs = write_pairs(value).unwrap();
        assert_eq!(super::super::encode(pairs.iter()), expected);
    }

    #[test]
    fn structs_maps_and_lists_become_pairs() {
        let page = Page { size: 10, after: None, tags: vec!["a", "b"], up: true };
        check(&page, "size=10&tags=a&tags=b&up=true");
        check(&Some(BTreeMap::from([("k", 1.5)])), "k=1.5");
        check(&[("a", "1"), ("a", "2")][..], "a=1&a=2");
        check(&(), "");
    }

    #[test]
    fn path_parameters_are_written_as_they_are_read() {
        #[derive(Serialize)]
        struct Pair {
            b: u8,
            a: char,
        }
        let names = ["a", "b"];
        assert_eq!(write_params(&names, &(40, "é")).unwrap(), ["40", "é"]);
        assert_eq!(write_params(&names, &7).unwrap(), ["7"]);
        assert_eq!(write_params(&names, &Pair { b: 1, a: 'x' }).unwrap(), ["x", "1"]);
        let error = write_params(&["c"], &Pair { b: 1, a: 'x' }).unwrap_err();
        assert_eq!((error.name.as_deref(), &*error.reason), (Some("c"), "is missing"));
    }

    #[test]
    fn what_has_no_names_is_refused() {
        assert!(write_pairs(&7).is_err());
        assert!(write_pairs(&["a"][..]).is_err());
        let nested = BTreeMap::from([("k", BTreeMap::from([("n", 1)]))]);
        assert!(write_pairs(&nested).is_err());
    }
}
