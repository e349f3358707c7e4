//! Strategies over loads that are made by hand.

use super::{Strategy, *};
use proptest::prelude::*;
use std::time::Duration;

/// Steps of all long walks at random; together with the others a million.
const STEPS: usize = if cfg!(debug_assertions) { 25_000 } else { 250_000 };
const STEPS_PER_CASE: usize = 1_000;

/// When all of the loads below are warm.
const NOW: Now = Duration::from_secs(100);

/// Evenly distributed bits: Steele, Lea and Flood's SplitMix.
pub(crate) fn bits(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A load with this latency, so many calls in flight and this weight.
fn load(latency_ms: u64, in_flight: u32, weight: u32) -> Load {
    let latency = Duration::from_millis(latency_ms);
    let mut load = Load::new(weight, Some(latency), NOW - Duration::from_secs(3));
    load.answered(latency, NOW);
    (0..in_flight).for_each(|_| load.began());
    load
}

/// How many of 1,000 choices fall on each of `id:ms:in_flight:weight`.
fn shares(strategy: Strategy, rows: &str) -> Vec<u32> {
    let rows: Vec<(Arc<str>, Load)> = rows.split_whitespace().map(row).collect();
    let candidates: Vec<Candidate<'_>> =
        rows.iter().map(|(id, load)| Candidate { id, load }).collect();
    let mut balance = Balance::new(strategy);
    let mut state = 7;
    let mut shares = vec![0; rows.len()];
    for _ in 0..1_000 {
        shares[balance.choose(&candidates, NOW, bits(&mut state)).unwrap()] += 1;
    }
    shares
}

fn row(text: &str) -> (Arc<str>, Load) {
    let (id, numbers) = text.split_once(':').unwrap();
    let numbers: Vec<u64> = numbers.split(':').map(|number| number.parse().unwrap()).collect();
    (id.into(), load(numbers[0], numbers[1] as u32, numbers[2] as u32))
}

#[track_caller]
fn near(seen: &[u32], expected: &[u32]) {
    let close = seen.iter().zip(expected).all(|(seen, wanted)| seen.abs_diff(*wanted) <= 50);
    assert!(close && seen.len() == expected.len(), "{seen:?} is not near {expected:?}");
}

#[test]
fn two_choices_take_the_cheaper_and_never_the_dearest() {
    let two = Strategy::TwoChoices;
    assert_eq!(shares(two, "a:10:0:1 b:11:0:1"), [1_000, 0]);
    assert_eq!(shares(two, "a:10:1:1 b:11:0:1"), [0, 1_000]);
    assert_eq!(shares(two, "a:10:1:4 b:11:0:1"), [1_000, 0]);
    near(&shares(two, "a:10:0:1 b:10:0:1"), &[500, 500]);
    near(&shares(two, "a:10:0:1 b:20:0:1 c:30:0:1"), &[667, 333, 0]);
}

#[test]
fn least_in_flight_looks_at_nothing_else() {
    let least = Strategy::LeastInFlight;
    assert_eq!(shares(least, "a:1:3:1 b:900:2:1 c:1:4:1"), [0, 1_000, 0]);
    assert_eq!(shares(least, "a:1:3:2 b:1:2:1"), [1_000, 0]);
    near(&shares(least, "a:1:1:1 b:1:2:1 c:9:1:1"), &[500, 0, 500]);
}

#[test]
fn chance_is_even_or_by_weight() {
    near(&shares(Strategy::Random, "a:1:9:9 b:900:0:1"), &[500, 500]);
    near(&shares(Strategy::Weighted, "a:1:0:1 b:1:0:3 c:9:9:6"), &[100, 300, 600]);
    assert_eq!(draw([0.0, 0.0].into_iter(), 1), None);
    assert_eq!(draw([0.0, 2.0, 0.0].into_iter(), u64::MAX), Some(1));
}

#[test]
fn round_robin_rotates_through_changes_of_the_list() {
    let load = load(1, 0, 1);
    let mut balance = Balance::new(Strategy::RoundRobin);
    let mut turns = String::new();
    for list in ["abc", "abc", "ac", "abcd", "abcd", "bd", "abd", "abd", "c", "c", "ad"] {
        let ids: Vec<Arc<str>> = list.chars().map(|id| id.to_string().into()).collect();
        let candidates: Vec<Candidate<'_>> =
            ids.iter().map(|id| Candidate { id, load: &load }).collect();
        let chosen = balance.choose(&candidates, NOW, 0).unwrap();
        turns.push_str(&ids[chosen]);
    }
    assert_eq!(turns, "abcdabdaccd");
    assert_eq!(balance.choose(&[], NOW, 0), None);
}

#[test]
fn every_strategy_has_a_name() {
    let names = ["two-choices", "least-in-flight", "round-robin", "random", "weighted"];
    assert!(names.iter().all(|name| Strategy::parse(name).is_some()));
    assert_eq!(Strategy::parse("load"), None);
}

/// The cost after a script of `oN` answered in N ms, `fN` failed
/// after N ms, `b0` begun and `+N` ms that pass, against one that takes 10 ms.
#[track_caller]
fn costs(script: &str, expected_ms: f64) {
    let mut now = NOW;
    let mut load = load(10, 0, 1);
    for step in script.split_whitespace() {
        let (kind, number) = step.split_at(1);
        let time = Duration::from_millis(number.parse().unwrap());
        match kind {
            "o" => load.answered(time, now),
            "f" => load.failed(time, now),
            "b" => load.began(),
            _ => now += time,
        }
    }
    let cost = load.cost(now) * 1_000.0;
    assert!((cost - expected_ms).abs() < 0.01 * expected_ms, "{script:?}: {cost} ms");
}

#[test]
fn latency_jumps_up_and_comes_down_slowly() {
    let known = "o10 o10 o10 o10 o10 o10 o10 o10";
    costs("", 10.0);
    costs(&format!("{known} o500"), 500.0);
    costs(&format!("{known} o500 +5000"), 500.0 / std::f64::consts::E);
    costs(&format!("{known} o500 o1"), 458.0);
    costs(&format!("{known} o500 +60000"), 0.003_072);
    // The first ones are not taken for peaks.
    costs("o500", 20.0);
    costs("o500 o500 o500", 80.0);
    costs("o500 o500 o500 o500 o500 o500 o500", 500.0);
}

#[test]
fn who_was_not_called_for_long_is_tried_with_one_call() {
    costs("o10 +20000", 10.0 * (-4.0_f64).exp());
    costs("o10 +20000 b0", 20.0);
    costs("o10 +20000 b0 b0", 30.0);
}

#[test]
fn a_failure_is_never_fast() {
    costs("f0", 20.0);
    costs("f0 f0 f0", 80.0);
    costs("f300", 300.0);
    costs("f0 f0 f0 f0 f0 f0 f0 f0 f0", 1_000.0);
    costs("f3000 f0", 3_000.0);
    costs("+5000 f0", 20.0 / std::f64::consts::E);
}

#[test]
fn a_new_one_begins_with_a_part_of_its_share() {
    let peers = Some(Duration::from_millis(10));
    let new = Load::new(2, peers, NOW);
    let weights: Vec<f64> = [0, 500, 1_000, 2_000, 9_000]
        .map(|ms| new.weight_at(NOW + Duration::from_millis(ms)))
        .to_vec();
    assert_eq!(weights, [0.2, 0.5, 1.0, 2.0, 2.0]);
    assert!(load(10, 4, 1).cost(NOW) < new.cost(NOW) * 10.1);
}

#[test]
fn an_impatient_caller_is_told_apart() {
    let mut load = load(100, 0, 1);
    assert!(load.was_waited_for(Duration::from_millis(100)));
    assert!(!load.was_waited_for(Duration::from_millis(99)));
    // The doubt grows with each.
    assert!(load.was_waited_for(Duration::from_millis(99)));
    assert!(Load::new(1, None, NOW).was_waited_for(Duration::ZERO));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases((STEPS / STEPS_PER_CASE) as u32))]

    #[test]
    fn costs_stay_numbers_and_everyone_comes_back(
        steps in proptest::collection::vec((0_u8..5, 0_u64..20_000_000), STEPS_PER_CASE)
    ) {
        let mut now = Duration::ZERO;
        let mut load = Load::new(1, None, now);
        let mut in_flight = 0_u32;
        for (kind, us) in steps {
            let time = Duration::from_micros(us);
            match kind {
                0 => { load.began(); in_flight += 1; }
                1 => { load.left(); in_flight = in_flight.saturating_sub(1); }
                2 => load.answered(time, now),
                3 => load.failed(time, now),
                _ => now += time,
            }
            let cost = load.cost(now);
            prop_assert!(cost.is_finite() && 0.0 < cost, "cost {}", cost);
            prop_assert_eq!(load.in_flight(), in_flight);
        }
        // However slow it was, it is tried again within two minutes.
        while 0 < load.in_flight() { load.left(); }
        now += Duration::from_secs(120);
        prop_assert!(load.cost(now) <= 1e-5);
    }
}
