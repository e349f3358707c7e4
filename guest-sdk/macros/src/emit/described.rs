//! From the types of handlers to the schemas that the host is told. What is
//! emitted counts with the SDK's feature `schemas` alone.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{check::Service, method::Method};

pub(super) fn described(service: &Service) -> TokenStream {
    let told = service.methods.iter().zip(0u32..).map(|(method, index)| told(method, index));
    quote! {
        ::picolet_sdk::__schemas! {
            impl ::picolet_sdk::__private::Described for Service {
                fn shapes() -> ::std::vec::Vec<::picolet_sdk::__private::Shape> {
                    #[allow(unused_imports, reason = "there may be none of one kind")]
                    use ::picolet_sdk::__private::{Known as _, Unknown as _};
                    let mut __shapes = ::picolet_sdk::__private::Shapes::default();
                    #(#told)*
                    __shapes.finish()
                }
            }

            const _: () = ::picolet_sdk::__private::keep_described::<Service>();
            ::picolet_sdk::__export!(Service, described);
        }
    }
}

fn told(method: &Method, index: u32) -> TokenStream {
    let arguments = &method.arguments;
    let answer = method.answer.as_ref().map(
        |answer| quote!((&::picolet_sdk::__private::Told::<#answer>::new()).tell(&mut __shapes);),
    );
    quote! {
        __shapes.begin(#index);
        #(
            (&::picolet_sdk::__private::Taken::<#arguments>::new()).tell(&mut __shapes);
        )*
        #answer
    }
}
