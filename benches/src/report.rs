//! What an entry came to: a table for people, JSON for programs, both with the
//! machine and its load.

use crate::Measured;
use crate::figures::{median, quantile};
use crate::machine::Machine;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// The figures of one entry.
pub(crate) struct Report {
    name: &'static str,
    title: String,
    rows: Vec<Row>,
    /// What is not as it must be, however fast it is.
    broken: Vec<String>,
}

/// One thing that was measured, in as many rounds as there are figures.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column>,
}

/// One figure of a row, by round.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) rounds: Vec<f64>,
}

impl Report {
    pub(crate) fn new(name: &'static str, title: String) -> Self {
        Self { name, title, rows: Vec::new(), broken: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &'static str, columns: Vec<Column>) {
        self.rows.push(Row { name, columns });
    }

    /// Notes that something is not as it must be.
    pub(crate) fn note_broken(&mut self, what: String) {
        self.broken.push(what);
    }

    /// Fails when something is not as it must be.
    pub(crate) fn judge(&self) -> Measured {
        if self.broken.is_empty() { Ok(()) } else { Err(self.broken.join("; ").into()) }
    }

    /// Prints medians, with the range they come from.
    pub(crate) fn print(&self) {
        println!("{}: {}", self.name, self.title);
        for row in &self.rows {
            let cells: Vec<String> = row.columns.iter().map(Column::render).collect();
            println!("  {:<38}{}", row.name, cells.join("   "));
        }
    }

    /// Writes the figures of every round to `NAME.json` in a folder.
    pub(crate) fn write(&self, folder: &Path, machine: &Machine) -> Measured {
        let mut rows = Map::new();
        for row in &self.rows {
            let columns = row.columns.iter().map(|column| (column.name.to_owned(), column.json()));
            rows.insert(row.name.to_owned(), Value::Object(columns.collect()));
        }
        let machine = json!({
            "cores": machine.cores, "kernel": machine.kernel, "load": machine.load,
        });
        let report = json!({ "title": self.title, "machine": machine, "rows": rows });
        fs::create_dir_all(folder)?;
        let file = folder.join(format!("{}.json", self.name));
        fs::write(file, format!("{}\n", serde_json::to_string_pretty(&report)?))?;
        Ok(())
    }
}

/// Quotients of the same round: what disturbs one disturbs the other.
pub(crate) fn ratios(figures: &[f64], of: &[f64]) -> Vec<f64> {
    figures.iter().zip(of).map(|(own, of)| own / of).collect()
}

impl Column {
    fn render(&self) -> String {
        let digits = if median(&self.rounds) < 100.0 { 2 } else { 0 };
        let [low, middle, high] = [0.0, 0.5, 1.0].map(|share| quantile(&self.rounds, share));
        let (name, unit) = (self.name, self.unit);
        format!("{name} {middle:.digits$}{unit} ({low:.digits$} to {high:.digits$})")
    }

    fn json(&self) -> Value {
        json!({ "unit": self.unit.trim(), "median": median(&self.rounds), "rounds": self.rounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Report {
        /// Checks that so many rows have so many rounds of plausible figures.
        #[track_caller]
        pub(crate) fn check_rows(&self, rows: usize, rounds: usize) {
            self.check_rows_of(&vec![rounds; rows]);
        }

        /// The same where rows have different numbers of rounds.
        #[track_caller]
        pub(crate) fn check_rows_of(&self, rounds: &[usize]) {
            self.judge().unwrap();
            let names: Vec<&str> = self.rows.iter().map(|row| row.name).collect();
            assert_eq!(names.len(), rounds.len(), "{names:?}");
            for (row, rounds) in self.rows.iter().zip(rounds) {
                let first = &row.columns.first().expect("a row has columns").rounds;
                assert_eq!(first.len(), *rounds, "{}", row.name);
                assert!(first.iter().all(|figure| figure.is_finite()), "{}: {first:?}", row.name);
            }
        }
    }

    #[test]
    fn a_report_is_a_table_and_a_file_with_every_round() {
        let mut report = Report::new("sample", "a title".into());
        let rounds = vec![3.0, 1.0, 2.0];
        report.add("row", vec![Column { name: "time", unit: " ms", rounds }]);
        let column = report.rows.first().and_then(|row| row.columns.first()).map(Column::render);
        assert_eq!(column.as_deref(), Some("time 2.00 ms (1.00 to 3.00)"));
        let folder = tempfile::TempDir::new().unwrap();
        report.write(folder.path(), &Machine::look().unwrap()).unwrap();
        let written = fs::read_to_string(folder.path().join("sample.json")).unwrap();
        let written: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(written.pointer("/rows/row/time/median"), Some(&json!(2.0)));
        assert!(written.pointer("/machine/load").is_some());
    }
}
