//! Fleets in virtual time, and what is chosen step by step.

mod walk;
mod world;

use super::*;
use crate::balance::tests::bits;
use crate::breaker::Cause;
use world::World;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn listed(id: &str, place: Place, weight: u32) -> Listed<char> {
    Listed { id: id.into(), place, weight, endpoint: id.chars().next().unwrap() }
}

/// One letter for each endpoint; capitals are in this process.
fn list(ids: &str) -> Vec<Listed<char>> {
    let place = |id: char| if id.is_ascii_uppercase() { Place::Here } else { Place::There };
    ids.chars().map(|id| listed(&id.to_string(), place(id), 1)).collect()
}

fn fleet(ids: &str) -> Fleet<char> {
    let mut fleet = Fleet::new(Strategy::TwoChoices);
    fleet.refresh(list(ids), Duration::ZERO);
    fleet
}

fn good(latency: Duration) -> (Verdict, Duration) {
    (Verdict::Answered, latency)
}

#[test]
fn one_a_hundred_times_slower_gets_under_three_percent() {
    for (fast, slow) in [(1, 100), (10, 1_000), (50, 5_000)] {
        for callers in [1, 16] {
            let mut world = World::new("fs");
            world.run(callers, 2_000, |id, _| good(ms(if id == 's' { slow } else { fast })));
            let share = world.count('s');
            assert!(share < 60, "{share} of 2000, {callers} callers, {fast} and {slow} ms");
        }
    }
}

#[test]
fn who_becomes_fast_again_gets_its_share_back() {
    let mut world = World::new("ab");
    world.run(8, 2_000, |id, _| good(ms(if id == 'b' { 100 } else { 1 })));
    assert!(world.count('b') < 60);
    // Nobody calls it for as long as its latency takes to be forgotten.
    let end = world.now + Duration::from_secs(30);
    while world.now < end {
        world.run(8, 1_000, |_, _| good(ms(1)));
    }
    assert!((300..700).contains(&world.count('b')), "{:?}", world.counts);
}

#[test]
fn who_rested_gets_its_share_back_within_seconds() {
    let mut world = World::new("ab");
    let answer = |id: char, now: Now| match id {
        'b' if now < Duration::from_secs(20) => (Verdict::Unreachable, ms(2_000)),
        _ => good(ms(2)),
    };
    while world.now < Duration::from_secs(27) {
        world.run(8, 500, answer);
    }
    world.run(8, 2_000, answer);
    assert!(700 < world.count('b'), "{:?}", world.counts);
}

#[test]
fn a_new_one_gets_its_share_within_seconds_and_no_flood() {
    for callers in [1, 2, 16, 64] {
        let mut world = World::new("ab");
        let answer = |id: char, now: Now| {
            // Its first calls are cold.
            let is_cold = id == 'c' && now < Duration::from_secs(15) + ms(100);
            good(if is_cold { ms(30) } else { ms(2) })
        };
        while world.now < Duration::from_secs(15) {
            world.run(callers, 100, answer);
        }
        world.now = Duration::from_secs(15);
        world.fleet.refresh(list("abc"), world.now);
        let mut first = 0;
        let mut total = 0;
        while world.now < Duration::from_secs(16) {
            world.run(callers, 100, answer);
            first += world.count('c');
            total += 100;
        }
        assert!(first * 2 < total, "{first} of {total} in its first second, {callers} callers");
        while world.now < Duration::from_secs(19) {
            world.run(callers, 100, answer);
        }
        world.run(callers, 3_000, answer);
        assert!(400 < world.count('c'), "{callers} callers: {:?}", world.counts);
    }
}

