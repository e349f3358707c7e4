//! One handler, checked.

use proc_macro2::Span;
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Ident, ItemFn, Lit, Meta, PathArguments, Result,
    ReturnType, Signature, Type, spanned::Spanned,
};

use crate::{args::MethodArgs, pattern::Pattern};

/// A method of the service: what the emitter needs to know.
pub(crate) struct Method {
    pub(crate) function: Ident,
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) verb: &'static str,
    pub(crate) args: MethodArgs,
    pub(crate) description: String,
    pub(crate) arguments: Vec<Type>,
    /// None stands for `()`.
    pub(crate) answer: Option<Type>,
    /// Where the type of the answer stands.
    pub(crate) answer_span: Span,
}

impl Method {
    /// `what` is what the function is called in messages.
    pub(crate) fn check(
        verb: &'static str,
        attribute: &Attribute,
        (attrs, sig): (&[Attribute], &Signature),
        what: &str,
    ) -> Result<Self> {
        let args: MethodArgs = match &attribute.meta {
            Meta::List(list) => list.parse_args()?,
            other => {
                let verb = verb.to_ascii_lowercase();
                let text =
                    format!("the pattern is missing: write `#[{verb}(\"/path/{{parameter}}\")]`");
                return Err(syn::Error::new_spanned(other, text));
            }
        };
        check_signature(sig, attrs, what)?;
        let arguments = argument_types(sig)?;
        for argument in &arguments {
            check_path(argument, &args.pattern)?;
        }
        Ok(Self {
            function: sig.ident.clone(),
            name: match &args.name {
                Some(name) => name.value(),
                None => sig.ident.to_string().trim_start_matches("r#").to_owned(),
            },
            name_span: args.name.as_ref().map_or(sig.ident.span(), |name| name.span()),
            verb,
            args,
            description: doc(attrs),
            arguments,
            answer: match &sig.output {
                ReturnType::Default => None,
                ReturnType::Type(_, output) => Some((**output).clone()),
            },
            answer_span: answer_span(sig),
        })
    }
}

/// Of an argument what its caller gives; none when it is the handler's own
/// affair.
pub(crate) fn given(argument: &Type) -> Option<&Type> {
    let Type::Path(path) = argument else { return None };
    let last = path.path.segments.last()?;
    match last.ident.to_string().as_str() {
        "Path" | "Query" | "Json" | "Form" | "MsgPack" | "Protobuf" | "Text" | "Html" | "Bytes"
        | "Body" => Some(argument),
        "Option" | "Result" => match &last.arguments {
            PathArguments::AngleBracketed(generics) => match generics.args.first() {
                Some(GenericArgument::Type(inside)) => given(inside),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// A `#[before]` or `#[after]` function.
pub(crate) struct Hook {
    pub(crate) function: Ident,
    /// Where the type of what it returns stands.
    pub(crate) outcome_span: Span,
}

impl Hook {
    pub(crate) fn check(item: &ItemFn, role: &str, takes: &str) -> Result<Self> {
        check_signature(&item.sig, &item.attrs, &format!("a `#[{role}]` function"))?;
        let mut inputs = item.sig.inputs.iter();
        if let (Some(FnArg::Typed(only)), None) = (inputs.next(), inputs.next())
            && matches!(&*only.ty, Type::Reference(reference) if reference.mutability.is_some())
        {
            return Ok(Self {
                function: item.sig.ident.clone(),
                outcome_span: answer_span(&item.sig),
            });
        }
        let name = &item.sig.ident;
        let text = format!(
            "a `#[{role}]` function takes one `&mut {takes}`: write \
             `async fn {name}({}: &mut {takes})`",
            takes.to_ascii_lowercase()
        );
        Err(syn::Error::new_spanned(&item.sig, text))
    }
}

pub(crate) fn answer_span(sig: &Signature) -> Span {
    match &sig.output {
        ReturnType::Default => sig.ident.span(),
        ReturnType::Type(_, output) => output.span(),
    }
}

/// Says why a function cannot be run by the host.
pub(crate) fn check_signature(sig: &Signature, attrs: &[Attribute], what: &str) -> Result<()> {
    if let Some(cfg) = attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        let text = format!("{what} is always there: put the `cfg` on the module");
        return Err(syn::Error::new_spanned(cfg, text));
    }
    if let Some(receiver) = sig.receiver() {
        let text = format!(
            "{what} is a function without `self`: what lasts between calls belongs in a `static`"
        );
        return Err(syn::Error::new_spanned(receiver, text));
    }
    if sig.asyncness.is_none() {
        let text = format!("{what} is async: write `async fn {}`", sig.ident);
        return Err(syn::Error::new_spanned(sig.fn_token, text));
    }
    if !sig.generics.params.is_empty() {
        let text = format!("{what} cannot be generic: write the types out");
        return Err(syn::Error::new_spanned(&sig.generics, text));
    }
    Ok(())
}

pub(crate) fn argument_types(sig: &Signature) -> Result<Vec<Type>> {
    let typed = sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(&*argument.ty),
        FnArg::Receiver(_) => None,
    });
    typed
        .map(|argument| match argument {
            Type::ImplTrait(_) => {
                let text = "the type of an argument is written out: `Path<_>`, `Json<_>` and so on";
                Err(syn::Error::new_spanned(argument, text))
            }
            Type::Reference(_) => {
                let text = "an argument is taken by value: write `Path<_>`, `Json<_>` and so on";
                Err(syn::Error::new_spanned(argument, text))
            }
            _ => Ok(argument.clone()),
        })
        .collect()
}

/// Compares a `Path<…>` with the pattern, as far as it can be seen.
pub(crate) fn check_path(argument: &Type, pattern: &Pattern) -> Result<()> {
    let Some(inside) = inside_of_path(argument) else { return Ok(()) };
    let names = &pattern.params;
    if names.is_empty() && !matches!(inside, Type::Tuple(_)) {
        let text = format!(
            "the pattern `{}` has no parameters: add one, such as `/{{id}}`, or take this \
             argument away",
            pattern.text
        );
        return Err(syn::Error::new_spanned(argument, text));
    }
    check_tuple(inside, &format!("the pattern `{}`", pattern.text), names.len(), "parameter")
}

/// Compares the tuple inside of a `Path<…>`, if it is one, with how many there
/// are to take.
pub(crate) fn check_tuple(inside: &Type, whose: &str, count: usize, what: &str) -> Result<()> {
    let Type::Tuple(tuple) = inside else { return Ok(()) };
    if tuple.elems.len() == count {
        return Ok(());
    }
    let (has, elements) = (counted(count, what), counted(tuple.elems.len(), "element"));
    let text = format!("{whose} has {has}, this tuple has {elements}");
    Err(syn::Error::new_spanned(tuple, text))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

pub(crate) fn inside_of_path(argument: &Type) -> Option<&Type> {
    let Type::Path(path) = argument else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Path")?;
    let PathArguments::AngleBracketed(generics) = &last.arguments else { return None };
    match generics.args.first() {
        Some(GenericArgument::Type(inside)) => Some(inside),
        _ => None,
    }
}

/// The doc comment, line by line.
pub(crate) fn doc(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(line) => Some(line.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
