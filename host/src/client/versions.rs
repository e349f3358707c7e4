//! Versions of one service in this process: who of them a call by name goes to.
//!
//! A draw by traffic comes before the balance: the one that is drawn takes the
//! call as long as it can, and the others are as endpoints at their limit.

use super::fleets::Endpoint;
use crate::balance::draw;
use crate::fleet::Fit;
use std::sync::Arc;

/// How a call finds its version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// There is nothing to choose.
    One,
    Several,
}

/// Who takes a call before the others.
pub(super) struct Drawn {
    id: Option<Arc<str>>,
    is_asked_for: bool,
}

impl Versions {
    /// What a call has to look at.
    pub(super) fn of(endpoints: &[Endpoint]) -> Self {
        let mut here = endpoints.iter().filter(|endpoint| endpoint.is_local);
        match (here.next(), here.next()) {
            (Some(only), None) if only.traffic() == 0 => Self::Several,
            (_, None) => Self::One,
            _ => Self::Several,
        }
    }
}

impl Drawn {
    /// Draws among those that suit. Who asks for a version may get one that
    /// takes no traffic.
    pub(super) fn draw(
        endpoints: &[Endpoint],
        fit: impl Fn(&Endpoint) -> Fit,
        is_asked_for: bool,
        random: u64,
    ) -> Self {
        let weights: Vec<f64> = endpoints
            .iter()
            .map(|one| if one.is_local && fit(one) == Fit::Yes { one.traffic() } else { 0 })
            .map(f64::from)
            .collect();
        let drawn = draw(weights.iter().copied(), random);
        let id = drawn.and_then(|at| endpoints.get(at)).map(Endpoint::id);
        Self { id, is_asked_for }
    }

    /// How an endpoint suits when the draw counts, too.
    pub(super) fn narrow(&self, endpoint: &Endpoint, fit: Fit) -> Fit {
        if !endpoint.is_local || fit == Fit::No {
            return fit;
        }
        match &self.id {
            _ if endpoint.traffic() == 0 && !self.is_asked_for => Fit::No,
            Some(id) if *id != endpoint.id() => Fit::Full,
            _ => fit,
        }
    }
}
