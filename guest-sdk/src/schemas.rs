//! JSON schemas of what methods take and answer; with the feature `schemas`.
//!
//! `#[service]` asks every argument and answer, by way of [`Taken`] and
//! [`Told`]. Those that have a schema tell it; the others are passed over, as
//! [`Unknown`] is what the compiler finds only where [`Known`] does not fit.

use std::marker::PhantomData;

use schemars::{JsonSchema, generate::SchemaSettings};

use crate::{Fault, Form, Html, Json, Path, Query, Text, service::Service};

/// What `#[service]` implements beside [`Service`] with the feature `schemas`.
pub trait Described: Service {
    /// The shapes that are known.
    fn shapes() -> Vec<Shape>;
}

/// Where a value stands in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The parameters of the pattern.
    Path,
    /// The query.
    Query,
    /// The body of the request.
    Body,
    /// The body of the answer.
    Answer,
}

/// The shape of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The index of the method.
    pub method: u32,
    /// Where the value stands.
    pub part: Part,
    /// The content type of a body; empty otherwise.
    pub content_type: &'static str,
    /// A JSON schema.
    pub schema: String,
}

/// Shapes as they are told, method by method.
#[derive(Debug, Default)]
pub struct Shapes {
    method: u32,
    shapes: Vec<Shape>,
}

impl Shapes {
    /// Goes on with the method of this index.
    pub fn begin(&mut self, method: u32) {
        self.method = method;
    }

    /// All that were told.
    pub fn finish(self) -> Vec<Shape> {
        self.shapes
    }

    fn take<T: JsonSchema>(&mut self, part: Part, content_type: &'static str) {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
        let settings = match part {
            Part::Answer => settings.for_serialize(),
            Part::Path | Part::Query | Part::Body => settings.for_deserialize(),
        };
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let schema = schema.as_value().to_string();
        self.shapes.push(Shape { method: self.method, part, content_type, schema });
    }
}

/// An argument that has a schema.
pub trait TakesShape {
    /// Tells it.
    fn tell(shapes: &mut Shapes);
}

/// An answer that has a schema.
pub trait AnswersShape {
    /// Tells it.
    fn tell(shapes: &mut Shapes);
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const TEXT: &str = "text/plain";
const HTML: &str = "text/html";

macro_rules! shapes {
    ($(
        $role:ident [$($generic:ident)?] $type:ty, $inside:ty, $part:ident $content_type:expr;
    )*) => {$(
        impl$(<$generic: JsonSchema>)? $role for $type {
            fn tell(shapes: &mut Shapes) {
                shapes.take::<$inside>(Part::$part, $content_type);
            }
        }
    )*};
}

shapes! {
    TakesShape [T] Path<T>, T, Path "";
    TakesShape [T] Query<T>, T, Query "";
    TakesShape [T] Json<T>, T, Body JSON;
    TakesShape [T] Form<T>, T, Body FORM;
    TakesShape [] Text, String, Body TEXT;
    TakesShape [] Html<String>, String, Body HTML;
    AnswersShape [T] Json<T>, T, Answer JSON;
    AnswersShape [T] Form<T>, T, Answer FORM;
    AnswersShape [] Text, String, Answer TEXT;
    AnswersShape [] String, String, Answer TEXT;
    AnswersShape [] &'static str, String, Answer TEXT;
}

impl<T> AnswersShape for Html<T> {
    fn tell(shapes: &mut Shapes) {
        shapes.take::<String>(Part::Answer, HTML);
    }
}

impl<T: TakesShape> TakesShape for Option<T> {
    fn tell(shapes: &mut Shapes) {
        T::tell(shapes);
    }
}

impl<T: TakesShape> TakesShape for Result<T, Fault> {
    fn tell(shapes: &mut Shapes) {
        T::tell(shapes);
    }
}

macro_rules! wrapped_answers {
    ($(<$($part:ident)*> $type:ty;)*) => {$(
        impl<T: AnswersShape, $($part),*> AnswersShape for $type {
            fn tell(shapes: &mut Shapes) {
                T::tell(shapes);
            }
        }
    )*};
}

wrapped_answers! {
    <> Option<T>;
    <E> Result<T, E>;
    <P> (P, T);
    <P Q> (P, Q, T);
    <P Q R> (P, Q, R, T);
}

/// Stands for an argument.
#[derive(Debug)]
pub struct Taken<T>(PhantomData<fn() -> T>);

/// Stands for an answer.
#[derive(Debug)]
pub struct Told<T>(PhantomData<fn() -> T>);

/// Has a schema to tell.
pub trait Known {
    /// Tells it.
    fn tell(&self, shapes: &mut Shapes);
}

/// Has none. It is implemented for references to what [`Known`] is implemented
/// for, so a method call finds it second.
pub trait Unknown {
    /// Tells nothing.
    fn tell(&self, _: &mut Shapes) {}
}

macro_rules! stand_ins {
    ($($type:ident $role:ident;)*) => {$(
        impl<T> $type<T> {
            /// One of them.
            #[allow(clippy::new_without_default, reason = "it is made by the macros alone")]
            pub const fn new() -> Self {
                Self(PhantomData)
            }
        }

        impl<T: $role> Known for $type<T> {
            fn tell(&self, shapes: &mut Shapes) {
                T::tell(shapes);
            }
        }

        impl<T> Unknown for &$type<T> {}
    )*};
}

stand_ins! {
    Taken TakesShape;
    Told AnswersShape;
}

/// Keeps the shapes from counting as unused where nothing is exported.
pub const fn keep_described<S: Described>() {}
