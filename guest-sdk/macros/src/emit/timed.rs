//! From the functions of a service that the host calls by itself to what it
//! calls: timers, and what is done once.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, Type};

use super::called;
use crate::{
    check::Service,
    once::Once,
    timer::{Schedule, Timer},
};

pub(super) fn timers(service: &Service) -> TokenStream {
    let declared = service.timers.iter().map(declared);
    let arms = service.timers.iter().zip(0u32..).map(|(timer, index)| {
        let ran = ran(&timer.function, &timer.arguments, timer.outcome_span);
        quote!(#index => #ran)
    });
    quote! {
        impl ::picolet_sdk::__private::Timed for Service {
            const TIMERS: &'static [::picolet_sdk::__private::Timer] = &[#(#declared),*];

            async fn fire(
                __timer: u32,
                __request: &mut ::picolet_sdk::__private::Request,
            ) -> ::core::result::Result<(), ::picolet_sdk::__private::Fault> {
                match __timer {
                    #(#arms)*
                    _ => ::picolet_sdk::__private::no_such_timer(),
                }
            }
        }

        const _: () = ::picolet_sdk::__private::keep_timed::<Service>();
        ::picolet_sdk::__export!(Service, timed);
    }
}

fn declared(timer: &Timer) -> TokenStream {
    let Timer { name, overlap, description, .. } = timer;
    let schedule = match &timer.schedule {
        Schedule::EveryMs(ms) => quote!(EveryMs(#ms)),
        Schedule::Cron(pattern) => quote!(Cron(#pattern)),
    };
    quote! {
        ::picolet_sdk::__private::Timer {
            name: #name,
            schedule: ::picolet_sdk::__private::Schedule::#schedule,
            overlap: #overlap,
            description: #description,
        }
    }
}

pub(super) fn start(once: &Once) -> TokenStream {
    let ran = ran(&once.function, &once.arguments, once.outcome_span);
    quote! {
        impl ::picolet_sdk::__private::Starter for Service {
            async fn start(
                __request: &mut ::picolet_sdk::__private::Request,
            ) -> ::core::result::Result<(), ::picolet_sdk::__private::Fault> {
                #ran
            }
        }

        const _: () = ::picolet_sdk::__private::keep_starter::<Service>();
        ::picolet_sdk::__export!(Service, starter);
    }
}

pub(super) fn stop(once: &Once) -> TokenStream {
    let ran = ran(&once.function, &once.arguments, once.outcome_span);
    quote! {
        impl ::picolet_sdk::__private::Stopper for Service {
            async fn stop(
                __request: &mut ::picolet_sdk::__private::Request,
            ) -> ::core::result::Result<(), ::picolet_sdk::__private::Fault> {
                #ran
            }
        }

        const _: () = ::picolet_sdk::__private::keep_stopper::<Service>();
        ::picolet_sdk::__export!(Service, stopper);
    }
}

/// Makes the arguments, calls the function, and judges what it returned.
pub(super) fn ran(function: &Ident, arguments: &[Type], outcome_span: Span) -> TokenStream {
    let ended = quote_spanned! { outcome_span=>
        ::picolet_sdk::__private::heard(__answer)
    };
    called(function, arguments, &ended)
}
