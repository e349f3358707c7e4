//! One definition of a service's methods, for who calls and for who answers.
//!
//! [`#[contract]`](crate::contract) makes a client of a trait, and
//! `#[service(contract = …)]` checks a service against it.
//!
//! ```
//! use picolet_sdk::{prelude::*, testing};
//!
//! #[derive(Serialize, Deserialize)]
//! pub struct Sum { result: i64 }
//!
//! /// Adds numbers.
//! #[contract]
//! pub trait Calc {
//!     /// Adds two path parameters.
//!     #[get("/add/{a}/{b}")]
//!     async fn add1(path: Path<(i64, i64)>) -> Json<Sum>;
//! }
//!
//! #[service(name = "calc", version = "1.0.0", root = "/api", contract = Calc)]
//! mod calc {
//!     #[get("/add/{a}/{b}")]
//!     async fn add1(Path((a, b)): Path<(i64, i64)>) -> Result<Json<Sum>, Fault> {
//!         let result = a.checked_add(b).ok_or_else(|| Fault::unprocessable("too large"))?;
//!         Ok(Json(Sum { result }))
//!     }
//! }
//!
//! # fn main() {
//! # testing::answer("calc", "add1", |_| Json(Sum { result: 42 }));
//! # testing::block_on(async {
//! let calc = CalcClient::new(client("calc").retry(1));
//! let sum = calc.add1((40, 2)).await?;
//! assert_eq!(sum.result, 42);
//! # Ok::<(), Fault>(()) }).unwrap() }
//! ```

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Body, Bytes, Call, ClientResponse, Fault, Form, Html, Json, Path, Query, Response,
    ResponsePart, Sse, StatusCode, Text, text,
};

/// What a method of a contract may take.
///
/// | in the contract and in the service | the client takes |
/// |---|---|
/// | `Path<T>`, `Query<T>`, `Json<T>`, `Form<T>`, `MsgPack<T>`, `Protobuf<T>` | `T` |
/// | `Text`, `Html<String>` | `String` |
/// | `Bytes` | `Vec<u8>` |
/// | `Body` | [`Body`] |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument in a contract",
    label = "no caller can give this",
    note = "what is inside of `Path`, `Query`, `Json` and `Form` must implement `serde::Serialize`"
)]
pub trait Argument {
    /// What the caller gives.
    type Value;

    /// Puts it into a call of a method with these path parameters.
    fn put(value: Self::Value, params: &[&str], call: Call) -> Call;
}

/// What a method of a contract may answer. What an answer is made of does not
/// matter to its caller: `Result<Json<T>, Fault>` and `(StatusCode, Json<T>)`
/// tell as much as `Json<T>`.
///
/// | in the contract or the service | tells | the client gives |
/// |---|---|---|
/// | `Json<T>`, `Form<T>`, `MsgPack<T>`, `Protobuf<T>` | the same | `T` |
/// | `Text`, `String`, `&'static str` | `Text` | `String` |
/// | `Html<T>` | `Html<String>` | `String` |
/// | `Bytes`, `Vec<u8>` | `Bytes` | `Vec<u8>` |
/// | `Body`, `Sse` | `Body` | [`Body`], as it arrives |
/// | `()` | `()` | `()` |
/// | `StatusCode` | the same | [`StatusCode`], of any answer |
/// | `Response`, `ClientResponse` | `ClientResponse` | [`ClientResponse`], of any status |
/// | `Option<A>` | what `A` tells, or nothing | `Option`, none for the fault `not-found` |
/// | `Result<A, E>`, `(part, A)` | what `A` tells | that |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an answer in a contract",
    label = "no caller can read this",
    note = "what is inside of `Json` and `Form` must implement `serde::Deserialize` and own its data"
)]
pub trait Answer {
    /// What it tells its caller.
    type Told: Told;
}

/// What an answer tells its caller.
pub trait Told {
    /// What the client gives.
    type Value;

    /// Reads it from the outcome of a call.
    fn read(
        outcome: Result<ClientResponse, Fault>,
    ) -> impl Future<Output = Result<Self::Value, Fault>>;
}

/// What the client takes for an argument of this type.
pub type Given<A> = <A as Argument>::Value;

/// What the client gives for an answer of this type.
pub type Got<A> = <<A as Answer>::Told as Told>::Value;

/// Stands for an answer of this type in a contract and in the services that
/// keep it.
pub type Answered<A> = Answers<<A as Answer>::Told>;

/// Stands for an answer that tells `T`.
#[derive(Debug)]
pub struct Answers<T>(PhantomData<fn() -> T>);

impl<T> Answers<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

macro_rules! arguments {
    ($($type:ident $call:ident;)*) => {$(
        impl<T: Serialize> Argument for $type<T> {
            type Value = T;

            fn put(value: T, _: &[&str], call: Call) -> Call {
                call.$call(&value)
            }
        }
    )*};
}