#[test]
fn failures_do_not_look_fast() {
    let mut world = World::new("ab");
    world.run(8, 2_000, |id, _| match id {
        'a' => (Verdict::Failed, ms(0)),
        _ => good(ms(5)),
    });
    assert!(world.failed < 40, "{} failures", world.failed);
    // One that fails now and then is spared, too, without ever resting.
    let mut world = World::new("ab");
    world.run(8, 2_000, |id, now| match (id, now.subsec_micros() % 4) {
        ('a', 0) => (Verdict::Failed, Duration::from_micros(101)),
        ('a', _) => good(Duration::from_micros(101)),
        _ => good(Duration::from_micros(1_003)),
    });
    assert!(world.count('a') < 1_000, "{:?}", world.counts);
}

#[test]
fn one_that_flaps_every_second_fails_fewer_calls_each_time() {
    let mut world = World::new("abf");
    let answer = |id: char, now: Now| match (id, now.as_secs() % 2) {
        ('f', 1) => (Verdict::Unreachable, ms(0)),
        _ => good(ms(2)),
    };
    let mut failed = Vec::new();
    for second in [40, 70, 100] {
        let mut sum = 0;
        while world.now < Duration::from_secs(second) {
            world.run(8, 500, answer);
            sum += world.failed;
        }
        failed.push(sum);
    }
    assert!(failed.iter().all(|count| *count <= 8), "{failed:?}");
}

#[test]
fn with_all_gone_a_call_fails_at_once_and_says_when() {
    let mut world = World::new("abc");
    world.run(64, 5_000, |_, _| (Verdict::Unreachable, ms(0)));
    // Those under way, and a few probes of each in the five seconds after.
    assert!(world.failed <= 64 + 3 * 4, "{} calls found out", world.failed);
    let wish = world.wish(Turn::First);
    let Choice::Resting(resting) = world.fleet.choose(wish, |_| Fit::Yes) else {
        panic!("all rest")
    };
    assert_eq!((resting.ids.len(), resting.count), (3, 3));
    // At the time that was named there is somebody to try, and one is enough.
    world.now = resting.due;
    world.run(1, 1, |_, _| good(ms(1)));
    assert_eq!((world.refused, world.failed), (0, 0));
    world.now += Duration::from_secs(60);
    world.run(8, 600, |_, _| good(ms(1)));
    world.now += Duration::from_secs(2);
    world.run(8, 600, |_, _| good(ms(1)));
    assert!(world.counts.values().all(|count| 100 < *count), "{:?}", world.counts);
}

#[test]
fn answers_that_break_off_are_failures() {
    let mut fleet = fleet("a");
    let mut now = Duration::ZERO;
    let change = (0..30).find_map(|_| {
        now += ms(10);
        let wish = Wish { now, random: 0, turn: Turn::First, prefer: Prefer::Nobody };
        let Choice::Call(chosen) = fleet.choose(wish, |_| Fit::Yes) else { panic!("it serves") };
        let outcome = Outcome { verdict: Verdict::Answered, latency: ms(1) };
        fleet.ended(chosen.ticket, outcome, now, 0);
        match fleet.broke_off("a", now, 0) {
            Change::Unchanged => None,
            change => Some(change),
        }
    });
    assert!(matches!(change, Some(Change::Rests { cause: Cause::Failing, .. })), "{change:?}");
    assert_eq!(fleet.broke_off("a", now, 0), Change::Unchanged, "it rests already");
    assert_eq!(fleet.broke_off("b", now, 0), Change::Unchanged, "nobody is called so");
}

/// How many of a fleet rest after each endpoint behaved so for a while.
#[track_caller]
fn rests(ids: &str, verdict: Verdict, expected: usize) {
    let mut world = World::new(ids);
    world.run(4, 400, |id, _| match id {
        'g' => good(ms(3)),
        'u' | 'v' => (Verdict::Unreachable, ms(3)),
        _ => (verdict, ms(3)),
    });
    let wish = world.wish(Turn::First);
    let mut callable = Vec::new();
    while let Choice::Call(chosen) =
        world.fleet.choose(wish, |id| if callable.contains(id) { Fit::No } else { Fit::Yes })
    {
        callable.push(chosen.endpoint);
        world.fleet.abandoned(chosen.ticket, world.now);
    }
    assert_eq!(ids.len() - callable.len(), expected, "{ids}: callable are {callable:?}");
}

