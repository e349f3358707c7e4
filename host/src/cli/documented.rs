//! The documents name what can be typed and set: all of it, and nothing else.

use super::args::Arguments;
use super::serve::NOT_SETTINGS;
use crate::keys::{Keys, asked};
use crate::manifest::Manifest;
use crate::settings::{External, Settings, token_source};
use clap::CommandFactory;
use std::collections::{BTreeMap, BTreeSet};

const OPERATING: &str = include_str!("../../../docs/OPERATING.md");
const DOCUMENTS: [(&str, &str); 4] = [
    ("OPERATING", OPERATING),
    ("GUESTS", include_str!("../../../docs/GUESTS.md")),
    ("TUTORIAL", include_str!("../../../docs/TUTORIAL.md")),
    ("README", include_str!("../../../README.md")),
];

/// A section of OPERATING, by its heading.
#[track_caller]
fn section(heading: &str) -> &'static str {
    let found = OPERATING
        .split("\n## ")
        .find(|section| section.lines().next().is_some_and(|first| first == heading));
    found.unwrap_or_else(|| panic!("OPERATING has no section {heading}"))
}

#[track_caller]
fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The commands that are shown, and their long flags.
fn commands() -> BTreeMap<String, BTreeSet<String>> {
    let mut whole = Arguments::command();
    whole.build();
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set());
    shown
        .filter(|command| command.get_name() != "help")
        .map(|command| {
            let flags = command.get_arguments().filter(|argument| !argument.is_hide_set());
            let flags = flags.filter_map(|argument| argument.get_long());
            let own = flags.filter(|flag| *flag != "help").map(|flag| format!("--{flag}"));
            (command.get_name().to_owned(), own.collect())
        })
        .collect()
}

