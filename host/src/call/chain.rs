//! Who called whom to get to a call.

use super::Hop;
use std::sync::Arc;

/// Hops that wait for the call at hand. Adding one shares those before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain(Option<Arc<Link>>);

#[derive(Debug)]
struct Link {
    hop: Arc<Hop>,
    before: Chain,
    depth: usize,
}

impl Chain {
    /// The chain with one more hop.
    pub(crate) fn with(&self, hop: Arc<Hop>) -> Self {
        Self(Some(Arc::new(Link { hop, before: self.clone(), depth: self.len() + 1 })))
    }

    /// How many hops there are.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.depth)
    }

    /// Hops, the latest first.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = &Hop> {
        std::iter::successors(self.0.as_deref(), |link| link.before.0.as_deref())
            .map(|link| &*link.hop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::name::Name;

    #[test]
    fn chains_share_their_beginning() {
        let name = |text| Name::parse(text).unwrap();
        let revision = Digest::of(&[]);
        let hop =
            |text| Arc::new(Hop { service: name(text), method: name("m"), revision, route: None });
        let names =
            |chain: &Chain| chain.latest_first().map(|h| h.service.to_string()).collect::<Vec<_>>();
        let start = Chain::default().with(hop("a"));
        let (left, right) = (start.with(hop("b")), start.with(hop("c")));
        assert_eq!((names(&left), left.len()), (vec!["b".into(), "a".into()], 2));
        assert_eq!((names(&right), Chain::default().len()), (vec!["c".into(), "a".into()], 0));
    }
}
