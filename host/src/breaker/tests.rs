//! Breakers as scripts, and as long walks at random.

use super::*;
use proptest::prelude::*;

/// Steps of all long walks at random; together with the others a million.
const STEPS: usize = if cfg!(debug_assertions) { 25_000 } else { 250_000 };
const STEPS_PER_CASE: usize = 1_000;

/// Replays a script against a new breaker. `s` success, `f` failure, `t`
/// timeout, `u` unreachable, `n` nothing, each a call from begin to end;
/// `bN` one that asks for N seconds; `xN` N failures between successes; `p`
/// begins a call that stays out, `ps` `pf` `pn` end the oldest of those; `a`
/// seen alive; `+N` milliseconds; `?` the standing: `S`erving, `D`ue,
/// `R`esting, `P`robing, and in small letters when silence is the cause.
#[track_caller]
fn check(script: &str, expected: &str) {
    let mut now = Duration::from_secs(100);
    let mut breaker = Breaker::new(now);
    let mut out = std::collections::VecDeque::new();
    let mut seen = String::new();
    for step in script.split_whitespace() {
        let (kind, rest) = step.split_at(1);
        let number = || rest.parse().unwrap();
        match (kind, rest) {
            ("p", "") => out.push_back(breaker.begin(now)),
            ("p", verdict) => {
                let pass = out.pop_front().unwrap();
                breaker.ended(pass, verdict_of(verdict), now, 0);
            }
            ("a", _) => breaker.seen_alive(now),
            ("+", _) => now += Duration::from_millis(number()),
            ("?", _) => seen.push(letter(breaker.standing(now))),
            ("b", _) => {
                let rest = Duration::from_secs(number());
                let pass = breaker.begin(now);
                breaker.ended(pass, Verdict::Busy { rest }, now, 0);
            }
            ("x", _) => {
                for _ in 0..number() {
                    for verdict in [Verdict::Answered, Verdict::Failed] {
                        let pass = breaker.begin(now);
                        breaker.ended(pass, verdict, now, 0);
                    }
                }
            }
            (verdict, _) => {
                let pass = breaker.begin(now);
                breaker.ended(pass, verdict_of(verdict), now, 0);
            }
        }
    }
    assert_eq!(seen, expected, "script {script:?}");
}

fn verdict_of(letter: &str) -> Verdict {
    match letter {
        "s" => Verdict::Answered,
        "f" => Verdict::Failed,
        "t" => Verdict::TimedOut,
        "u" => Verdict::Unreachable,
        "n" => Verdict::Nothing,
        _ => panic!("no verdict {letter}"),
    }
}

fn letter(standing: Standing) -> char {
    let (letter, cause) = match standing {
        Standing::Serving => return 'S',
        Standing::Due { cause } => ('D', cause),
        Standing::Resting { cause, .. } => ('R', cause),
        Standing::Probing { cause, .. } => ('P', cause),
    };
    if cause == Cause::Silent { letter.to_ascii_lowercase() } else { letter }
}

#[test]
fn failures_in_a_row_open_it_and_an_answer_ends_the_row() {
    check("? f f f f ? f ?", "SSR");
    check("f f f f s f f f f ? f ?", "SR");
    check("f f f f n ? f ?", "SR");
    check("t t t t ? t ?", "Sr");
    check("t t f t t ?", "R");
    check("u ?", "r");
}

#[test]
fn half_of_the_calls_open_it_when_there_are_enough() {
    check("x9 ? x1 ?", "SR");
    check("s s s s s s x20 ?", "S");
    // What is ten seconds old no longer counts.
    check("x9 +11000 x9 ? x1 ?", "SR");
}

#[test]
fn one_probe_goes_at_a_time() {
    check("u +999 ? +1 ? p ? p ? ps ?", "rdppS");
    check("u +1000 p pf ? +1999 ? +1 ?", "RRD");
    // One that is abandoned, or asked to wait, makes room for another.
    check("u +1000 p pn ?", "d");
    check("u +1000 b3 ? +2999 ? +1 ?", "rrd");
}

#[test]
fn a_probe_that_is_never_answered_makes_room() {
    check("u +1000 p ? +4999 ? +1 ? p ? +4999 ? +1 ?", "ppdppd");
    // Each lost one makes the next wait longer: 5, 5, 5, 8, 16 seconds.
    check("u +1000 p +5000 p +5000 p +7999 ? +1 ? p +15999 ? +1 ?", "pdpd");
    // A late answer counts, a late failure or a late farewell does not.
    check("u +1000 p +5000 p ps ?", "S");
    check("u +1000 p +5000 p pf ?", "p");
    check("u +1000 p +5000 p pn ?", "p");
    check("u +1000 p +5000 p pf pf ?", "R");
}

#[test]
fn rests_double_up_to_a_minute_and_are_forgiven() {
    let long = "f +2000 f +4000 f +8000 f +16000 f +32000";
    check(&format!("u +1000 {long} f +47999 ? +1 ? f +47999 ? +1 ?"), "RDRD");
    // Who serves for a second only rests longer each time.
    check("u +1000 s +1000 u +1999 ? +1 s +1000 u +3999 ? +1 ?", "rrd");
    check("u +1000 s +5000 u +999 ? +1 ?", "rd");
}

