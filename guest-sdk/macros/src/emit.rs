//! From a checked service to the calls into the SDK that make it one.

mod contract;
mod described;
mod listener;
mod timed;
mod websockets;

pub(crate) use self::contract::contract;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, LitStr, Type, spanned::Spanned};

use crate::{
    check::Service,
    method::{Hook, Method},
};

pub(crate) fn service(service: &Service) -> TokenStream {
    let module = &service.module;
    let (attrs, vis, ident) = (&module.attrs, &module.vis, &module.ident);
    let items = module.content.iter().flat_map(|(_, items)| items);
    let declaration = declaration(service);
    let handle = handle(service);
    let handlers = service.methods.iter().map(|method| &method.arguments);
    let listeners = service.subscriptions.iter().map(|subscription| &subscription.arguments);
    let attendants = service.websockets.iter().map(|websocket| &websocket.arguments);
    let bodies =
        handlers.chain(listeners).chain(attendants).filter_map(|arguments| one_body(arguments));
    let listener = (!service.subscriptions.is_empty()).then(|| listener::listener(service));
    let timers = (!service.timers.is_empty()).then(|| timed::timers(service));
    let websockets = (!service.websockets.is_empty()).then(|| websockets::websockets(service));
    let (start, stop) =
        (service.start.as_ref().map(timed::start), service.stop.as_ref().map(timed::stop));
    let described = described::described(service);
    let kept = service.args.contract.as_ref().map(|path| contract::kept(path, &service.methods));
    quote! {
        #(#attrs)*
        #vis mod #ident {
            #[allow(unused_imports, reason = "a service sees what is imported around it")]
            use super::*;

            #(#items)*

            /// The service, for tests.
            pub enum Service {}

            impl ::picolet_sdk::__private::Service for Service {
                const DECLARATION: &'static ::picolet_sdk::__private::Declaration = &#declaration;
                #handle
            }

            #(#bodies)*
            #listener
            #timers
            #websockets
            #start
            #stop
            #described
            #kept
            const _: () = ::picolet_sdk::__private::keep::<Service>();
            ::picolet_sdk::__export!(Service);
        }
    }
}

fn declaration(service: &Service) -> TokenStream {
    let args = &service.args;
    let root = args.root.as_ref().map(LitStr::value).unwrap_or_default();
    let name = given_or_env(args.name.as_ref(), "CARGO_PKG_NAME");
    let version = given_or_env(args.version.as_ref(), "CARGO_PKG_VERSION");
    let description = match (&args.description, &service.description) {
        (None, Some(doc)) => doc.to_token_stream(),
        (given, _) => given_or_env(given.as_ref(), "CARGO_PKG_DESCRIPTION"),
    };
    let methods = service.methods.iter().map(|method| {
        let Method { name, verb, args, description, .. } = method;
        let (pattern, params, idempotent) =
            (&args.pattern.text, &args.pattern.params, args.idempotent);
        quote! {
            ::picolet_sdk::__private::Method {
                name: #name,
                verb: #verb,
                pattern: #pattern,
                params: &[#(#params),*],
                description: #description,
                idempotent: #idempotent,
            }
        }
    });
    quote! {
        ::picolet_sdk::__private::Declaration {
            name: #name,
            version: #version,
            root: #root,
            description: #description,
            methods: &[#(#methods),*],
        }
    }
}

fn given_or_env(given: Option<&LitStr>, variable: &str) -> TokenStream {
    match given {
        Some(given) => given.to_token_stream(),
        None => quote!(::core::env!(#variable)),
    }
}

fn handle(service: &Service) -> TokenStream {
    let before = service.before.iter().map(|hook| ran(hook, &quote!(*__request)));
    let after = service.after.iter().map(|hook| ran(hook, &quote!(__response)));
    let arms = service.methods.iter().zip(0u32..).map(|(method, index)| {
        let answered = answered(method);
        quote!(#index => #answered)
    });
    let mutable = (!service.after.is_empty()).then(|| quote!(mut));
    quote! {
        async fn handle(
            __method: u32,
            __request: &mut ::picolet_sdk::__private::Request,
        ) -> ::core::result::Result<
            ::picolet_sdk::__private::Response,
            ::picolet_sdk::__private::Fault,
        > {
            ::picolet_sdk::__private::enter::<Self>(__method, __request);
            #(#before)*
            let #mutable __response = match __method {
                #(#arms)*
                _ => ::picolet_sdk::__private::no_such_method(),
            }?;
            #(#after)*
            ::core::result::Result::Ok(__response)
        }
    }
}

/// Runs a `#[before]` or `#[after]` function and goes on unless it refuses.
fn ran(hook: &Hook, with: &TokenStream) -> TokenStream {
    let function = &hook.function;
    let outcome = quote_spanned! { hook.outcome_span=> __outcome };
    let proceed = quote_spanned! { hook.outcome_span=>
        ::picolet_sdk::__private::proceed(#outcome)?;
    };
    quote! {
        let __outcome = self::#function(&mut #with).await;
        #proceed
    }
}

/// Makes the arguments in order, calls the handler, makes the response.
fn answered(method: &Method) -> TokenStream {
    // The spans make a type that does not fit the place that is pointed at.
    let respond = quote_spanned! { method.answer_span=>
        ::picolet_sdk::__private::respond(__answer)
    };
    called(&method.function, &method.arguments, &respond)
}

/// Makes the arguments in order, calls a function, and does something with its
/// `__answer`.
fn called(function: &Ident, arguments: &[Type], then: &TokenStream) -> TokenStream {
    let names: Vec<_> =
        (0..arguments.len()).map(|index| format_ident!("__argument_{index}")).collect();
    let extracted = names.iter().zip(arguments).map(|(name, argument)| {
        quote_spanned! { argument.span()=>
            let #name = ::picolet_sdk::__private::extract::<#argument>(__request).await?;
        }
    });
    quote! {{
        #(#extracted)*
        let __answer = self::#function(#(#names),*).await;
        #then
    }}
}

/// Lets the compiler count the arguments that take the body.
fn one_body(arguments: &[Type]) -> Option<TokenStream> {
    let (_, last) = (arguments.get(1)?, arguments.last()?);
    Some(quote_spanned! { last.span()=>
        const _: () = ::picolet_sdk::__private::one_takes_the_body(&[
            #(<#arguments as ::picolet_sdk::__private::FromRequest>::TAKES_BODY),*
        ]);
    })
}
