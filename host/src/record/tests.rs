//! Leases as scripts and as long walks at random, records as data.

use super::*;
use proptest::prelude::*;

/// Steps of all long walks at random; together with the others a million.
const STEPS: usize = if cfg!(debug_assertions) { 25_000 } else { 250_000 };
const STEPS_PER_CASE: usize = 1_000;

/// Replays a script such as `"h +31 ?"` against a new lease: `h` heartbeat,
/// `g`/`b` good or bad check, `c` failed call, `+N` seconds, `?` the status:
/// `U`p, `D`own, or `X` over.
#[track_caller]
fn check(script: &str, expected: &str) {
    let times = LeaseTimes::DEFAULT;
    let mut now = Duration::from_secs(100);
    let mut lease = Lease::new(now);
    let mut seen = String::new();
    for step in script.split_whitespace() {
        match step {
            "h" => lease.heartbeat(now),
            "g" => lease.checked(Ok(()), now),
            "b" => lease.checked(Err("/healthcheck answered 404".into()), now),
            "c" => lease.call_failed(),
            "?" if lease.is_over(&times, now) => seen.push('X'),
            "?" => seen.push(if lease.status(&times, now) == Status::Up { 'U' } else { 'D' }),
            wait => now += Duration::from_secs(wait[1..].parse().unwrap()),
        }
    }
    assert_eq!(seen, expected, "script {script:?}");
}

#[test]
fn a_lease_lives_as_long_as_it_is_renewed() {
    check("? +29 ? +1 ? +30 ?", "UUDX");
    check("+29 h +29 ? +1 ?", "UD");
    check("+29 g +29 ? h +59 ? +1 ?", "UDX");
}

#[test]
fn two_failed_checks_mark_it_and_a_good_one_brings_it_back() {
    check("b ? b ? g ?", "UDU");
    check("b g b ?", "U");
    check("b b h ?", "D");
}

#[test]
fn a_failed_call_marks_it_at_once() {
    check("c ? h ?", "DU");
    check("c g ?", "U");
}

fn health(is_well: bool) -> Result<(), Arc<str>> {
    if is_well { Ok(()) } else { Err("/healthcheck answered 404".into()) }
}

#[test]
fn who_is_down_is_so_for_a_reason() {
    let (times, now) = (LeaseTimes::DEFAULT, Duration::from_secs(100));
    let mut lease = Lease::new(now);
    assert_eq!(lease.why_down(&times, now), None);
    assert_eq!(lease.why_down(&times, now + times.lease), Some("nobody renewed its lease"));
    lease.call_failed();
    assert_eq!(lease.why_down(&times, now), Some("a call could not reach it"));
    for _ in 0..times.failures_down {
        lease.checked(health(false), now);
    }
    assert_eq!(lease.why_down(&times, now), Some("/healthcheck answered 404"));
    lease.checked(health(true), now);
    assert_eq!(lease.why_down(&times, now), None);
}

fn record(json: Value) -> Result<Record, String> {
    Record::check(json, || "made".into()).map_err(|error| error.to_string())
}

#[test]
fn a_record_is_checked() {
    let good = serde_json::json!({
        "name": "calc", "domain": "http://localhost:9090", "root": "/api",
        "methods": [{"name": "add1", "type": "GET", "path": "/add"}],
        "metadata": {"kind": "http"}, "date": {"creation": "forged"},
    });
    let record_ = record(good).unwrap();
    assert_eq!((record_.registration.as_str(), record_.root.as_str()), ("made", "/api"));
    assert_eq!(record_.date, RecordDate::default());

    for (bad, text) in [
        (serde_json::json!(7), "record: invalid type"),
        (serde_json::json!({"name": "x"}), "record: missing field `domain`"),
        (serde_json::json!({"name": "a b", "domain": "http://x"}), "record: name has ' '"),
        (serde_json::json!({"name": "a", "domain": "x"}), "record: domain \"x\""),
        (serde_json::json!({"name": "a", "domain": "http://u@x"}), "record: domain"),
        (
            serde_json::json!({"name": "a", "domain": "http://x", "registration": ""}),
            "record: registration",
        ),
    ] {
        let error = record(bad.clone()).unwrap_err();
        assert!(error.starts_with(text), "{bad}: {error}");
    }
}

/// What can happen to a lease.
#[derive(Clone, Copy, Debug)]
enum Step {
    Heartbeat,
    Checked(bool),
    CallFailed,
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Heartbeat),
        any::<bool>().prop_map(Step::Checked),
        Just(Step::CallFailed),
        (0_u64..20_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases((STEPS / STEPS_PER_CASE) as u32))]

    #[test]
    fn no_walk_leaves_a_lease_stuck(
        steps in proptest::collection::vec(any_step(), STEPS_PER_CASE)
    ) {
        let times = LeaseTimes::DEFAULT;
        let mut now = Duration::ZERO;
        let mut lease = Lease::new(now);
        let (mut renewed, mut bad, mut call_failed) = (now, 0, false);
        for step in steps {
            match step {
                Step::Heartbeat => {
                    lease.heartbeat(now);
                    (renewed, call_failed) = (now, false);
                }
                Step::Checked(healthy) => {
                    lease.checked(health(healthy), now);
                    if healthy {
                        (renewed, bad, call_failed) = (now, 0, false);
                    } else {
                        bad += 1;
                    }
                }
                Step::CallFailed => {
                    lease.call_failed();
                    call_failed = true;
                }
                Step::Wait(ms) => now += Duration::from_millis(ms),
            }
            let is_up = now < renewed + times.lease && bad < times.failures_down && !call_failed;
            prop_assert_eq!(lease.status(&times, now) == Status::Up, is_up);
            prop_assert_eq!(lease.is_over(&times, now), renewed + times.removal <= now);
            prop_assert!(!is_up || !lease.is_over(&times, now), "up and over");
            // From anywhere one good check is enough, and silence ends it.
            let mut again = lease.clone();
            again.checked(Ok(()), now);
            prop_assert_eq!(again.status(&times, now), Status::Up);
            prop_assert!(again.is_over(&times, now + times.removal));
        }
    }
}