#[test]
fn calls_from_before_say_nothing_of_the_time_after() {
    check("p p u ps ?", "r");
    check("p p u +1000 ps ? s ? pf f f f f ?", "dSS");
}

#[test]
fn who_asks_for_rest_gets_it_and_is_not_broken() {
    check("b2 ? +1999 ? +1 ?", "RRS");
    check("b2 b1 +1999 ? +1 ?", "RS");
    check("b900 +59999 ? +1 ?", "RS");
    check("f f f f b1 +1000 ? f ?", "SR");
}

#[test]
fn who_is_seen_alive_is_probed_at_once() {
    check("u a ? s ?", "dS");
    check("f f f f f a ?", "R");
    check("u +1000 p a ?", "p");
}

#[test]
fn statuses_are_judged() {
    let rest = Some(Duration::from_secs(7));
    for (status, header, expected) in [
        (200, None, Verdict::Answered),
        (404, rest, Verdict::Answered),
        (429, rest, Verdict::Busy { rest: Duration::from_secs(7) }),
        (429, None, Verdict::Busy { rest: BUSY_REST }),
        (500, rest, Verdict::Failed),
        (503, rest, Verdict::Busy { rest: Duration::from_secs(7) }),
        (503, None, Verdict::Failed),
        (504, None, Verdict::TimedOut),
        (508, None, Verdict::Answered),
        (599, None, Verdict::Failed),
    ] {
        assert_eq!(Verdict::of_status(status, header), expected, "{status}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let wall = "1994-11-06T08:49:30Z".parse().unwrap();
    for (text, expected) in [
        ("120", Some(120)),
        (" 0 ", Some(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
        ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
        ("", None),
    ] {
        assert_eq!(retry_after(text, wall), expected.map(Duration::from_secs), "{text:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait { ms: u64 },
    Begin,
    End { which: usize, verdict: Verdict },
    Lose { which: usize },
    SeenAlive,
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        4 => Just(Verdict::Answered),
        4 => Just(Verdict::Failed),
        2 => Just(Verdict::TimedOut),
        2 => Just(Verdict::Unreachable),
        1 => (0_u64..100).prop_map(|s| Verdict::Busy { rest: Duration::from_secs(s) }),
        1 => Just(Verdict::Nothing),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u64..3_000).prop_map(|ms| Step::Wait { ms }),
        6 => Just(Step::Begin),
        6 => (any::<usize>(), any_verdict()).prop_map(|(which, verdict)| {
            Step::End { which, verdict }
        }),
        1 => any::<usize>().prop_map(|which| Step::Lose { which }),
        1 => Just(Step::SeenAlive),
    ]
}

fn cases() -> ProptestConfig {
    ProptestConfig::with_cases((STEPS / STEPS_PER_CASE) as u32)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_walk_ends_stuck(
        steps in proptest::collection::vec((any_step(), any::<u64>()), STEPS_PER_CASE)
    ) {
        let mut now = Duration::ZERO;
        let mut breaker = Breaker::new(now);
        let mut out = Vec::new();
        // When the newest probe was sent, while it is out.
        let mut probe: Option<(Pass, Now)> = None;
        for (step, random) in steps {
            match step {
                Step::Wait { ms } => now += Duration::from_millis(ms),
                Step::Begin => {
                    let is_due = matches!(breaker.standing(now), Standing::Due { .. });
                    let pass = breaker.begin(now);
                    prop_assert_eq!(pass.probe.is_some(), is_due);
                    if is_due {
                        let may_go = probe.is_none_or(|(_, sent)| PROBE_WAIT <= now - sent);
                        prop_assert!(may_go, "two probes at once");
                        probe = Some((pass, now));
                    }
                    out.push(pass);
                }
                Step::End { which, verdict } if !out.is_empty() => {
                    let pass = out.swap_remove(which % out.len());
                    let before = breaker.standing(now);
                    let change = breaker.ended(pass, verdict, now, random);
                    if probe.is_some_and(|(newest, _)| newest == pass)
                        || change == Change::Serves
                    {
                        probe = None;
                    }
                    if let Change::Rests { until, .. } = change {
                        prop_assert!(now + REST_MIN <= until && until <= now + REST_MAX);
                        prop_assert!(verdict.failure().is_some());
                    }
                    if verdict == Verdict::Answered && before == Standing::Serving {
                        prop_assert_eq!(breaker.standing(now), Standing::Serving);
                    }
                }
                Step::Lose { which } if !out.is_empty() => {
                    out.swap_remove(which % out.len());
                }
                Step::SeenAlive => breaker.seen_alive(now),
                Step::End { .. } | Step::Lose { .. } => (),
            }
            match breaker.standing(now) {
                Standing::Resting { until, .. } | Standing::Probing { until, .. } => {
                    prop_assert!(now < until && until <= now + REST_MAX, "an end in sight");
                }
                Standing::Serving | Standing::Due { .. } => (),
            }
        }
        // Whatever happened: after the longest rest one good answer is enough.
        now += REST_MAX;
        let pass = breaker.begin(now);
        breaker.ended(pass, Verdict::Answered, now, 0);
        prop_assert_eq!(breaker.standing(now), Standing::Serving);
    }
}
