//! From a checked contract to its trait and its client, and from a service to
//! the proof that it keeps one.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Path, Type, spanned::Spanned};

use crate::{
    contract::{Contract, ContractMethod},
    method::{Method, given},
};

pub(crate) fn contract(contract: &Contract) -> TokenStream {
    let (item, ident, vis) = (&contract.item, &contract.item.ident, &contract.item.vis);
    let (attrs, supertraits) = (&item.attrs, &item.supertraits);
    let colon = (!supertraits.is_empty()).then(|| quote!(:));
    let routes = contract.methods.iter().map(|method| route(ident, &method.method));
    let declared = contract.methods.iter().map(declared);
    let calls = contract.methods.iter().map(call);
    let client = format_ident!("{ident}Client");
    let (about, whose) = (
        format!(" Calls a service that keeps the contract [`{ident}`]."),
        format!(" The methods of [`{ident}`] of this service: its name, or a client."),
    );
    quote! {
        #(#attrs)*
        #[allow(dead_code, reason = "services and clients share it, one of them may be elsewhere")]
        #vis trait #ident #colon #supertraits {
            #[doc(hidden)]
            const ROUTES: &'static [::picolet_sdk::__private::Route] = &[#(#routes),*];
            #(#declared)*
        }

        #[doc = #about]
        #[allow(dead_code, reason = "services and clients share it, one of them may be elsewhere")]
        #[derive(Clone, Debug)]
        #vis struct #client(::picolet_sdk::__private::Client);

        #[allow(dead_code, reason = "services and clients share it, one of them may be elsewhere")]
        impl #client {
            #[doc = #whose]
            pub fn new(
                service: impl ::core::convert::Into<::picolet_sdk::__private::Client>,
            ) -> Self {
                Self(::core::convert::Into::into(service))
            }

            #(#calls)*
        }
    }
}

fn route(contract: &syn::Ident, method: &Method) -> TokenStream {
    let Method { function, name, verb, args, .. } = method;
    let (function, pattern) = (function.to_string(), &args.pattern.text);
    let idempotent = args.idempotent;
    let mut attribute = format!("#[{}(\"{pattern}\"", verb.to_ascii_lowercase());
    if args.name.is_some() {
        attribute.push_str(&format!(", name = \"{name}\""));
    }
    if idempotent {
        attribute.push_str(", idempotent");
    }
    let wanted =
        format!("the contract `{contract}` has `{attribute})]` on `{function}`: write that");
    quote! {
        ::picolet_sdk::__private::Route {
            function: #function,
            name: #name,
            verb: #verb,
            pattern: #pattern,
            idempotent: #idempotent,
            wanted: #wanted,
        }
    }
}

/// What a service has to write, as the compiler compares it.
fn declared(method: &ContractMethod) -> TokenStream {
    let ContractMethod { method: Method { function, arguments, .. }, attrs, names } = method;
    let answered = answered(&method.method);
    quote! {
        #(#attrs)*
        fn #function(#(#names: #arguments),*) -> #answered;
    }
}

fn answered(method: &Method) -> TokenStream {
    let answer = answer(method);
    quote_spanned!(method.answer_span=> ::picolet_sdk::typed::Answered<#answer>)
}

fn answer(method: &Method) -> TokenStream {
    method.answer.as_ref().map_or_else(|| quote!(()), Type::to_token_stream)
}

/// A method of the client.
fn call(method: &ContractMethod) -> TokenStream {
    let ContractMethod { method, attrs, names } = method;
    let Method { function, name, args, arguments, .. } = method;
    let params = &args.pattern.params;
    let params = quote!(&[#(#params),*]);
    let answer = answer(method);
    let idempotent = args.idempotent.then(|| quote!(let __call = __call.idempotent();));
    let given = arguments
        .iter()
        .map(|argument| quote_spanned!(argument.span()=> ::picolet_sdk::typed::Given<#argument>));
    let got = quote_spanned!(method.answer_span=> ::picolet_sdk::typed::Got<#answer>);
    quote! {
        #(#attrs)*
        pub async fn #function(
            &self,
            #(#names: #given),*
        ) -> ::core::result::Result<#got, ::picolet_sdk::__private::Fault> {
            let __call = ::picolet_sdk::__private::begin(&self.0, #name);
            #idempotent
            #(
                let __call = ::picolet_sdk::__private::put::<#arguments>(
                    __call,
                    #params,
                    #names,
                );
            )*
            ::picolet_sdk::__private::told::<#answer>(__call).await
        }
    }
}

/// Lets the compiler compare a service with its contract.
pub(super) fn kept(contract: &Path, methods: &[Method]) -> TokenStream {
    let methods_kept = methods.iter().map(|method| {
        let function = &method.function;
        let given = method.arguments.iter().filter_map(given);
        let answered = answered(method);
        quote_spanned! { function.span()=>
            fn #function(#(_: #given),*) -> #answered {
                ::picolet_sdk::__private::kept()
            }
        }
    });
    let functions = methods.iter().map(|method| method.function.to_string());
    let routes_kept = methods.iter().enumerate().map(|(index, method)| {
        let function = method.function.to_string();
        quote_spanned! { method.args.pattern_span=>
            const _: () = ::picolet_sdk::__private::agree::<Service>(
                <Service as #contract>::ROUTES,
                #function,
                #index,
            );
        }
    });
    quote_spanned! { contract.span()=>
        impl #contract for Service {
            #(#methods_kept)*
        }
        #(#routes_kept)*
        const _: () = ::picolet_sdk::__private::complete(
            <Service as #contract>::ROUTES,
            &[#(#functions),*],
        );
    }
}
