//! Tables on a terminal, and where there is none.
//!
//! A table that is wider than its terminal loses its least important columns
//! before anything is broken over lines. Ids never are: whoever copies one wants
//! it whole. Where there is no terminal, a row is a line.

use super::is_coloured;
use crate::telemetry::printable;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, presets,
};
use std::io::IsTerminal;

/// A column: its title, and what it is for whoever has little room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// The highest goes first; 0 always stays.
    pub(super) dispensable: u8,
    pub(super) holds: Holds,
}

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Numbers,
    /// What is copied, and never broken.
    Ids,
}

impl Column {
    pub(super) const fn text(title: &'static str, dispensable: u8) -> Self {
        Self { title, dispensable, holds: Holds::Text }
    }

    pub(super) const fn number(title: &'static str, dispensable: u8) -> Self {
        Self { title, dispensable, holds: Holds::Numbers }
    }

    pub(super) const fn id(title: &'static str, dispensable: u8) -> Self {
        Self { title, dispensable, holds: Holds::Ids }
    }
}

/// How a cell is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Doubtful,
    Bad,
}

/// What a table is printed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paper {
    /// Of a terminal, in columns.
    pub(super) width: Option<u16>,
    pub(super) is_coloured: bool,
}

impl Paper {
    pub(super) fn stdout() -> Self {
        let stdout = std::io::stdout();
        let size = || crossterm::terminal::size().ok().map(|(width, _)| width);
        let width = if stdout.is_terminal() { size() } else { None };
        // Something that does not know its size says that it has none.
        let width = width.filter(|width| 0 < *width);
        Self { width, is_coloured: is_coloured(&stdout) }
    }
}

/// Rows under titles.
#[derive(Debug)]
pub(super) struct Listing {
    columns: Vec<Column>,
    rows: Vec<Vec<(String, Tone)>>,
}

/// How much of a cell counts as needed; what is longer may be broken.
const CELL_WIDTH_MAX: u16 = 28;
/// Between two columns.
const GAP: u16 = 2;

impl Listing {
    pub(super) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// A row. What others wrote does nothing to a terminal.
    pub(super) fn add(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        let cells = cells.into_iter();
        self.rows.push(cells.map(|(text, tone)| (printable(&text).into_owned(), tone)).collect());
    }

    /// The same for cells that mean nothing by themselves.
    pub(super) fn add_plain(&mut self, cells: impl IntoIterator<Item = String>) {
        self.add(cells.into_iter().map(|cell| (cell, Tone::Plain)));
    }

    pub(super) fn render(&self, paper: Paper) -> String {
        let kept = self.kept(paper.width);
        let mut table = Table::new();
        table.load_style(presets::NOTHING).force_no_tty();
        if paper.is_coloured {
            table.enforce_styling();
        }
        match paper.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width)
            }
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        let columns = || self.columns.iter().zip(&kept).filter(|(_, is_kept)| **is_kept);
        table.set_header(
            columns().map(|(column, _)| Cell::new(column.title).add_attribute(Attribute::Bold)),
        );
        for row in &self.rows {
            let cells = row.iter().zip(&kept).filter(|(_, is_kept)| **is_kept);
            table.add_row(cells.map(|((text, tone), _)| cell(text, *tone)));
        }
        for (column, (told, _)) in table.column_iter_mut().zip(columns()) {
            column.set_padding((0, GAP));
            match told.holds {
                Holds::Text => (),
                Holds::Numbers => column.set_cell_alignment(CellAlignment::Right),
                Holds::Ids => {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
            }
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        lines.collect::<Vec<String>>().join("\n")
    }

    /// Which columns there is room for.
    fn kept(&self, width: Option<u16>) -> Vec<bool> {
        let mut kept = vec![true; self.columns.len()];
        let Some(width) = width else { return kept };
        let widths = self.widths();
        loop {
            let needed: u16 = widths.iter().zip(&kept).filter(|(_, k)| **k).map(|(w, _)| w).sum();
            let dispensable =
                self.columns.iter().zip(kept.iter_mut()).filter(|(_, is_kept)| **is_kept);
            let least = dispensable.max_by_key(|(column, _)| column.dispensable);
            match least {
                Some((column, is_kept)) if width < needed && 0 < column.dispensable => {
                    *is_kept = false;
                }
                _ => return kept,
            }
        }
    }

    /// What each column needs, the gap after it included.
    fn widths(&self) -> Vec<u16> {
        let mut table = Table::new();
        table.set_header(self.columns.iter().map(|column| column.title));
        for row in &self.rows {
            table.add_row(row.iter().map(|(text, _)| text.as_str()));
        }
        let needed = |(column, width): (&Column, u16)| match column.holds {
            Holds::Ids => width + GAP,
            Holds::Text | Holds::Numbers => width.min(CELL_WIDTH_MAX) + GAP,
        };
        self.columns.iter().zip(table.column_max_content_widths()).map(needed).collect()
    }
}

