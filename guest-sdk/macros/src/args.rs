//! What stands in the parentheses of the attributes.

use proc_macro2::Span;
use syn::{
    Ident, LitStr, Path, Result, Token,
    parse::{Parse, ParseStream},
};

use crate::pattern::{Pattern, check_root};

/// Of `#[service(…)]`.
#[derive(Default)]
pub(crate) struct ServiceArgs {
    pub(crate) root: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) contract: Option<Path>,
}

impl Parse for ServiceArgs {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut args = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if key == "contract" && args.contract.is_none() {
                input.parse::<Token![=]>()?;
                args.contract = Some(input.call(contract)?);
                comma(input)?;
                continue;
            }
            let slot = match key.to_string().as_str() {
                "root" => &mut args.root,
                "name" => &mut args.name,
                "version" => &mut args.version,
                "description" => &mut args.description,
                "contract" => return Err(twice(&key)),
                other => {
                    let text = format!(
                        "`{other}` is unknown: `#[service]` takes `root`, `name`, `version` and \
                         `description`, each `= \"…\"`, and `contract = Trait`"
                    );
                    return Err(syn::Error::new(key.span(), text));
                }
            };
            if slot.is_some() {
                return Err(twice(&key));
            }
            input.parse::<Token![=]>()?;
            *slot = Some(input.parse()?);
            comma(input)?;
        }
        args.check()?;
        Ok(args)
    }
}

impl ServiceArgs {
    fn check(&self) -> Result<()> {
        self.root.as_ref().map_or(Ok(()), check_root)?;
        self.name.as_ref().map_or(Ok(()), check_name)?;
        self.version.as_ref().map_or(Ok(()), check_version)
    }
}

/// Of `#[get(…)]` and its like.
pub(crate) struct MethodArgs {
    pub(crate) pattern: Pattern,
    pub(crate) pattern_span: Span,
    pub(crate) name: Option<LitStr>,
    pub(crate) idempotent: bool,
}

/// The pattern that arguments begin with.
pub(crate) fn pattern_first(input: ParseStream<'_>) -> Result<(Pattern, Span)> {
    let Ok(literal) = input.parse::<LitStr>() else {
        let text = "the pattern comes first: `(\"/path/{parameter}\")`, or `(\"\")` for the root \
                    itself";
        return Err(input.error(text));
    };
    Ok((Pattern::check(&literal)?, literal.span()))
}

impl Parse for MethodArgs {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (pattern, pattern_span) = pattern_first(input)?;
        let mut args = Self { pattern, pattern_span, name: None, idempotent: false };
        comma(input)?;
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if key == "idempotent" {
                args.idempotent = true;
            } else if key == "name" {
                input.parse::<Token![=]>()?;
                let name = input.parse()?;
                check_name(&name)?;
                args.name = Some(name);
            } else {
                let text = format!(
                    "`{key}` is unknown: after the pattern come `name = \"…\"` and `idempotent`"
                );
                return Err(syn::Error::new(key.span(), text));
            }
            comma(input)?;
        }
        Ok(args)
    }
}

pub(crate) fn twice(key: &Ident) -> syn::Error {
    syn::Error::new(key.span(), format!("`{key}` is given twice"))
}

fn contract(input: ParseStream<'_>) -> Result<Path> {
    let text = "a contract is the path of a trait: `contract = api::Calc`, without quotes";
    input.call(Path::parse_mod_style).map_err(|error| syn::Error::new(error.span(), text))
}

pub(crate) fn comma(input: ParseStream<'_>) -> Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}

pub(crate) fn check_name(literal: &LitStr) -> Result<()> {
    let name = literal.value();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let text = "a name is 1 to 128 of `A-Z a-z 0-9 . _ -`";
    Err(syn::Error::new(literal.span(), text))
}

fn check_version(literal: &LitStr) -> Result<()> {
    let version = literal.value();
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').collect();
    let number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if numbers.len() == 3 && numbers.iter().all(number) {
        return Ok(());
    }
    let text = "a version is three numbers: `version = \"1.0.0\"`";
    Err(syn::Error::new(literal.span(), text))
}
