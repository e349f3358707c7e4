//! State: reads and writes of a guest beside redb called directly, and whether
//! what was acknowledged survives that its host is killed.

use crate::Measured;
use crate::connection::Connection;
use crate::files::{guest, put, state};
use crate::machine::{LOAD_CORE, SERVER_CORE, pin};
use crate::process::Cores;
use crate::report::{Column, Report, ratios};
use crate::spawned::Spawned;
use redb::{Database, ReadableDatabase, TableDefinition};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    sets: u32,
    gets: u32,
    writers: u32,
    kills: usize,
}

const PATIENCE: Duration = Duration::from_secs(120);
const LIMITS: &str = "[limits]\ncpu_ms = 60000\nwall_ms = 600000\nstate_mib = 1024";
/// As many keys as the guest uses.
const KEYS: u32 = 1_000;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");

impl Plan {
    pub(crate) const FULL: Self =
        Self { rounds: 9, sets: 500, gets: 20_000, writers: 32, kills: 100 };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    // Not in memory, where a commit costs nothing.
    let folder = TempDir::new_in(state().parent().ok_or("no folder")?)?;
    put(folder.path(), "keeper", &guest("keeper")?, LIMITS)?;
    let (host, _) = start(folder.path())?;
    let direct = Direct::open(&folder.path().join("direct"))?;
    let mut connection = Connection::open(host.address)?;
    let mut figures: [Vec<f64>; 5] = Default::default();
    for _ in 0..plan.rounds {
        pin(SERVER_CORE)?;
        figures[0].push(per_second(plan.sets, || direct.sets(plan.sets))?);
        figures[1].push(per_second(plan.gets, || direct.gets(plan.gets))?);
        pin(LOAD_CORE)?;
        let path = format!("/keeper/sets/{}", plan.sets);
        figures[2].push(per_second(plan.sets, || done(connection.post(&path, "")?.status, 204))?);
        let path = format!("/keeper/gets/{}", plan.gets);
        figures[3].push(per_second(plan.gets, || done(connection.get(&path)?.status, 200))?);
        figures[4].push(side_by_side(plan, host.address)?);
    }
    let title = format!(
        "{} rounds: {} sets of 100 bytes, {} gets; {} writers side by side; {} kills",
        plan.rounds, plan.sets, plan.gets, plan.writers, plan.kills
    );
    let mut report = Report::new("kept", title);
    let [sets, gets, own_sets, own_gets, many] = figures;
    let of =
        |own: &[f64], of: &[f64]| Column { name: "of redb", unit: "", rounds: ratios(own, of) };
    let (of_sets, of_gets, of_many) =
        (of(&own_sets, &sets), of(&own_gets, &gets), of(&many, &sets));
    let each = |rounds| Column { name: "each", unit: "/s", rounds };
    report.add("redb, a commit for each set", vec![each(sets)]);
    report.add("redb, a look for each get", vec![each(gets)]);
    report.add("sets of a guest, one by one", vec![of_sets, each(own_sets)]);
    report.add("sets of guests, side by side", vec![of_many, each(many)]);
    report.add("gets of a guest", vec![of_gets, each(own_gets)]);
    drop(host);
    kill(plan, folder.path(), &mut report)?;
    Ok(report)
}

fn start(folder: &Path) -> Measured<(Spawned, Duration)> {
    Spawned::start(folder, &folder.join("state"), Cores::One(SERVER_CORE), PATIENCE)
}

