//! Values written as text: path parameters, query pairs, forms and baggage.

mod baggage;
mod de;
mod form;
mod ser;
mod whole;

use std::fmt;

use serde::de::Expected;

pub(crate) use baggage::{read_baggage, write_baggage};
pub(crate) use de::{read_pairs, read_params};
pub(crate) use form::{decode, encode};
pub(crate) use ser::{write_pairs, write_params};

/// Why texts do not make a value, or a value no texts.
#[derive(Debug)]
pub(crate) struct Error {
    /// Of the parameter it is about.
    pub(crate) name: Option<String>,
    pub(crate) reason: String,
}

impl Error {
    fn new(reason: impl Into<String>) -> Self {
        Self { name: None, reason: reason.into() }
    }

    fn of(mut self, name: &str) -> Self {
        self.name.get_or_insert_with(|| name.to_owned());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }

    // The provided one takes the whole of formatting along.
    #[cold]
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let (length, expected) = (length.to_string(), expected.to_string());
        Self::new(["invalid length ", &length, ", expected ", &expected].concat())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is missing").of(field)
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }
}
