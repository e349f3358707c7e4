//! Whole numbers as programs write them in JSON, where `8.0` is one, too.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A number from 0 on, below 2^64.
pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_u64(Whole)
}

/// The same, where there may be none.
pub(crate) fn whole_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct One(#[serde(deserialize_with = "whole")] u64);
    Ok(Option::<One>::deserialize(from)?.map(|One(number)| number))
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 on")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        // 2^64, the first that is too large.
        const END: f64 = 18_446_744_073_709_551_616.0;
        let is_whole = number.fract() == 0.0 && (0.0..END).contains(&number);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and within the range"
        )]
        let whole = is_whole.then_some(number as u64);
        whole.ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Option<u64> {
        whole(value).ok()
    }

    #[test]
    fn whole_numbers_are_taken_however_they_are_written() {
        for (value, number) in [(json!(0), 0), (json!(88), 88), (json!(88.0), 88)] {
            assert_eq!(read(value), Some(number));
        }
        assert_eq!(read(json!(u64::MAX)), Some(u64::MAX));
        for value in [json!(-1), json!(-1.0), json!(1.5), json!(1.9e19), json!("8"), json!(null)] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
        assert_eq!(whole_or_none(json!(null)).unwrap(), None);
        assert_eq!(whole_or_none(json!(7.0)).unwrap(), Some(7));
    }
}
