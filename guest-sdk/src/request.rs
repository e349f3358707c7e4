//! One call of one method.

use crate::{Body, Context, Headers, head::Head, headers};

/// The request of a call.
///
/// A handler that takes one takes all of it, the body included. `#[before]`
/// functions get it by reference.
pub struct Request {
    pub(crate) call: u64,
    pub(crate) head: Head,
    /// Of the parameters, in the order of the pattern.
    pub(crate) names: &'static [&'static str],
    /// Replaces the headers of the head once they were changed.
    changed: Option<Headers>,
    body: Body,
}

impl Request {
    pub(crate) fn from_host(call: u64, head: Head, body: Body) -> Self {
        Self { call, head, names: &[], changed: None, body }
    }

    /// The verb in upper case.
    pub fn verb(&self) -> &str {
        self.head.verb()
    }

    /// The path of the request line, as it came.
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// What follows `?` in the request line, as it came; empty when there is
    /// nothing.
    pub fn query(&self) -> &str {
        self.head.query()
    }

    /// The captured segments in the order of the pattern, decoded.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.head.params()
    }

    /// A captured segment by its name in the pattern, decoded.
    pub fn param(&self, name: &str) -> Option<&str> {
        let index = self.names.iter().position(|known| *known == name)?;
        self.head.params().nth(index)
    }

    /// The first value of a header, none when it is absent or not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        headers::get(self.header_block(), name)
    }

    /// A copy of all headers.
    pub fn headers(&self) -> Headers {
        Headers::from_block(self.header_block())
    }

    /// The headers, to be changed before the handler sees them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        let head = &self.head;
        self.changed.get_or_insert_with(|| Headers::from_block(head.headers()))
    }

    /// The body; replace it to give the handler another one.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Takes the body out; what is left has none.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.body)
    }

    /// What is known about the call beside its request.
    pub fn context(&self) -> Context {
        Context::of(self.call)
    }

    fn header_block(&self) -> &[u8] {
        match &self.changed {
            Some(headers) => headers.0.as_block(),
            None => self.head.headers(),
        }
    }

    /// All of it; arguments of the handler that come after find the head.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            call: self.call,
            head: self.head.clone(),
            names: self.names,
            changed: self.changed.clone(),
            body: self.take_body(),
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("verb", &self.verb())
            .field("path", &self.path())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
