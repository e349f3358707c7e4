//! The attribute macros of `picolet-sdk`. Each parses, checks and emits; what is
//! emitted calls the SDK, so a guest author debugs ordinary code.

mod args;
mod check;
mod contract;
mod emit;
mod method;
mod once;
mod pattern;
mod subscription;
mod timer;
mod websocket;

use proc_macro::TokenStream;

/// Makes an inline module the service of this component.
///
/// The module sees what is imported around it. Its functions marked with
/// `#[get]`, `#[post]`, `#[put]`, `#[patch]` or `#[delete]` are the methods;
/// those marked `#[before]` and `#[after]` run around each of them, those marked
/// `#[on]` hear events, those marked `#[websocket]` attend to
/// WebSockets, those marked `#[every]` and `#[cron]` are called from time to
/// time, and those marked `#[start]` and `#[stop]` once. A type
/// `Service` is added for `picolet_sdk::testing::call`.
///
/// | argument | means | otherwise |
/// |---|---|---|
/// | `root = "/api"` | what every pattern is appended to | none |
/// | `name = "…"` | what callers call, 1 to 128 of `A-Z a-z 0-9 . _ -` | the name of the package |
/// | `version = "1.0.0"` | a semantic version | the version of the package |
/// | `description = "…"` | what it is, for people | the doc comment of the module, else the description of the package |
/// | `contract = api::Calc` | the trait, marked `#[contract]`, whose methods these are | none |
#[proc_macro_attribute]
pub fn service(args: TokenStream, item: TokenStream) -> TokenStream {
    check::service(args.into(), item.into())
        .map_or_else(syn::Error::into_compile_error, |service| emit::service(&service))
        .into()
}

/// Makes of a trait the one definition that callers and a service share.
///
/// Its methods look like handlers without a body: `async`, without `self`, each
/// with a verb and a pattern. They take what the caller gives, so `Path`,
/// `Query` and one body, and answer as handlers do; what they hold implements
/// both `Serialize` and `Deserialize`.
///
/// For a trait `Calc` there is then a client `CalcClient`, whose methods take
/// and give what is inside of these types. `#[service(contract = Calc)]` on a
/// service refuses to compile when its methods are not exactly these. Its
/// handlers may take more that comes from the host, such as `Context` and
/// `Headers`, and answer with a `Result` or a status and headers beside.
///
/// The module `picolet_sdk::typed` has an example.
#[proc_macro_attribute]
pub fn contract(args: TokenStream, item: TokenStream) -> TokenStream {
    contract::contract(args.into(), item.into())
        .map_or_else(syn::Error::into_compile_error, |contract| emit::contract(&contract))
        .into()
}

macro_rules! verbs {
    ($($verb:ident)*) => {$(
        #[doc = concat!("A method that answers `", stringify!($verb), "`, inside of `#[service]`.")]
        ///
        /// Takes the pattern below the root: `"/add/{a}/{b}"`, `"/files/{*rest}"`
        /// or `""` for the root itself, then optionally `name = "…"`, which is
        /// otherwise the name of the function, and `idempotent`, which allows a
        /// caller to repeat the call. The doc comment becomes the description.
        #[proc_macro_attribute]
        pub fn $verb(_: TokenStream, item: TokenStream) -> TokenStream {
            outside(stringify!($verb), item)
        }
    )*};
}

verbs! { get post put patch delete }

/// A function that runs before each handler: `async fn(&mut Request)`, which
/// returns nothing or `Result<(), Fault>`. A fault is answered instead.
#[proc_macro_attribute]
pub fn before(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("before", item)
}

/// A function that runs after each handler that gave a response: `async fn(&mut
/// Response)`, which returns nothing or `Result<(), Fault>`. A fault is answered
/// instead. Faults of handlers pass it by.
#[proc_macro_attribute]
pub fn after(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("after", item)
}

/// A function that hears events, inside of `#[service]`.
///
/// Takes a subject, in which the token `*` stands for any one token and `>` at
/// the end for one or more: `"rates.eur"`, `"rates.*"`, `"rates.>"`; then
/// optionally `group = "…"`, of whose subscribers one gets each event, and
/// `name = "…"`, which is otherwise the name of the function.
///
/// The function is async and takes what a handler may take: `Json<_>` and its
/// like read the payload, `Path<_>` what the wildcards stand for, `BusEvent` the
/// rest. It returns nothing or `Result<(), Fault>`. `#[before]` and `#[after]`
/// do not run around it.
#[proc_macro_attribute]
pub fn on(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("on", item)
}

/// A function that is called from time to time, inside of `#[service]`.
///
/// Takes the time between two calls, such as `"30s"`, of `ms`, `s`, `m`, `h` and
/// `d`; then optionally `name = "…"`, which is otherwise the name of the function,
/// and `overlap`, without which a call is left out while the one before goes on.
/// The first call comes one such time after the service went live, and the time
/// goes on through swaps that do not change it.
///
/// The function is async and takes what a handler may take that comes from the
/// host; `Tick` tells when it was due. It returns nothing or `Result<(), Fault>`.
/// `#[before]` and `#[after]` do not run around it.
#[proc_macro_attribute]
pub fn every(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("every", item)
}

/// A function that is called at the times of a cron pattern, in UTC, inside of
/// `#[service]`: `"0 4 * * *"`, or `"*/10 * * * * *"` with seconds.
///
/// Otherwise as [`macro@every`].
#[proc_macro_attribute]
pub fn cron(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("cron", item)
}

/// A function that attends to WebSockets, inside of `#[service]`.
///
/// Takes the pattern below the root at which they are opened, like that of a
/// method: `"/chat/{room}"`; then optionally `name = "…"`, which is otherwise the
/// name of the function, and `protocols = ["…"]`, the subprotocols that it
/// speaks, the best first.
///
/// The function is async and takes `SocketEvent`, which tells what has happened,
/// `Socket`, at which, and what a handler may take of the head of the request
/// that opened it: `Path<_>`, `Query<_>`, `Context`, and at `SocketEvent::Open`
/// also `Headers` and `Cookies`. It returns nothing or `Result<(), Fault>`.
/// `#[before]` and `#[after]` do not run around it.
#[proc_macro_attribute]
pub fn websocket(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("websocket", item)
}

/// A function that is called once for each revision before its first call, inside
/// of `#[service]`.
///
/// It is async, takes what a handler may take that comes from the host, such as
/// `StartCause`, and returns nothing or `Result<(), Fault>`. A fault keeps the
/// revision from going live. It has `limits.start_ms` of the manifest.
#[proc_macro_attribute]
pub fn start(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("start", item)
}

/// A function that is called once for each revision after its last call, inside
/// of `#[service]`.
///
/// It is async, takes what a handler may take that comes from the host, such as
/// `StopCause`, and returns nothing or `Result<(), Fault>`. It has
/// `limits.stop_ms` of the manifest, and is not called when the host is killed.
#[proc_macro_attribute]
pub fn stop(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("stop", item)
}

/// `#[service]` takes these attributes away; who meets one is not inside of it.
fn outside(attribute: &str, item: TokenStream) -> TokenStream {
    let text = format!(
        "`#[{attribute}]` belongs on a function inside of a module marked `#[service]`: \
         `#[service] mod api {{ #[{attribute}] async fn … }}`"
    );
    let error = syn::Error::new(proc_macro2::Span::call_site(), text).into_compile_error();
    [TokenStream::from(error), item].into_iter().collect()
}
