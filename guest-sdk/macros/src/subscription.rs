//! One function that hears events, checked.

use proc_macro2::Span;
use syn::{
    Attribute, Ident, ItemFn, LitStr, Meta, Result, Token, Type,
    parse::{Parse, ParseStream},
};

use crate::{
    args::{check_name, comma, twice},
    method::{answer_span, argument_types, check_signature, check_tuple, doc, inside_of_path},
};

/// What the emitter needs to know of it.
pub(crate) struct Subscription {
    pub(crate) function: Ident,
    pub(crate) name: String,
    pub(crate) args: OnArgs,
    pub(crate) description: String,
    pub(crate) arguments: Vec<Type>,
    /// Where the type of what it returns stands.
    pub(crate) outcome_span: Span,
}

/// Of `#[on(…)]`.
pub(crate) struct OnArgs {
    pub(crate) subject: LitStr,
    pub(crate) group: Option<LitStr>,
    name: Option<LitStr>,
}

impl Parse for OnArgs {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let Ok(subject) = input.parse::<LitStr>() else {
            return Err(input.error("the subject comes first: `(\"rates.*\")`"));
        };
        check_subject(&subject)?;
        comma(input)?;
        let mut args = Self { subject, group: None, name: None };
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            let slot = match key.to_string().as_str() {
                "group" => &mut args.group,
                "name" => &mut args.name,
                other => {
                    let text = format!(
                        "`{other}` is unknown: after the subject come `group = \"…\"` and \
                         `name = \"…\"`"
                    );
                    return Err(syn::Error::new(key.span(), text));
                }
            };
            if slot.is_some() {
                return Err(twice(&key));
            }
            input.parse::<Token![=]>()?;
            let name: LitStr = input.parse()?;
            check_name(&name)?;
            *slot = Some(name);
            comma(input)?;
        }
        Ok(args)
    }
}

impl Subscription {
    pub(crate) fn check(attribute: &Attribute, item: &ItemFn) -> Result<Self> {
        let args: OnArgs = match &attribute.meta {
            Meta::List(list) => list.parse_args()?,
            other => {
                let text = "the subject is missing: write `#[on(\"rates.*\")]`";
                return Err(syn::Error::new_spanned(other, text));
            }
        };
        check_signature(&item.sig, &item.attrs, "a function that hears events")?;
        let arguments = argument_types(&item.sig)?;
        let wildcards = args.wildcards();
        for argument in &arguments {
            check_path(argument, &args.subject, wildcards)?;
        }
        let function = item.sig.ident.clone();
        Ok(Self {
            name: match &args.name {
                Some(name) => name.value(),
                None => function.to_string().trim_start_matches("r#").to_owned(),
            },
            function,
            args,
            description: doc(&item.attrs),
            arguments,
            outcome_span: answer_span(&item.sig),
        })
    }

    /// What makes it another one.
    pub(crate) fn identity(&self) -> (String, Option<String>) {
        (self.args.subject.value(), self.args.group.as_ref().map(LitStr::value))
    }
}

impl OnArgs {
    fn wildcards(&self) -> usize {
        self.subject.value().split('.').filter(|token| ["*", ">"].contains(token)).count()
    }
}

fn check_path(argument: &Type, subject: &LitStr, wildcards: usize) -> Result<()> {
    let Some(inside) = inside_of_path(argument) else { return Ok(()) };
    if wildcards == 0 {
        let text = format!(
            "the subject `{}` has no wildcards: add one, such as `*`, or take this argument away",
            subject.value()
        );
        return Err(syn::Error::new_spanned(argument, text));
    }
    check_tuple(inside, &format!("the subject `{}`", subject.value()), wildcards, "wildcard")
}

fn check_subject(literal: &LitStr) -> Result<()> {
    let subject = literal.value();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~!$&'()+,;=:@/%".contains(&byte);
    let tokens: Vec<&str> = subject.split('.').collect();
    let text = if subject.len() > 256 || tokens.len() > 32 {
        "a subject has at most 256 bytes and 32 tokens"
    } else if tokens.contains(&"") {
        "a subject is made of tokens parted by single dots: `rates.eur.usd`"
    } else if tokens.iter().rev().skip(1).any(|token| *token == ">") {
        "`>` stands for all tokens that follow, so it is the last one"
    } else if subject.starts_with('$') {
        "subjects that begin with `$` are kept for the host"
    } else if tokens.iter().any(|token| !["*", ">"].contains(token) && !token.bytes().all(is_plain))
    {
        "a token is `*`, `>`, or of `A-Z a-z 0-9` and `-_~!$&'()+,;=:@/%`"
    } else {
        return Ok(());
    };
    Err(syn::Error::new(literal.span(), text))
}
