//! Which of several versions of a service a request goes to.
//!
//! Versions share by weight. One of weight zero is warm but unused: only who
//! asks for its version gets there.

use crate::balance::draw;
use semver::{Version, VersionReq};

/// What a version weighs when its manifest does not say.
pub(crate) const USUAL: u32 = 100;
/// What it may weigh.
pub(crate) const WEIGHTS: std::ops::RangeInclusive<u64> = 0..=10_000;

/// What a request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) version: Option<VersionReq>,
    /// Evenly distributed bits.
    pub(crate) random: u64,
}

/// One of several versions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<'a> {
    pub(crate) version: &'a Version,
    pub(crate) weight: u32,
}

/// Why none of them is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// None is what was asked for.
    Version,
    /// None takes requests that ask for no version.
    Traffic,
}

/// Draws one of several versions by weight. Where all that were asked for weigh
/// nothing, each of them is as likely.
pub(crate) fn choose<'a>(
    shares: &(impl Iterator<Item = Share<'a>> + Clone),
    asked: &Asked,
) -> Result<usize, Unmet> {
    let wanted = asked.version.as_ref();
    let suits = |share: &Share<'_>| wanted.is_none_or(|wanted| wanted.matches(share.version));
    let of = |weigh: fn(&Share<'_>) -> f64| {
        shares.clone().map(move |share| if suits(&share) { weigh(&share) } else { 0.0 })
    };
    if let Some(chosen) = draw(of(|share| f64::from(share.weight)), asked.random) {
        return Ok(chosen);
    }
    if wanted.is_none() {
        return Err(Unmet::Traffic);
    }
    draw(of(|_| 1.0), asked.random).ok_or(Unmet::Version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::tests::bits;
    use proptest::prelude::*;

    /// Versions and weights from `1.0.0:90 2.0.0:10`.
    fn read(rows: &str) -> Vec<(Version, u32)> {
        let row = |row: &str| {
            let (version, weight) = row.split_once(':').unwrap();
            (version.parse().unwrap(), weight.parse().unwrap())
        };
        rows.split_whitespace().map(row).collect()
    }

    fn shares(versions: &[(Version, u32)]) -> impl Iterator<Item = Share<'_>> + Clone {
        versions.iter().map(|(version, weight)| Share { version, weight: *weight })
    }

    /// How many of 10,000 requests fall on each.
    #[track_caller]
    fn check(rows: &str, wanted: &str, expected: Result<&[u32], Unmet>) {
        let versions = read(rows);
        let version = (!wanted.is_empty()).then(|| wanted.parse().unwrap());
        let mut asked = Asked { version, random: 0 };
        let (mut state, mut seen) = (11, vec![0; versions.len()]);
        for _ in 0..10_000 {
            asked.random = bits(&mut state);
            match choose(&shares(&versions), &asked) {
                Ok(chosen) => seen[chosen] += 1,
                Err(unmet) => return assert_eq!(Err(unmet), expected, "{rows} {wanted}"),
            }
        }
        let is_near = |(seen, wanted): (&u32, &u32)| {
            if *wanted == 0 { *seen == 0 } else { seen.abs_diff(*wanted) <= 250 }
        };
        let expected = expected.unwrap();
        assert!(seen.iter().zip(expected).all(is_near), "{rows} {wanted}: {seen:?}");
    }

    #[test]
    fn versions_share_by_weight_and_by_what_was_asked_for() {
        check("1.0.0:100 2.0.0:100", "", Ok(&[5_000, 5_000]));
        check("1.0.0:90 2.0.0:10", "", Ok(&[9_000, 1_000]));
        check("1.0.0:1 1.1.0:3 2.0.0:0", "", Ok(&[2_500, 7_500, 0]));
        check("1.0.0:90 1.1.0:10 2.0.0:900", "^1", Ok(&[9_000, 1_000, 0]));
        check("1.0.0:0 2.0.0:100", "=1.0.0", Ok(&[10_000, 0]));
        check("1.0.0:0 1.1.0:100", "1", Ok(&[0, 10_000]));
        check("1.0.0:0 1.1.0:0 2.0.0:5", "^1", Ok(&[5_000, 5_000, 0]));
        check("1.0.0:100", "^2", Err(Unmet::Version));
        check("1.0.0:0", "^2", Err(Unmet::Version));
        check("1.0.0:0 2.0.0:0", "", Err(Unmet::Traffic));
    }

    proptest! {
        #[test]
        fn who_is_chosen_weighs_something_and_suits(
            weights in prop::collection::vec(0..4_u32, 1..6),
            wanted in 0..6_u64,
            random: u64,
        ) {
            let version = |index: usize| Version::new(index as u64, 0, 0);
            let rows = weights.iter().enumerate();
            let versions: Vec<(Version, u32)> =
                rows.map(|(index, weight)| (version(index), *weight)).collect();
            let unasked = Asked { version: None, random };
            match choose(&shares(&versions), &unasked) {
                Ok(chosen) => prop_assert!(0 < weights[chosen]),
                Err(unmet) => {
                    prop_assert_eq!(unmet, Unmet::Traffic);
                    prop_assert!(weights.iter().all(|weight| *weight == 0));
                }
            }
            let version = Some(format!("={wanted}.0.0").parse().unwrap());
            let chosen = choose(&shares(&versions), &Asked { version, random });
            let there = usize::try_from(wanted).unwrap();
            let expected = if there < weights.len() { Ok(there) } else { Err(Unmet::Version) };
            prop_assert_eq!(chosen, expected);
        }
    }
}
