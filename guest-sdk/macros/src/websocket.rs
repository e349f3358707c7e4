//! One function that attends to WebSockets, checked.

use proc_macro2::Span;
use syn::{
    Attribute, Ident, ItemFn, LitStr, Meta, Result, Token, Type, bracketed,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

use crate::{
    args::{check_name, comma, pattern_first, twice},
    method::{answer_span, argument_types, check_path, check_signature, doc, given},
    pattern::Pattern,
};

/// What the emitter needs to know of it.
pub(crate) struct WebSocket {
    pub(crate) function: Ident,
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) args: WebSocketArgs,
    pub(crate) description: String,
    pub(crate) arguments: Vec<Type>,
    /// Where the type of what it returns stands.
    pub(crate) outcome_span: Span,
}

/// Of `#[websocket(…)]`.
pub(crate) struct WebSocketArgs {
    pub(crate) pattern: Pattern,
    pub(crate) pattern_span: Span,
    pub(crate) protocols: Vec<LitStr>,
    name: Option<LitStr>,
}

impl Parse for WebSocketArgs {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (pattern, pattern_span) = pattern_first(input)?;
        comma(input)?;
        let (mut name, mut protocols) = (None, None);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "name" if name.is_some() => return Err(twice(&key)),
                "protocols" if protocols.is_some() => return Err(twice(&key)),
                "name" => {
                    input.parse::<Token![=]>()?;
                    let given: LitStr = input.parse()?;
                    check_name(&given)?;
                    name = Some(given);
                }
                "protocols" => {
                    input.parse::<Token![=]>()?;
                    protocols = Some(read_protocols(input)?);
                }
                other => {
                    let text = format!(
                        "`{other}` is unknown: after the pattern come `name = \"…\"` and \
                         `protocols = [\"…\"]`"
                    );
                    return Err(syn::Error::new(key.span(), text));
                }
            }
            comma(input)?;
        }
        Ok(Self { pattern, pattern_span, protocols: protocols.unwrap_or_default(), name })
    }
}

fn read_protocols(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let text = "subprotocols are a list of names, the best first: `protocols = [\"chat.v2\"]`";
    let list;
    if !input.peek(syn::token::Bracket) {
        return Err(input.error(text));
    }
    bracketed!(list in input);
    let protocols = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)
        .map_err(|error| syn::Error::new(error.span(), text))?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    for protocol in &protocols {
        let name = protocol.value();
        if !(1..=128).contains(&name.len()) || !name.bytes().all(is_token) {
            let text = "a subprotocol is 1 to 128 of `A-Z a-z 0-9` and ``!#$%&'*+-.^_`|~``";
            return Err(syn::Error::new(protocol.span(), text));
        }
    }
    Ok(protocols.into_iter().collect())
}

impl WebSocket {
    pub(crate) fn check(attribute: &Attribute, item: &ItemFn) -> Result<Self> {
        let args: WebSocketArgs = match &attribute.meta {
            Meta::List(list) => list.parse_args()?,
            other => {
                let text = "the pattern is missing: write `#[websocket(\"/path/{parameter}\")]`";
                return Err(syn::Error::new_spanned(other, text));
            }
        };
        check_signature(&item.sig, &item.attrs, "a function with WebSockets")?;
        let arguments = argument_types(&item.sig)?;
        for argument in &arguments {
            check_path(argument, &args.pattern)?;
            check_no_body(argument)?;
        }
        let function = item.sig.ident.clone();
        Ok(Self {
            name: match &args.name {
                Some(name) => name.value(),
                None => function.to_string().trim_start_matches("r#").to_owned(),
            },
            name_span: args.name.as_ref().map_or(function.span(), LitStr::span),
            function,
            args,
            description: doc(&item.attrs),
            arguments,
            outcome_span: answer_span(&item.sig),
        })
    }
}

/// Says that messages are not read as the body of a request is.
fn check_no_body(argument: &Type) -> Result<()> {
    let Some(Type::Path(path)) = given(argument) else { return Ok(()) };
    let taken = path.path.segments.last().map(|last| last.ident.to_string());
    if taken.is_none_or(|taken| ["Path", "Query"].contains(&taken.as_str())) {
        return Ok(());
    }
    let text = "a WebSocket has messages and no body: take `SocketEvent`, whose `Text` and \
                `Binary` have them";
    Err(syn::Error::new_spanned(argument, text))
}
