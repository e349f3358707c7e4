//! Reads values from texts.

mod scalar;

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::StrDeserializer,
    },
};

use self::scalar::{Scalar, Values};
use super::Error;

/// Reads a value from the captured segments of a path: structs and maps by the
/// names in the pattern, everything else by position.
pub(crate) fn read_params<'a, T: DeserializeOwned>(
    names: &'a [&'a str],
    values: impl Iterator<Item = &'a [u8]>,
) -> Result<T, Error> {
    let mut entries = values.enumerate().map(|(index, value)| {
        let name = names.get(index).copied().unwrap_or_default();
        (name, Values::One(value))
    });
    T::deserialize(Entries { entries: &mut entries, name: "", value: None })
}

/// Reads a value from pairs. Values of a name that repeats make a sequence.
pub(crate) fn read_pairs<T: DeserializeOwned>(
    pairs: &[(Cow<'_, str>, Cow<'_, str>)],
) -> Result<T, Error> {
    let mut entries = pairs.iter().enumerate().filter_map(|(index, (name, _))| {
        let seen = pairs.iter().take(index).any(|(earlier, _)| earlier == name);
        (!seen).then_some((&**name, Values::Named { name, pairs }))
    });
    T::deserialize(Entries { entries: &mut entries, name: "", value: None })
}

/// All names with their values, read as a whole.
///
/// Wherever they come from, so that a type is read by one piece of code.
struct Entries<'a, 'i> {
    entries: &'i mut dyn Iterator<Item = (&'a str, Values<'a>)>,
    /// Of the entry read last.
    name: &'a str,
    value: Option<Values<'a>>,
}

impl<'a> Entries<'a, '_> {
    fn first<T>(self, read: impl FnOnce(Scalar<'a>) -> Result<T, Error>) -> Result<T, Error> {
        let (name, values) = self.entries.next().ok_or_else(|| Error::new("there are none"))?;
        read(Scalar(values)).map_err(|error| error.of(name))
    }
}

macro_rules! first_entry {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
            self.first(|scalar| scalar.$method(visitor))
        }
    )*};
}

impl<'a> Deserializer<'a> for Entries<'a, '_> {
    type Error = Error;

    first_entry! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.first(|scalar| scalar.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

impl<'a> MapAccess<'a> for Entries<'a, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, values)) = self.entries.next() else { return Ok(None) };
        (self.name, self.value) = (name, Some(values));
        let key: StrDeserializer<'_, Error> = self.name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let values = self.value.take().ok_or_else(|| Error::new("a value without a name"))?;
        seed.deserialize(Scalar(values)).map_err(|error| error.of(self.name))
    }
}

impl<'a> SeqAccess<'a> for Entries<'a, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((name, values)) = self.entries.next() else { return Ok(None) };
        seed.deserialize(Scalar(values)).map(Some).map_err(|error| error.of(name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Up,
        Down,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id(u32);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wanted {
        b: f64,
        a: Id,
        order: Option<Order>,
        #[serde(default)]
        tags: Vec<String>,
    }

    fn params<T: DeserializeOwned>(values: &[&str]) -> Result<T, String> {
        read_params(&["a", "b"], values.iter().map(|value| value.as_bytes())).map_err(told)
    }

    fn pairs<T: DeserializeOwned>(query: &str) -> Result<T, String> {
        read_pairs(&super::super::decode(query)).map_err(told)
    }

    fn told(error: Error) -> String {
        format!("{}: {}", error.name.unwrap_or_default(), error.reason)
    }

    #[test]
    fn path_parameters_become_tuples_structs_and_single_values() {
        assert_eq!(params(&["1", "-2"]), Ok((1u8, -2i64)));
        assert_eq!(params(&["7"]), Ok(7u64));
        assert_eq!(params(&["é"]), Ok('é'));
        assert_eq!(params(&["7"]), Ok(Id(7)));
        assert_eq!(params(&["up"]), Ok(Order::Up));
        assert_eq!(params(&["x", "y"]), Ok(vec![String::from("x"), "y".into()]));
        assert_eq!(params(&[]), Ok(()));
        let wanted = Wanted { a: Id(1), b: 2.5, order: None, tags: vec![] };
        assert_eq!(params(&["1", "2.5"]), Ok(wanted));
    }

    #[test]
    fn a_bad_path_parameter_is_named() {
        let whole = "a whole number of 64 bits";
        assert_eq!(params::<(i64, i64)>(&["1", "x"]), Err(format!("b: `x` is not {whole}")));
        assert_eq!(params::<i64>(&[""]), Err(format!("a: `` is not {whole}")));
        let order = "a: unknown variant `sideways`, expected `up` or `down`";
        assert_eq!(params::<Order>(&["sideways"]), Err(order.into()));
    }

    #[test]
    fn a_query_becomes_a_struct_and_repeated_names_a_list() {
        let wanted = Wanted {
            a: Id(3),
            b: 0.5,
            order: Some(Order::Down),
            tags: vec!["x y".into(), "&".into()],
        };
        assert_eq!(pairs("tags=x+y&a=3&b=0.5&tags=%26&order=down&unknown=1"), Ok(wanted));
        let map: BTreeMap<String, String> = pairs("b=2&a=1").unwrap();
        assert_eq!(
            map.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]
        );
    }

    #[test]
    fn a_bad_query_parameter_is_named() {
        assert_eq!(pairs::<Wanted>("a=1"), Err("b: is missing".into()));
        assert_eq!(pairs::<Wanted>("b=1&a=1&a=2"), Err("a: is given more than once".into()));
        assert_eq!(pairs::<Wanted>("b=x"), Err("b: `x` is not a number".into()));
    }
}
