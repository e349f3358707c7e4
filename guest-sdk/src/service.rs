//! What a module declares, and what `#[service]` expands to.

use crate::{
    Call, Client, Fault, FromRequest, IntoResponse, Request, Response,
    typed::{Answer, Answers, Argument, Got, Told},
};

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

/// What `#[service]` implements beside [`Service`] when there is an `#[on]`.
pub trait Listener: Service {
    /// What the module wants to hear; the indices are what
    /// [`hear`](Self::hear) is given.
    const SUBSCRIPTIONS: &'static [Subscription];

    /// Hears one event.
    fn hear(subscription: u32, event: &mut Request) -> impl Future<Output = Result<(), Fault>>;
}

/// What a module wants to hear.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// For people and logs.
    pub name: &'static str,
    /// A subject, in which `*` and `>` are wildcards.
    pub subject: &'static str,
    /// Of all subscribers of a group, one gets each event.
    pub group: Option<&'static str>,
    /// What it does, for people.
    pub description: &'static str,
}

/// What `#[service]` implements beside [`Service`] when there is an `#[every]`
/// or `#[cron]`.
pub trait Timed: Service {
    /// The timers; the indices are what [`fire`](Self::fire) is given.
    const TIMERS: &'static [Timer];

    /// Does what is due.
    fn fire(timer: u32, event: &mut Request) -> impl Future<Output = Result<(), Fault>>;
}

/// Something to do from time to time.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// For people and logs.
    pub name: &'static str,
    /// When.
    pub schedule: Schedule,
    /// Whether it is done although the time before has not ended.
    pub overlap: bool,
    /// What it does, for people.
    pub description: &'static str,
}

/// When a timer fires.
#[derive(Clone, Copy, Debug)]
pub enum Schedule {
    /// Every so many milliseconds.
    EveryMs(u64),
    /// At the times of a pattern, in UTC.
    Cron(&'static str),
}

/// What `#[service]` implements beside [`Service`] when there is a
/// `#[websocket]`.
pub trait Socketed: Service {
    /// Where WebSockets are opened; the indices are what
    /// [`attend`](Self::attend) is given.
    const WEBSOCKETS: &'static [WebSocket];

    /// Attends to what has happened at a socket.
    fn attend(websocket: u32, happening: &mut Request) -> impl Future<Output = Result<(), Fault>>;
}

/// A place where WebSockets are opened.
#[derive(Clone, Copy, Debug)]
pub struct WebSocket {
    /// For people and logs.
    pub name: &'static str,
    /// The path below the root.
    pub pattern: &'static str,
    /// The names of the parameters, in the order of the pattern.
    pub params: &'static [&'static str],
    /// Subprotocols, the best first.
    pub protocols: &'static [&'static str],
    /// What it is for, for people.
    pub description: &'static str,
}

/// What `#[service]` implements beside [`Service`] when there is a `#[start]`.
pub trait Starter: Service {
    /// Does what is to be done before the first call.
    fn start(event: &mut Request) -> impl Future<Output = Result<(), Fault>>;
}

/// What `#[service]` implements beside [`Service`] when there is a `#[stop]`.
pub trait Stopper: Service {
    /// Does what is to be done after the last call.
    fn stop(event: &mut Request) -> impl Future<Output = Result<(), Fault>>;
}

/// A method as a contract has it.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The name of the function.
    pub function: &'static str,
    /// The name callers use.
    pub name: &'static str,
    /// The verb in upper case.
    pub verb: &'static str,
    /// The path below the root.
    pub pattern: &'static str,
    /// Whether a caller may repeat it.
    pub idempotent: bool,
    /// Says what a service has to write.
    pub wanted: &'static str,
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

/// What a function may return that the host calls for its own sake: nothing, or
/// a `Result` without a value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a function that answers nobody",
    label = "neither `()` nor a `Result`",
    note = "return nothing, or `Result<(), Fault>`; nobody waits for an answer"
)]
pub trait Heard {
    /// The fault, if any.
    ///
    /// # Errors
    ///
    /// The fault that the host notes.
    fn into_result(self) -> Result<(), Fault>;
}

