//! One function that the host calls from time to time, checked.

use proc_macro2::Span;
use syn::{
    Attribute, Ident, ItemFn, LitStr, Meta, Result, Token, Type,
    parse::{Parse, ParseStream},
};

use crate::{
    args::{check_name, comma, twice},
    method::{answer_span, argument_types, check_signature, doc, inside_of_path},
};

/// What the emitter needs to know of it.
pub(crate) struct Timer {
    pub(crate) function: Ident,
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) schedule: Schedule,
    pub(crate) overlap: bool,
    pub(crate) description: String,
    pub(crate) arguments: Vec<Type>,
    /// Where the type of what it returns stands.
    pub(crate) outcome_span: Span,
}

/// When it is called.
pub(crate) enum Schedule {
    EveryMs(u64),
    Cron(String),
}

/// Of `#[every(…)]` and `#[cron(…)]`.
struct TimerArgs {
    when: LitStr,
    name: Option<LitStr>,
    overlap: bool,
}

impl Parse for TimerArgs {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let Ok(when) = input.parse::<LitStr>() else {
            return Err(input.error("when it is called comes first: `(\"30s\")`"));
        };
        comma(input)?;
        let mut args = Self { when, name: None, overlap: false };
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "overlap" if args.overlap => return Err(twice(&key)),
                "name" if args.name.is_some() => return Err(twice(&key)),
                "overlap" => args.overlap = true,
                "name" => {
                    input.parse::<Token![=]>()?;
                    let name: LitStr = input.parse()?;
                    check_name(&name)?;
                    args.name = Some(name);
                }
                other => {
                    let text = format!(
                        "`{other}` is unknown: after the time come `name = \"…\"` and `overlap`"
                    );
                    return Err(syn::Error::new(key.span(), text));
                }
            }
            comma(input)?;
        }
        Ok(args)
    }
}

impl Timer {
    /// Of `#[every]`.
    pub(crate) fn every(attribute: &Attribute, item: &ItemFn) -> Result<Self> {
        Self::check(attribute, item, "every(\"30s\")", |when| {
            let text = "a time between two calls is `\"30s\"`, or of `ms`, `s`, `m`, `h` and `d`: \
                        `\"1h30m\"`; at least `100ms`, at most `366d`";
            match milliseconds(&when.value()).filter(|ms| (100..=366 * DAY_MS).contains(ms)) {
                Some(ms) => Ok(Schedule::EveryMs(ms)),
                None => Err(syn::Error::new(when.span(), text)),
            }
        })
    }

    /// Of `#[cron]`.
    pub(crate) fn cron(attribute: &Attribute, item: &ItemFn) -> Result<Self> {
        Self::check(attribute, item, "cron(\"0 4 * * *\")", |when| {
            let pattern = when.value();
            if is_cron(&pattern) {
                return Ok(Schedule::Cron(pattern));
            }
            let text = "a cron pattern has five fields, minute, hour, day, month and day of the \
                        week, or six with the second before them: `\"0 4 * * *\"`";
            Err(syn::Error::new(when.span(), text))
        })
    }

    fn check(
        attribute: &Attribute,
        item: &ItemFn,
        example: &str,
        schedule: impl FnOnce(&LitStr) -> Result<Schedule>,
    ) -> Result<Self> {
        let args: TimerArgs = match &attribute.meta {
            Meta::List(list) => list.parse_args()?,
            other => {
                let text = format!("the time is missing: write `#[{example}]`");
                return Err(syn::Error::new_spanned(other, text));
            }
        };
        check_signature(&item.sig, &item.attrs, "a function with a timer")?;
        let arguments = argument_types(&item.sig)?;
        if let Some(path) = arguments.iter().find(|argument| inside_of_path(argument).is_some()) {
            let text = "a timer has no parameters: take this argument away";
            return Err(syn::Error::new_spanned(path, text));
        }
        let function = item.sig.ident.clone();
        Ok(Self {
            name: match &args.name {
                Some(name) => name.value(),
                None => function.to_string().trim_start_matches("r#").to_owned(),
            },
            name_span: args.name.as_ref().map_or(function.span(), LitStr::span),
            schedule: schedule(&args.when)?,
            function,
            overlap: args.overlap,
            description: doc(&item.attrs),
            arguments,
            outcome_span: answer_span(&item.sig),
        })
    }
}

const DAY_MS: u64 = 24 * 3_600_000;

/// Of a text such as `1h30m`.
fn milliseconds(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => DAY_MS,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(ms)?)?;
        rest = after;
    }
    Some(total)
}

/// Whether it looks like one; the host reads it.
fn is_cron(pattern: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*/,-#?".contains(&byte);
    let fields: Vec<&str> = pattern.split_whitespace().collect();
    match fields.as_slice() {
        [name] => name.starts_with('@'),
        fields => {
            (5..=6).contains(&fields.len())
                && fields.iter().all(|field| field.bytes().all(is_plain))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sums_of_numbers_with_units() {
        assert_eq!(milliseconds("30s"), Some(30_000));
        assert_eq!(milliseconds("1h30m"), Some(5_400_000));
        assert_eq!(milliseconds("250ms"), Some(250));
        for bad in ["", "s", "30", "30 s", "1.5s", "-1s", "30sec", "99999999999999999999d"] {
            assert_eq!(milliseconds(bad).filter(|ms| *ms != 0), None, "{bad}");
        }
    }

    #[test]
    fn patterns_have_five_or_six_fields() {
        assert!(is_cron("*/5 0-4 1,2 * MON#1") && is_cron("0 0 4 * * *") && is_cron("@daily"));
        assert!(!is_cron("") && !is_cron("* * *") && !is_cron("0 4 * * * * * *"));
        assert!(!is_cron("0 4 * * !"));
    }
}