fn per_second(count: u32, act: impl FnOnce() -> Measured) -> Measured<f64> {
    let began = Instant::now();
    act()?;
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

fn done(status: u16, wanted: u16) -> Measured {
    if status == wanted { Ok(()) } else { Err(format!("answered {status}").into()) }
}

/// Sets a second of so many requests at once.
fn side_by_side(plan: &Plan, address: SocketAddr) -> Measured<f64> {
    let path = format!("/keeper/sets/{}", plan.sets);
    let began = Instant::now();
    let outcomes: Vec<Result<u16, String>> = std::thread::scope(|scope| {
        let ask = || {
            let answer = Connection::open(address).map_err(Into::into);
            let answer = answer.and_then(|mut connection| connection.post(&path, ""));
            answer.map(|answer| answer.status).map_err(|error| error.to_string())
        };
        let callers: Vec<_> = (0..plan.writers).map(|_| scope.spawn(ask)).collect();
        callers.into_iter().filter_map(|caller| caller.join().ok()).collect()
    });
    for outcome in outcomes {
        done(outcome?, 204)?;
    }
    Ok(f64::from(plan.sets * plan.writers) / began.elapsed().as_secs_f64())
}

/// The library without a host.
struct Direct(Database);

impl Direct {
    fn open(path: &Path) -> Measured<Self> {
        let database = Database::create(path)?;
        let writing = database.begin_write()?;
        writing.open_table(TABLE)?;
        writing.commit()?;
        Ok(Self(database))
    }

    fn sets(&self, count: u32) -> Measured {
        let value = "x".repeat(100);
        for number in 0..count {
            let writing = self.0.begin_write()?;
            let key = format!("s{}", number % KEYS);
            writing.open_table(TABLE)?.insert(key.as_bytes(), value.as_bytes())?;
            writing.commit()?;
        }
        Ok(())
    }

    fn gets(&self, count: u32) -> Measured {
        for number in 0..count {
            let table = self.0.begin_read()?.open_table(TABLE)?;
            let key = format!("s{}", number % KEYS);
            let found = table.get(key.as_bytes())?.map(|value| value.value().to_vec());
            std::hint::black_box(found);
        }
        Ok(())
    }
}

/// Kills the host under writers again and again, and looks for everything that
/// was acknowledged.
fn kill(plan: &Plan, folder: &Path, report: &mut Report) -> Measured {
    let acknowledged: Vec<AtomicU64> = (0..16).map(|_| AtomicU64::new(0)).collect();
    let (mut starts, mut missing) = (Vec::new(), 0);
    for round in 0..=plan.kills {
        let (host, took) = start(folder)?;
        starts.push(took.as_secs_f64() * 1e3);
        let mut connection = Connection::open(host.address)?;
        for (writer, count) in acknowledged.iter().enumerate() {
            let wanted = count.load(Relaxed);
            let answer = connection.get(&format!("/keeper/own/w{writer}"))?;
            // The last one may have been made without an answer.
            let there: u64 = String::from_utf8(answer.body)?.parse().unwrap_or_default();
            missing += u64::from(there < wanted);
        }
        if round == plan.kills {
            break;
        }
        std::thread::scope(|scope| {
            for (writer, count) in acknowledged.iter().enumerate() {
                scope.spawn(move || write(host.address, writer, count));
            }
            std::thread::sleep(Duration::from_millis(20 + 7 * (round as u64 % 13)));
            drop(host);
        });
    }
    #[allow(clippy::cast_precision_loss, reason = "some ten thousands")]
    let all = acknowledged.iter().map(|count| count.load(Relaxed)).sum::<u64>() as f64;
    report.add(
        "killed under 16 writers, and started",
        vec![
            Column { name: "ready", unit: " ms", rounds: starts },
            Column { name: "acknowledged", unit: "", rounds: vec![all] },
        ],
    );
    if 0 < missing {
        report.note_broken(format!("{missing} writes that were acknowledged are gone"));
    }
    Ok(())
}

/// Sets a key to the next number, again and again, until the host is gone.
fn write(address: SocketAddr, writer: usize, acknowledged: &AtomicU64) {
    let Ok(mut connection) = Connection::open(address) else { return };
    loop {
        let path = format!("/keeper/add/own/w{writer}/1");
        let Ok(answer) = connection.post(&path, "") else { return };
        let sum = String::from_utf8(answer.body).ok().and_then(|text| text.parse().ok());
        let (200, Some(sum)) = (answer.status, sum) else { return };
        acknowledged.store(sum, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let plan = Plan { rounds: 1, sets: 5, gets: 20, writers: 2, kills: 1 };
        let report = measure(&plan).unwrap();
        report.check_rows_of(&[1, 1, 1, 1, 1, 2]);
    }
}
