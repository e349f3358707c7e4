//! What is written into a request, to a service or to a stranger. What cannot be
//! written is kept as the fault of the request.

use serde::Serialize;

use crate::{Body, Fault, Headers, head::Pairs, json, text};

/// A request that is being written.
pub(crate) struct Written<'r> {
    pub(crate) headers: &'r mut Headers,
    pub(crate) body: &'r mut Body,
    pub(crate) refusal: &'r mut Option<Fault>,
}

impl Written<'_> {
    pub(crate) fn header(&mut self, name: &str, value: impl AsRef<[u8]>) {
        if let Err(fault) = self.headers.append(name, value) {
            self.refuse(fault);
        }
    }

    pub(crate) fn data(&mut self, data: &(impl Serialize + ?Sized)) {
        match json::to_vec(data) {
            Ok(json) => self.typed("application/json", json.into()),
            Err(error) => self.refuse(Fault::internal(format!("the data: {error}"))),
        }
    }

    pub(crate) fn form(&mut self, form: &(impl Serialize + ?Sized)) {
        match text::write_pairs(form) {
            Ok(pairs) => {
                let form = text::encode(pairs.iter());
                self.typed("application/x-www-form-urlencoded", form.into());
            }
            Err(error) => self.refuse(Fault::internal(format!("the form: {error}"))),
        }
    }

    /// The pairs of a query, for whoever knows where they belong.
    pub(crate) fn query(&mut self, query: &(impl Serialize + ?Sized)) -> Option<Pairs> {
        match text::write_pairs(query) {
            Ok(pairs) => Some(pairs),
            Err(error) => {
                self.refuse(Fault::internal(format!("the query: {error}")));
                None
            }
        }
    }

    /// A body of this content type, unless another one was given.
    pub(crate) fn typed(&mut self, content_type: &str, body: Body) {
        if self.headers.get("content-type").is_none() {
            self.header("content-type", content_type);
        }
        *self.body = body;
    }

    /// Keeps the first refusal.
    fn refuse(&mut self, fault: Fault) {
        self.refusal.get_or_insert(fault);
    }
}