#[test]
fn half_of_a_service_may_rest_for_failing_and_all_of_it_for_silence() {
    rests("a", Verdict::Failed, 1);
    rests("ab", Verdict::Failed, 1);
    rests("abc", Verdict::Failed, 1);
    rests("abcd", Verdict::Failed, 2);
    rests("abgh", Verdict::Failed, 2);
    // Half of those that can be reached.
    rests("abuv", Verdict::Failed, 3);
    rests("auv", Verdict::Failed, 3);
    rests("abcd", Verdict::TimedOut, 4);
    rests("abcd", Verdict::Unreachable, 4);
}

#[test]
fn one_in_this_process_goes_first_and_overflows() {
    let mut world = World::new("Lr");
    world.run(8, 400, |_, _| good(ms(5)));
    assert_eq!(world.count('L'), 400);
    // At its limit.
    let wish = world.wish(Turn::First);
    let full = |id: &char| if *id == 'L' { Fit::Full } else { Fit::Yes };
    let Choice::Call(chosen) = world.fleet.choose(wish, full) else { panic!("r is there") };
    assert_eq!(chosen.endpoint, 'r');
    world.fleet.abandoned(chosen.ticket, world.now);
    // At its limit, and the other gone: better it than nobody.
    world.fleet.refresh(list("L"), world.now);
    let Choice::Call(chosen) = world.fleet.choose(wish, full) else { panic!("L is there") };
    assert_eq!(chosen.endpoint, 'L');
    world.fleet.abandoned(chosen.ticket, world.now);
    // It rests.
    world.fleet.refresh(list("Lr"), world.now);
    world.run(1, 100, |id, _| match id {
        'L' => (Verdict::Failed, ms(1)),
        _ => good(ms(1)),
    });
    assert_eq!((world.count('L'), world.count('r')), (5, 95));
}

#[test]
fn weight_zero_is_called_by_those_who_ask_for_it_alone() {
    let mut fleet = Fleet::new(Strategy::TwoChoices);
    fleet.refresh([listed("a", Place::There, 1), listed("w", Place::There, 0)], Duration::ZERO);
    let mut random = 1;
    let mut choose = |fit: &dyn Fn(&char) -> Fit| {
        let wish = Wish {
            now: Duration::from_secs(9),
            random: bits(&mut random),
            turn: Turn::First,
            prefer: Prefer::Nobody,
        };
        match fleet.choose(wish, fit) {
            Choice::Call(chosen) => {
                let endpoint = chosen.endpoint;
                fleet.abandoned(chosen.ticket, wish.now);
                endpoint
            }
            _ => '-',
        }
    };
    assert!((0..100).all(|_| choose(&|_| Fit::Yes) == 'a'));
    assert_eq!(choose(&|id| if *id == 'w' { Fit::Yes } else { Fit::No }), 'w');
    assert_eq!(choose(&|_| Fit::No), '-');
}

#[test]
fn state_stays_with_those_that_stay() {
    let mut world = World::new("ab");
    let wish = world.wish(Turn::First);
    let only_a = |id: &char| if *id == 'a' { Fit::Yes } else { Fit::No };
    let Choice::Call(first) = world.fleet.choose(wish, only_a) else { panic!("a is there") };
    let Choice::Call(second) = world.fleet.choose(wish, only_a) else { panic!("a is there") };
    world.fleet.refresh(list("abc"), world.now);
    let in_flight = |world: &World| -> Vec<u32> {
        world.fleet.states(world.now).map(|state| state.in_flight).collect()
    };
    assert_eq!(in_flight(&world), [2, 0, 0]);
    world.fleet.ended(first.ticket, gone(), world.now, 0);
    assert_eq!(in_flight(&world), [1, 0, 0]);
    let standing = |world: &World| world.fleet.states(world.now).next().unwrap().standing;
    assert!(matches!(standing(&world), Standing::Resting { cause: Cause::Silent, .. }));
    world.fleet.seen_alive("a", world.now);
    assert_eq!(standing(&world), Standing::Due { cause: Cause::Silent });
    // It leaves and comes back as another one, of which nothing is known.
    world.fleet.refresh(list("bc"), world.now);
    world.fleet.refresh(list("abc"), world.now);
    world.fleet.ended(second.ticket, gone(), world.now, 0);
    assert_eq!((in_flight(&world), in_flight(&world).len()), (vec![0, 0, 0], 3));
    assert_eq!(standing(&world), Standing::Serving);
}

