//! A function that the host calls once for each revision, checked.

use proc_macro2::Span;
use syn::{Attribute, Ident, ItemFn, Meta, Result, Type};

use crate::method::{answer_span, argument_types, check_signature};

/// What the emitter needs to know of it.
pub(crate) struct Once {
    pub(crate) function: Ident,
    pub(crate) arguments: Vec<Type>,
    /// Where the type of what it returns stands.
    pub(crate) outcome_span: Span,
}

impl Once {
    /// Puts the function where there may be one.
    pub(crate) fn note(
        slot: &mut Option<Self>,
        attribute: &Attribute,
        item: &ItemFn,
        role: &str,
    ) -> Result<()> {
        if !matches!(attribute.meta, Meta::Path(_)) {
            let text = format!("`#[{role}]` takes nothing: write `#[{role}]`");
            return Err(syn::Error::new_spanned(attribute, text));
        }
        check_signature(&item.sig, &item.attrs, &format!("a `#[{role}]` function"))?;
        if let Some(earlier) = slot {
            let text = format!("`{}` does this already: do it there", earlier.function);
            return Err(syn::Error::new_spanned(attribute, text));
        }
        *slot = Some(Self {
            function: item.sig.ident.clone(),
            arguments: argument_types(&item.sig)?,
            outcome_span: answer_span(&item.sig),
        });
        Ok(())
    }
}