impl Heard for () {
    fn into_result(self) -> Result<(), Fault> {
        Ok(())
    }
}

impl<E: Into<Fault>> Heard for Result<(), E> {
    fn into_result(self) -> Result<(), Fault> {
        self.map_err(Into::into)
    }
}

/// Judges what a function returned that the host called for its own sake.
pub fn heard<T: Heard>(outcome: T) -> Result<(), Fault> {
    outcome.into_result()
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

/// The same for what happens at a WebSocket.
pub fn enter_websocket<S: Socketed>(websocket: u32, happening: &mut Request) {
    if let Some(websocket) = S::WEBSOCKETS.get(websocket as usize) {
        happening.names = websocket.params;
    }
}

/// The answer to an index of a WebSocket that was never declared.
#[cold]
pub fn no_such_websocket() -> Result<(), Fault> {
    Err(Fault::internal("the host has a WebSocket that was not declared"))
}

/// The same for an index of a subscription.
#[cold]
pub fn no_such_subscription() -> Result<(), Fault> {
    Err(Fault::internal("the host has an event for a subscription that was not declared"))
}

/// The same for an index of a timer.
#[cold]
pub fn no_such_timer() -> Result<(), Fault> {
    Err(Fault::internal("the host fired a timer that was not declared"))
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

/// Fails to compile when a method differs from the one of the same function in
/// the contract. That there is one is for the compiler to say.
#[track_caller]
#[allow(clippy::indexing_slicing, reason = "the loop stays below the length")]
pub const fn agree<S: Service>(contract: &[Route], function: &str, method: usize) {
    let method = &S::DECLARATION.methods[method];
    let mut index = 0;
    while index < contract.len() {
        let route = &contract[index];
        index += 1;
        if !same(route.function, function) {
            continue;
        }
        let agrees = same(route.name, method.name)
            && same(route.verb, method.verb)
            && same(route.pattern, method.pattern)
            && route.idempotent == method.idempotent;
        assert!(agrees, "{}", route.wanted);
    }
}

/// Fails to compile when a function of the contract is not among these.
#[track_caller]
#[allow(clippy::indexing_slicing, reason = "the loops stay below the lengths")]
pub const fn complete(contract: &[Route], functions: &[&str]) {
    let mut index = 0;
    while index < contract.len() {
        let (route, mut found, mut other) = (&contract[index], false, 0);
        while other < functions.len() {
            found |= same(route.function, functions[other]);
            other += 1;
        }
        assert!(found, "{}", route.wanted);
        index += 1;
    }
}

#[allow(clippy::indexing_slicing, reason = "the loop stays below the lengths")]
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

/// What stands in a service for a method of its contract. Nobody calls it: that
/// it compiles is all it is for.
pub fn kept<T>() -> Answers<T> {
    Answers::new()
}

/// Begins a call of a method of a contract.
pub fn begin(client: &Client, method: &str) -> Call {
    client.clone().method(method)
}

/// Puts an argument into a call.
pub fn put<A: Argument>(call: Call, params: &[&str], value: A::Value) -> Call {
    A::put(value, params, call)
}

/// Makes a call and reads what it tells.
pub async fn told<A: Answer>(call: Call) -> Result<Got<A>, Fault> {
    <A::Told as Told>::read(call.send().await).await
}

/// Keeps the service and its handlers from counting as unused where nothing is
/// exported.
pub const fn keep<S: Service>() {}

/// The same for its functions that hear events.
pub const fn keep_listener<S: Listener>() {}

/// The same for those that are called from time to time.
pub const fn keep_timed<S: Timed>() {}

/// The same for those that attend to WebSockets.
pub const fn keep_socketed<S: Socketed>() {}

/// The same for the one that is called first.
pub const fn keep_starter<S: Starter>() {}

/// The same for the one that is called last.
pub const fn keep_stopper<S: Stopper>() {}