fn gone() -> Outcome {
    Outcome { verdict: Verdict::Unreachable, latency: ms(1) }
}

#[test]
fn retries_come_out_of_the_budget_and_moves_do_not() {
    let mut world = World::new("ab");
    let count = |world: &mut World, turn: Turn| {
        let spent = |world: &mut World| {
            let wish = world.wish(turn);
            match world.fleet.choose(wish, |_| Fit::Yes) {
                Choice::Call(chosen) => {
                    world.fleet.abandoned(chosen.ticket, world.now);
                    false
                }
                other => matches!(other, Choice::Spent),
            }
        };
        (0..1_000).filter(|_| !spent(world)).count()
    };
    assert_eq!(count(&mut world, Turn::Moved), 1_000);
    assert_eq!(count(&mut world, Turn::First), 1_000);
    assert_eq!(count(&mut world, Turn::Again), 150);
}

#[test]
fn a_retry_is_not_the_probe_while_others_serve() {
    let mut world = World::new("ab");
    let wish = world.wish(Turn::First);
    let only_a = |id: &char| if *id == 'a' { Fit::Yes } else { Fit::No };
    let Choice::Call(chosen) = world.fleet.choose(wish, only_a) else { panic!("a is there") };
    world.fleet.ended(chosen.ticket, gone(), world.now, 0);
    world.now += Duration::from_secs(2);
    for (turn, expected) in [(Turn::Again, 'b'), (Turn::First, 'a'), (Turn::First, 'b')] {
        let wish = world.wish(turn);
        let Choice::Call(chosen) = world.fleet.choose(wish, |_| Fit::Yes) else { panic!("b") };
        assert_eq!(chosen.endpoint, expected, "{turn:?}");
    }
}

#[test]
fn while_all_is_well_a_long_list_is_not_looked_through() {
    let mut fleet = Fleet::new(Strategy::TwoChoices);
    let listed = (0..10_000).map(|id| listed(&id.to_string(), Place::There, 1));
    fleet.refresh(listed, Duration::ZERO);
    let mut random = 5;
    let mut looks = Vec::new();
    for _ in 0..100 {
        let count = std::cell::Cell::new(0);
        let fit = |_: &char| {
            count.set(count.get() + 1);
            Fit::Yes
        };
        let (now, turn) = (ms(9_000), Turn::First);
        let wish = Wish { now, random: bits(&mut random), turn, prefer: Prefer::Here };
        let Choice::Call(chosen) = fleet.choose(wish, fit) else { panic!("10,000 are there") };
        let outcome = Outcome { verdict: Verdict::Answered, latency: ms(1) };
        fleet.ended(chosen.ticket, outcome, now, 0);
        looks.push(count.get());
    }
    assert_eq!((looks[0], looks[1..].iter().max()), (10_000, Some(&2)));
}

#[test]
fn the_impatience_of_one_closes_nothing_to_all() {
    let mut world = World::new("a");
    world.run(1, 100, |_, _| good(ms(400)));
    let answer = |_: char, now: Now| match now.as_millis() % 3 {
        0 => good(ms(400)),
        _ => (Verdict::TimedOut, ms(20)),
    };
    world.run(8, 60, answer);
    assert_eq!(world.refused, 0);
    // One that no longer answers is found out all the same.
    world.run(1, 100, |_, _| (Verdict::TimedOut, ms(300)));
    assert!(90 < world.refused, "{} refused", world.refused);
}
