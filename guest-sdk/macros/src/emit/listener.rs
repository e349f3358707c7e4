//! From the functions of a service that hear events to what the host calls.

use proc_macro2::TokenStream;
use quote::quote;

use super::timed::ran;
use crate::{check::Service, subscription::Subscription};

pub(super) fn listener(service: &Service) -> TokenStream {
    let declared = service.subscriptions.iter().map(declared);
    let arms = service.subscriptions.iter().zip(0u32..).map(|(subscription, index)| {
        let ran = ran(&subscription.function, &subscription.arguments, subscription.outcome_span);
        quote!(#index => #ran)
    });
    quote! {
        impl ::picolet_sdk::__private::Listener for Service {
            const SUBSCRIPTIONS: &'static [::picolet_sdk::__private::Subscription] =
                &[#(#declared),*];

            async fn hear(
                __subscription: u32,
                __request: &mut ::picolet_sdk::__private::Request,
            ) -> ::core::result::Result<(), ::picolet_sdk::__private::Fault> {
                match __subscription {
                    #(#arms)*
                    _ => ::picolet_sdk::__private::no_such_subscription(),
                }
            }
        }

        const _: () = ::picolet_sdk::__private::keep_listener::<Service>();
        ::picolet_sdk::__export!(Service, listener);
    }
}

fn declared(subscription: &Subscription) -> TokenStream {
    let Subscription { name, args, description, .. } = subscription;
    let subject = &args.subject;
    let group = match &args.group {
        Some(group) => quote!(::core::option::Option::Some(#group)),
        None => quote!(::core::option::Option::None),
    };
    quote! {
        ::picolet_sdk::__private::Subscription {
            name: #name,
            subject: #subject,
            group: #group,
            description: #description,
        }
    }
}