#[test]
fn every_command_is_documented_with_every_flag() {
    let text = section("Commands and exit codes");
    let block = text.split("```").nth(1).unwrap();
    let mut wrong = Vec::new();
    for (command, flags) in commands() {
        let beginning = format!("picolet {command} ");
        // A command may have several lines, and lines that go on.
        let mut is_its = false;
        let usage = block.lines().filter(|line| {
            is_its =
                format!("{line} ").starts_with(&beginning) || (is_its && line.starts_with(' '));
            is_its
        });
        let usage: Vec<&str> = usage.collect();
        if usage.is_empty() {
            wrong.push(format!("`{beginning}` is not in OPERATING"));
        }
        for flag in flags {
            let is_there = usage.iter().any(|line| words(line).any(|word| word == flag));
            if !is_there && !OPERATING.contains(&format!("`{flag}")) {
                wrong.push(format!("`{beginning}{flag}` is not in OPERATING"));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn every_command_in_the_documents_can_be_typed() {
    let commands = commands();
    let mut wrong = Vec::new();
    for (document, text) in DOCUMENTS {
        for code in codes(text) {
            let mut words =
                words(code).skip_while(|word| *word != "picolet" && !word.ends_with("/picolet"));
            let (Some(_), Some(command)) = (words.next(), words.next()) else { continue };
            let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
            if command.starts_with('-') || !command.chars().all(is_word) {
                continue;
            }
            let Some(flags) = commands.get(command) else {
                wrong.push(format!("{document}: {code}: there is no command {command}"));
                continue;
            };
            let typed = words.take_while(|word| !["|", "#", "&&", "--"].contains(word));
            for flag in typed.filter(|word| word.starts_with("--")) {
                if !flags.contains(flag) {
                    wrong.push(format!("{document}: {code}: there is no flag {flag}"));
                }
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn every_flag_in_the_text_exists() {
    let commands = commands();
    let is_flag = |word: &&str| word.starts_with("--") && 2 < word.len();
    let flags = codes(OPERATING).filter_map(|code| words(code).next().filter(is_flag));
    let unknown = flags.filter(|flag| !commands.values().any(|flags| flags.contains(*flag)));
    nothing(&unknown.map(|flag| format!("OPERATING: no command has {flag}")).collect::<Vec<_>>());
}

/// Pieces of code: lines of blocks, and what is between backticks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let mut is_block = false;
    text.lines().flat_map(move |line| {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
            return Vec::new();
        }
        if is_block { vec![line] } else { line.split('`').skip(1).step_by(2).collect() }
    })
}

/// Words without what says that they can be left out, or that a value follows.
fn words(code: &str) -> impl Iterator<Item = &str> {
    let bare = |word: &'_ str| -> usize { word.find(['=', ']']).unwrap_or(word.len()) };
    code.split_whitespace().map(move |word| {
        let word = word.trim_start_matches('[');
        if word.starts_with("--") { &word[..bare(word)] } else { word }
    })
}

/// Rows of the tables of a section by the keys that they are of, and the names of
/// its tables.
fn documented(text: &str) -> (BTreeMap<String, &str>, BTreeSet<String>) {
    let (mut keys, mut tables) = (BTreeMap::new(), BTreeSet::new());
    let mut below = String::new();
    for line in text.lines() {
        let table = ["Under `[", "`[[", "| key of `["].iter().find_map(|beginning| {
            let name: String =
                line.strip_prefix(beginning)?.chars().take_while(|c| *c != ']').collect();
            Some(name)
        });
        if let Some(table) = table {
            below = format!("{table}.");
            tables.insert(table);
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let (cell, rest) = row.split_once(" |").unwrap_or((row, ""));
        // What is in parentheses is another way to say it.
        let cell = cell.split(" (").next().unwrap_or_default();
        let below = if rest.contains("under `[grants]`") { "grants." } else { &below };
        for key in cell.split(", ") {
            keys.insert(format!("{below}{}", key.trim_matches('`')), row);
        }
    }
    (keys, tables)
}

/// Compares keys that are read with a section.
#[track_caller]
fn compare(read: &BTreeSet<String>, text: &'static str) {
    let (keys, tables) = documented(text);
    let mut wrong = Vec::new();
    for key in read {
        // A table that has no keys of its own in the text is told of in its row.
        let in_row = || {
            let (table, name) = key.split_once('.')?;
            keys.get(table).map(|row| row.contains(&format!("`{name}`")))
        };
        let is_there = keys.contains_key(key) || tables.contains(key);
        if !is_there && !in_row().unwrap_or_default() {
            wrong.push(format!("`{key}` is not in OPERATING"));
        }
    }
    for key in keys.keys() {
        let is_table = || read.iter().any(|read| read.starts_with(&format!("{key}.")));
        if !read.contains(key) && !is_table() {
            wrong.push(format!("OPERATING: there is no key {key}"));
        }
    }
    nothing(&wrong);
}

fn settings_read() -> BTreeSet<String> {
    asked::by(|| {
        drop(token_source(&Keys::default()));
        drop(Settings::check("services".into(), Keys::default()));
    })
}

#[test]
fn every_setting_is_documented_and_every_documented_one_exists() {
    let mut read = settings_read();
    read.extend(External::KEYS.map(|key| format!("external.{key}")));
    compare(&read, section("Settings"));
}

#[test]
fn every_key_of_a_manifest_is_documented_and_every_documented_one_exists() {
    let read = asked::by(|| drop(Manifest::parse("", "x.toml")));
    compare(&read, section("Manifests"));
}

#[test]
fn every_variable_in_the_documents_is_read() {
    let read = settings_read();
    let mut wrong = Vec::new();
    for (document, text) in DOCUMENTS {
        for after in text.split("PICOLET_").skip(1) {
            let is_of_name = |c: &char| c.is_ascii_uppercase() || *c == '_';
            let name: String = after.chars().take_while(is_of_name).collect();
            let key = name.to_lowercase().replace("__", ".");
            // `PICOLET_A__B` stands for all of them.
            let is_known =
                ["", "A__B"].contains(&name.as_str()) || NOT_SETTINGS.contains(&name.as_str());
            let table = key.split('.').next().unwrap_or_default();
            if !is_known && !read.contains(&key) && !read.contains(table) {
                wrong.push(format!("{document}: nobody reads PICOLET_{name}"));
            }
        }
    }
    nothing(&wrong);
}
