//! What a module declares, and what `#[service]` expands to.

use crate::{Fault, FromRequest, IntoResponse, Request, Response};

/// What a module declares.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The name callers use.
    pub name: &'static str,
    /// A semantic version.
    pub version: &'static str,
    /// What every pattern is appended to.
    pub root: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// The methods; their indices are what [`Service::handle`] is given.
    pub methods: &'static [Method],
}

/// A named operation.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// The name callers use.
    pub name: &'static str,
    /// The verb in upper case.
    pub verb: &'static str,
    /// The path below the root.
    pub pattern: &'static str,
    /// The names of the parameters, in the order of the pattern.
    pub params: &'static [&'static str],
    /// What it does, for people.
    pub description: &'static str,
    /// Whether a caller may repeat it.
    pub idempotent: bool,
}

/// What `#[service]` implements for the type `Service` in its module.
pub trait Service: 'static {
    /// What the module declares.
    const DECLARATION: &'static Declaration;

    /// Answers one call of the method with this index.
    fn handle(method: u32, request: &mut Request) -> impl Future<Output = Result<Response, Fault>>;
}

/// What a `#[before]` or `#[after]` function may return: nothing, or a fault
/// that is answered instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a `#[before]` or `#[after]` function",
    label = "neither `()` nor a `Result`",
    note = "return nothing, or `Result<(), Fault>`"
)]
pub trait Outcome {
    /// The fault, if any.
    ///
    /// # Errors
    ///
    /// The fault to answer instead.
    fn into_result(self) -> Result<(), Fault>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Fault> {
        Ok(())
    }
}

impl<E: Into<Fault>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Fault> {
        self.map_err(Into::into)
    }
}

/// Makes one argument of a handler.
pub fn extract<T: FromRequest>(request: &mut Request) -> impl Future<Output = Result<T, Fault>> {
    T::from_request(request)
}

/// Makes the response of what a handler returned.
pub fn respond<T: IntoResponse>(answer: T) -> Result<Response, Fault> {
    answer.into_response()
}

/// Judges what a `#[before]` or `#[after]` function returned.
pub fn proceed<T: Outcome>(outcome: T) -> Result<(), Fault> {
    outcome.into_result()
}

/// Tells the request the names of its parameters.
pub fn enter<S: Service>(method: u32, request: &mut Request) {
    if let Some(method) = S::DECLARATION.methods.get(method as usize) {
        request.names = method.params;
    }
}

/// The answer to an index that was never declared.
#[cold]
pub fn no_such_method() -> Result<Response, Fault> {
    Err(Fault::internal("the host asked for a method that was not declared"))
}

/// Fails to compile when more than one argument takes the body.
#[track_caller]
pub const fn one_takes_the_body(arguments: &[bool]) {
    let (mut index, mut taken) = (0, false);
    while index < arguments.len() {
        #[allow(clippy::indexing_slicing, reason = "the loop stays below the length")]
        let takes = arguments[index];
        assert!(
            !(taken && takes),
            "two arguments take the body, which can be read once: keep one of \
             `Json`, `Form`, `Text`, `Bytes`, `Body` and `Request`"
        );
        taken |= takes;
        index += 1;
    }
}

/// Keeps the service and its handlers from counting as unused where nothing is
/// exported.
pub const fn keep<S: Service>() {}