arguments! {
    Query query;
    Json data;
    Form form;
}

macro_rules! typed_arguments {
    ($($type:ty, $value:ty, $content_type:literal;)*) => {$(
        impl Argument for $type {
            type Value = $value;

            fn put(value: $value, _: &[&str], call: Call) -> Call {
                call.typed($content_type, value)
            }
        }
    )*};
}

typed_arguments! {
    Text, String, "text/plain; charset=utf-8";
    Html<String>, String, "text/html; charset=utf-8";
    Bytes, Vec<u8>, "application/octet-stream";
}

impl Argument for Body {
    type Value = Self;

    fn put(value: Self, _: &[&str], call: Call) -> Call {
        call.body(value)
    }
}

impl<T: Serialize> Argument for Path<T> {
    type Value = T;

    fn put(value: T, params: &[&str], mut call: Call) -> Call {
        match text::write_params(params, &value) {
            Ok(texts) => call.params(texts),
            Err(error) => {
                call.refuse(Fault::bad_parameter("path", &error));
                call
            }
        }
    }
}

macro_rules! told {
    ($(<$($generic:ident: $bound:path)?> $type:ty, $value:ty, $read:ident;)*) => {$(
        impl<$($generic: $bound)?> Answer for $type {
            type Told = Self;
        }

        impl<$($generic: $bound)?> Told for $type {
            type Value = $value;

            async fn read(outcome: Result<ClientResponse, Fault>) -> Result<$value, Fault> {
                outcome?.$read().await
            }
        }
    )*};
}

told! {
    <T: DeserializeOwned> Json<T>, T, json;
    <T: DeserializeOwned> Form<T>, T, form;
    <> Text, String, text;
    <> Html<String>, String, text;
    <> Bytes, Vec<u8>, bytes;
}

#[cfg(feature = "msgpack")]
mod msgpack {
    use super::*;
    use crate::MsgPack;

    arguments! { MsgPack msgpack; }
    told! { <T: DeserializeOwned> MsgPack<T>, T, msgpack; }
}

#[cfg(feature = "protobuf")]
mod protobuf {
    use prost::Message;

    use super::*;
    use crate::Protobuf;

    impl<T: Message> Argument for Protobuf<T> {
        type Value = T;

        fn put(value: T, _: &[&str], call: Call) -> Call {
            call.protobuf(&value)
        }
    }

    impl<T: Message + Default> Answer for Protobuf<T> {
        type Told = Self;
    }

    impl<T: Message + Default> Told for Protobuf<T> {
        type Value = T;

        async fn read(outcome: Result<ClientResponse, Fault>) -> Result<T, Fault> {
            outcome?.protobuf().await
        }
    }
}

macro_rules! told_with {
    ($($type:ty, $value:ty, $answer:ident => $read:expr;)*) => {$(
        impl Told for $type {
            type Value = $value;

            async fn read(outcome: Result<ClientResponse, Fault>) -> Result<$value, Fault> {
                let $answer = outcome?;
                Ok($read)
            }
        }
    )*};
}

told_with! {
    (), (), answer => { answer.success().await?; };
    Body, Body, answer => answer.success().await?.body;
    StatusCode, StatusCode, answer => answer.status;
    ClientResponse, ClientResponse, answer => answer;
}

impl<T: Told> Told for Option<T> {
    type Value = Option<T::Value>;

    async fn read(outcome: Result<ClientResponse, Fault>) -> Result<Self::Value, Fault> {
        match T::read(outcome).await {
            Ok(value) => Ok(Some(value)),
            Err(fault) if (fault.status(), fault.name()) == (404, "not-found") => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

macro_rules! answers {
    ($(<$($generic:ident: $bound:path),*> $type:ty => $told:ty;)*) => {$(
        impl<$($generic: $bound),*> Answer for $type {
            type Told = $told;
        }
    )*};
}

answers! {
    <> String => Text;
    <> &'static str => Text;
    <> Html<&'static str> => Html<String>;
    <> Vec<u8> => Bytes;
    <> Body => Body;
    <> Sse => Body;
    <> () => ();
    <> StatusCode => StatusCode;
    <> Response => ClientResponse;
    <> ClientResponse => ClientResponse;
    <A: Answer> Option<A> => Option<A::Told>;
    <A: Answer, E: Into<Fault>> Result<A, E> => A::Told;
    <P: ResponsePart, A: Answer> (P, A) => A::Told;
    <P: ResponsePart, Q: ResponsePart, A: Answer> (P, Q, A) => A::Told;
    <P: ResponsePart, Q: ResponsePart, R: ResponsePart, A: Answer> (P, Q, R, A) => A::Told;
}
