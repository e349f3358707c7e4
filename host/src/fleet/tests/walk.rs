//! Fleets as long walks at random.

use super::{list, ms};
use crate::balance::Strategy;
use crate::breaker::{Cause, Standing, Verdict};
use crate::fleet::{Choice, Fit, Fleet, Outcome, Prefer, State, Ticket, Turn, Wish};
use proptest::prelude::{Strategy as _, *};
use std::time::Duration;

/// Steps of all long walks at random; together with the others a million.
const STEPS: usize = if cfg!(debug_assertions) { 25_000 } else { 250_000 };
const STEPS_PER_CASE: usize = 500;

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Call { turn: u8, tried: u8 },
    End { which: usize, verdict: u8 },
    List(u8),
    SeenAlive(u8),
}

fn any_step() -> impl proptest::strategy::Strategy<Value = Step> {
    prop_oneof![
        2 => (0_u64..2_000).prop_map(Step::Wait),
        8 => (0_u8..3, any::<u8>()).prop_map(|(turn, tried)| Step::Call { turn, tried }),
        8 => (any::<usize>(), 0_u8..12).prop_map(|(which, verdict)| Step::End { which, verdict }),
        1 => any::<u8>().prop_map(Step::List),
        1 => (0_u8..6).prop_map(Step::SeenAlive),
    ]
}

/// The letters whose bits are set; the first is in this process.
fn some_of(set: u8) -> String {
    "Abcdef".chars().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, id)| id).collect()
}

fn verdict_of(number: u8) -> Verdict {
    match number {
        0..5 => Verdict::Answered,
        5..8 => Verdict::Failed,
        8 => Verdict::TimedOut,
        9 => Verdict::Unreachable,
        10 => Verdict::Busy { rest: ms(1_500) },
        _ => Verdict::Nothing,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases((STEPS / STEPS_PER_CASE) as u32))]

    #[test]
    fn no_walk_leaves_a_fleet_stuck_or_a_call_in_flight(
        steps in proptest::collection::vec((any_step(), any::<u64>()), STEPS_PER_CASE),
        strategy in 0_usize..5,
    ) {
        let names = ["two-choices", "least-in-flight", "round-robin", "random", "weighted"];
        let mut fleet = Fleet::new(Strategy::parse(names[strategy]).unwrap());
        let mut now = Duration::ZERO;
        let mut set = 0b11_1111;
        fleet.refresh(list(&some_of(set)), now);
        let mut out: Vec<Ticket> = Vec::new();
        for (step, random) in steps {
            match step {
                Step::Wait(wait) => now += ms(wait),
                Step::List(next) => {
                    set = next;
                    fleet.refresh(list(&some_of(set)), now);
                }
                Step::SeenAlive(at) => fleet.seen_alive(&some_of(1 << at), now),
                Step::End { which, verdict } if !out.is_empty() => {
                    let ticket = out.swap_remove(which % out.len());
                    let outcome = Outcome { verdict: verdict_of(verdict), latency: ms(7) };
                    fleet.ended(ticket, outcome, now, random);
                }
                Step::End { .. } => (),
                Step::Call { turn, tried } => {
                    let turn = [Turn::First, Turn::Again, Turn::Moved][usize::from(turn)];
                    let wish = Wish { now, random, turn, prefer: Prefer::Here };
                    let tried = some_of(tried);
                    let fit = |id: &char| if tried.contains(*id) { Fit::No } else { Fit::Yes };
                    let suiting = some_of(set).chars().filter(|id| !tried.contains(*id)).count();
                    match fleet.choose(wish, fit) {
                        Choice::Call(chosen) => {
                            prop_assert!(!tried.contains(chosen.endpoint));
                            out.push(chosen.ticket);
                        }
                        Choice::Resting(resting) => {
                            prop_assert_eq!(resting.count, suiting);
                            prop_assert!(now < resting.due);
                            prop_assert!(resting.due <= now + Duration::from_secs(60));
                        }
                        Choice::Spent => prop_assert_eq!(turn, Turn::Again),
                        Choice::Nobody => prop_assert_eq!(suiting, 0),
                    }
                }
            }
            let failing = |state: &State<'_, char>| {
                matches!(
                    state.standing,
                    Standing::Resting { cause: Cause::Failing, .. }
                        | Standing::Probing { cause: Cause::Failing, .. }
                )
            };
            if 1 < fleet.states(now).count() && fleet.states(now).all(|state| failing(&state)) {
                let wish = Wish { now, random, turn: Turn::Moved, prefer: Prefer::Nobody };
                let Choice::Call(chosen) = fleet.choose(wish, |_| Fit::Yes) else {
                    return Err(TestCaseError::fail("all rest for failing"));
                };
                fleet.abandoned(chosen.ticket, now);
            }
        }
        for ticket in out {
            fleet.abandoned(ticket, now);
        }
        prop_assert!(fleet.states(now).all(|state| state.in_flight == 0));
        // Once nobody fails any more, everyone serves again within a minute.
        now += Duration::from_secs(60);
        for random in 0..8 {
            let wish = Wish { now, random, turn: Turn::First, prefer: Prefer::Nobody };
            if let Choice::Call(chosen) = fleet.choose(wish, |_| Fit::Yes) {
                let outcome = Outcome { verdict: Verdict::Answered, latency: ms(1) };
                fleet.ended(chosen.ticket, outcome, now, random);
            }
        }
        prop_assert!(fleet.states(now).all(|state| state.standing == Standing::Serving));
    }
}