fn cell(text: &str, tone: Tone) -> Cell {
    let cell = Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Doubtful => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let columns = [
            Column::text("service", 0),
            Column::text("version", 2),
            Column::text("state", 0),
            Column::number("calls", 3),
            Column::text("module", 6),
        ];
        let mut listing = Listing::new(&columns);
        let row = ["go.micro.srv.greeter", "1.0.0", "serving", "12345", "greeter.wasm"];
        listing.add(row.map(|text| (text.to_owned(), Tone::Good)));
        listing
    }

    #[track_caller]
    fn shows(width: Option<u16>, words: &[&str], missing: &[&str]) {
        let text = listing().render(Paper { width, is_coloured: false });
        for line in text.lines() {
            let wide = usize::from(width.unwrap_or(u16::MAX));
            assert!(line.chars().count() <= wide, "{line:?}");
        }
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(!missing.iter().any(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn a_narrow_terminal_loses_columns_and_no_line_is_broken() {
        shows(Some(40), &["go.micro.srv.greeter", "serving", "1.0.0"], &["12345", ".wasm"]);
        shows(Some(80), &["go.micro.srv.greeter", "1.0.0", "12345", "greeter.wasm"], &[]);
        shows(None, &["go.micro.srv.greeter", "1.0.0", "12345", "greeter.wasm"], &[]);
    }

    #[test]
    fn what_is_needed_stays_however_narrow_it_is() {
        let text = listing().render(Paper { width: Some(20), is_coloured: false });
        assert!(text.lines().all(|line| line.chars().count() <= 20), "{text}");
        assert!(text.contains("serv"), "{text}");
        assert!(!text.contains("1.0.0"), "{text}");
    }

    #[test]
    fn ids_are_whole_however_narrow_it_is() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let mut listing = Listing::new(&[
            Column::id("trace", 0),
            Column::text("began with", 2),
            Column::number("took", 1),
        ]);
        listing.add_plain([id, "calc.add1", "12.34 ms"].map(str::to_owned));
        for (width, words, missing) in [
            (20, &[id][..], &["calc.add1", "12.34 ms"][..]),
            (33, &[id], &["calc.add1", "12.34 ms"]),
            (46, &[id, "12.34 ms"], &["calc.add1"]),
            (60, &[id, "12.34 ms", "calc.add1"], &[]),
        ] {
            let text = listing.render(Paper { width: Some(width), is_coloured: false });
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
            assert!(!missing.iter().any(|word| text.contains(word)), "{text}");
        }
    }

    #[test]
    fn a_row_is_a_line_whatever_is_in_it() {
        let mut listing = Listing::new(&[Column::text("service", 0), Column::id("id", 0)]);
        listing.add_plain(["a\nrefused b".to_owned(), "\u{1b}[2J".to_owned()]);
        for width in [None, Some(80)] {
            let text = listing.render(Paper { width, is_coloured: false });
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(text.contains("a\\nrefused b") && text.contains("\\u{1b}[2J"), "{text}");
        }
    }

    #[test]
    fn colours_are_there_where_they_are_wanted() {
        let colours = |is_coloured| listing().render(Paper { width: None, is_coloured });
        assert!(colours(true).contains("\x1b["));
        assert!(!colours(false).contains('\x1b'));
    }
}
