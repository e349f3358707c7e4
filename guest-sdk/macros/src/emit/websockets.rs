//! From the functions of a service that attend to WebSockets to what the host
//! calls.

use proc_macro2::TokenStream;
use quote::quote;

use super::timed::ran;
use crate::{check::Service, websocket::WebSocket};

pub(super) fn websockets(service: &Service) -> TokenStream {
    let declared = service.websockets.iter().map(declared);
    let arms = service.websockets.iter().zip(0u32..).map(|(websocket, index)| {
        let ran = ran(&websocket.function, &websocket.arguments, websocket.outcome_span);
        quote!(#index => #ran)
    });
    quote! {
        impl ::picolet_sdk::__private::Socketed for Service {
            const WEBSOCKETS: &'static [::picolet_sdk::__private::WebSocket] = &[#(#declared),*];

            async fn attend(
                __websocket: u32,
                __request: &mut ::picolet_sdk::__private::Request,
            ) -> ::core::result::Result<(), ::picolet_sdk::__private::Fault> {
                ::picolet_sdk::__private::enter_websocket::<Self>(__websocket, __request);
                match __websocket {
                    #(#arms)*
                    _ => ::picolet_sdk::__private::no_such_websocket(),
                }
            }
        }

        const _: () = ::picolet_sdk::__private::keep_socketed::<Service>();
        ::picolet_sdk::__export!(Service, socketed);
    }
}

fn declared(websocket: &WebSocket) -> TokenStream {
    let WebSocket { name, args, description, .. } = websocket;
    let (pattern, params, protocols) = (&args.pattern.text, &args.pattern.params, &args.protocols);
    quote! {
        ::picolet_sdk::__private::WebSocket {
            name: #name,
            pattern: #pattern,
            params: &[#(#params),*],
            protocols: &[#(#protocols),*],
            description: #description,
        }
    }
}
