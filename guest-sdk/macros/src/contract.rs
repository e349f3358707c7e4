//! From the tokens of a trait to a contract that can be emitted.

use proc_macro2::TokenStream;
use syn::{FnArg, Ident, ItemTrait, Pat, Result, TraitItem, TraitItemFn, Type};

use crate::{
    check::{Mistakes, Role, check_methods},
    method::{Method, given},
};

/// A trait whose methods are all right.
pub(crate) struct Contract {
    /// Without its items.
    pub(crate) item: ItemTrait,
    pub(crate) methods: Vec<ContractMethod>,
}

/// A method, and what of it only a contract needs.
pub(crate) struct ContractMethod {
    pub(crate) method: Method,
    /// Its attributes, its verb aside.
    pub(crate) attrs: Vec<syn::Attribute>,
    /// The names of its arguments.
    pub(crate) names: Vec<Ident>,
}

/// Checks all there is and shows every mistake at once.
pub(crate) fn contract(args: TokenStream, item: TokenStream) -> Result<Contract> {
    if !args.is_empty() {
        let text = "`#[contract]` takes nothing: a caller names the service, as in \
                    `CalcClient::new(\"calc\")`";
        return Err(syn::Error::new_spanned(args, text));
    }
    let Ok(mut item) = syn::parse2::<ItemTrait>(item.clone()) else {
        let text = "`#[contract]` belongs on a trait: `#[contract] pub trait Calc { … }`";
        return Err(syn::Error::new_spanned(item, text));
    };
    if !item.generics.params.is_empty() {
        let text = "a contract cannot be generic: write the types out";
        return Err(syn::Error::new_spanned(&item.generics, text));
    }
    let mut mistakes = Mistakes::default();
    let mut methods = Vec::new();
    for item in std::mem::take(&mut item.items) {
        match read_method(item) {
            Ok(method) => methods.push(method),
            Err(mistake) => mistakes.note(Err(mistake)),
        }
    }
    mistakes.into_result()?;
    if methods.is_empty() {
        let text = "a contract has at least one method: write one such as \
                    `#[get(\"/hello\")] async fn hello() -> String;`";
        return Err(syn::Error::new_spanned(&item.ident, text));
    }
    let contract = Contract { item, methods };
    check_methods(contract.methods.iter().map(|method| &method.method))?;
    Ok(contract)
}

fn read_method(item: TraitItem) -> Result<ContractMethod> {
    let TraitItem::Fn(mut function) = item else {
        let text = "a contract holds methods and nothing else";
        return Err(syn::Error::new_spanned(item, text));
    };
    if let Some(body) = &function.default {
        let text = "a contract tells what a method takes and answers, and the service does it: \
                    end the line with `;`";
        return Err(syn::Error::new_spanned(body, text));
    }
    let mut attributes = function.attrs.extract_if(.., |attr| Role::of(attr).is_some());
    let (first, second) = (attributes.next(), attributes.next());
    drop(attributes);
    let (Some(attribute), None) = (first, &second) else { return Err(one_verb(&function, second)) };
    let Some(Role::Handler(verb)) = Role::of(&attribute) else {
        return Err(one_verb(&function, Some(attribute)));
    };
    let of = (&*function.attrs, &function.sig);
    let method = Method::check(verb, &attribute, of, "a method of a contract")?;
    method.arguments.iter().try_for_each(check_given)?;
    let names = names(&function);
    Ok(ContractMethod { method, attrs: function.attrs, names })
}

fn one_verb(function: &TraitItemFn, wrong: Option<syn::Attribute>) -> syn::Error {
    let text = format!(
        "a method of a contract has one verb and pattern: write \
         `#[get(\"/path/{{parameter}}\")] async fn {}(…) -> …;`",
        function.sig.ident
    );
    match wrong {
        Some(wrong) => syn::Error::new_spanned(wrong, text),
        None => syn::Error::new(function.sig.ident.span(), text),
    }
}

/// Says what no caller can give.
fn check_given(argument: &Type) -> Result<()> {
    if given(argument).is_some_and(|given| std::ptr::eq(given, argument)) {
        return Ok(());
    }
    let text = "a contract has what the caller gives: `Path<_>`, `Query<_>`, and `Json<_>`, \
                `Form<_>`, `Text`, `Bytes` or `Body`; what else a handler takes is left to the \
                service";
    Err(syn::Error::new_spanned(argument, text))
}

/// The name of each argument, or what it is when it has none.
fn names(function: &TraitItemFn) -> Vec<Ident> {
    let named = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => match (&*typed.pat, &*typed.ty) {
            (Pat::Ident(name), _) => Some(name.ident.clone()),
            (_, Type::Path(path)) => {
                let last = path.path.segments.last()?;
                let name = last.ident.to_string().to_ascii_lowercase();
                Some(Ident::new(&name, last.ident.span()))
            }
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    named.collect()
}
