//! What the files of `deploy/` tell the host is read here by the host's own code:
//! each command can be typed, each setting is one.

use super::args::{Arguments, Command, ServeArgs};
use super::serve::{add_environment, settings_file};
use crate::keys::Keys;
use crate::settings::Settings;
use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

type Variables = Vec<(String, String)>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

/// What follows a word at the beginning of the one line that has it there.
#[track_caller]
fn line_of<'a>(text: &'a str, beginning: &str) -> &'a str {
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(beginning)).collect();
    let [line] = lines[..] else { panic!("{} lines begin with {beginning}", lines.len()) };
    line
}

#[track_caller]
fn typed(words: &[String]) -> Command {
    match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments.command,
        Err(error) => panic!("{words:?}: {error}"),
    }
}

/// The settings of a command that serves, and what else is typed.
#[track_caller]
fn serves(words: &[String], variables: Variables) -> (Settings, ServeArgs) {
    let Command::Serve(args) = typed(words) else { panic!("{words:?} does not serve") };
    let mut keys = Keys::default();
    if let Some(file) = settings_file(&args).unwrap() {
        keys.add_toml(&fs::read_to_string(&file).unwrap(), &file.display().to_string());
    }
    add_environment(&mut keys, variables.into_iter());
    match Settings::check(args.folder.clone(), keys) {
        Ok(settings) => (settings, args),
        Err(complaints) => panic!("{words:?}: {complaints:?}"),
    }
}

/// The image's command and environment.
fn image() -> (Vec<String>, Variables) {
    let text = read("Containerfile");
    let words =
        |beginning| -> Vec<String> { serde_json::from_str(line_of(&text, beginning)).unwrap() };
    let assigned = text.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    let variables = assigned.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (words("ENTRYPOINT ").into_iter().chain(words("CMD ")).collect(), variables)
}

#[test]
fn the_unit_starts_a_host() {
    let text = read("picolet.service");
    let words: Vec<String> = line_of(&text, "ExecStart=").split(' ').map(str::to_owned).collect();
    let (settings, args) = serves(&words, Vec::new());
    // What is watched and kept is what systemd makes for it.
    let made: Vec<PathBuf> = line_of(&text, "StateDirectory=")
        .split(' ')
        .map(|folder| Path::new("/var/lib").join(folder))
        .collect();
    assert!(made.contains(&settings.folder), "{made:?}");
    assert!(made.contains(&PathBuf::from(args.state.unwrap())), "{made:?}");
}

#[test]
fn the_image_starts_a_host_and_asks_how_it_fares() {
    let (words, variables) = image();
    let (settings, _) = serves(&words, variables);
    let port = settings.listen.first().unwrap().port();
    let text = read("Containerfile");
    assert_eq!(line_of(&text, "EXPOSE "), port.to_string());
    assert_eq!(Path::new(line_of(&text, "VOLUME ")), settings.state);
    let health: Vec<String> = serde_json::from_str(line_of(&text, "HEALTHCHECK CMD ")).unwrap();
    assert!(matches!(typed(&health), Command::Health(_)));
}

#[test]
fn the_compose_file_starts_two_hosts_that_know_each_other() {
    let documents = YamlLoader::load_from_str(&read("compose/compose.yaml")).unwrap();
    let services = documents.first().unwrap()["services"].as_hash().unwrap();
    let (words, variables) = image();
    let mut domains = Vec::new();
    let mut known = Vec::new();
    for (name, service) in services {
        let name = name.as_str().unwrap();
        let watched = mounted(service, words.last().unwrap());
        let words = ["picolet", "serve", watched.to_str().unwrap()].map(str::to_owned);
        let own = service["environment"].as_hash().unwrap().iter();
        let own = own.map(|(name, value)| {
            (name.as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned())
        });
        let variables = variables.iter().cloned().chain(own).collect();
        let (settings, _) = serves(&words, variables);
        assert_eq!(settings.node, name);
        domains.push(settings.advertise.unwrap());
        known.extend(
            settings
                .external
                .iter()
                .map(|external| external.record()["domain"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(domains.len(), 2);
    assert!(!known.is_empty() && known.iter().all(|domain| domains.contains(domain)), "{known:?}");
}

/// The folder of this tree that is mounted there.
#[track_caller]
fn mounted(service: &Yaml, place: &str) -> PathBuf {
    let volumes =
        service["volumes"].as_vec().unwrap().iter().map(|volume| volume.as_str().unwrap());
    let from = volumes.filter_map(|volume| {
        let (from, to) = volume.split_once(':')?;
        (to.split(':').next() == Some(place)).then_some(from)
    });
    let from: Vec<&str> = from.collect();
    let [from] = from[..] else { panic!("{place} is mounted {} times", from.len()) };
    let from = folder().join("compose").join(from);
    assert!(from.is_dir(), "{} is not there", from.display());
    from
}
