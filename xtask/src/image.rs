//! What `deploy/Containerfile` says of the image that it makes.

use crate::shell::{Step, root};
use std::fs;

/// The last stage, which is what runs.
pub(crate) struct Image {
    /// Who runs it: numbers of user and group.
    pub(crate) user: String,
    pub(crate) environment: Vec<(String, String)>,
    /// What is run.
    pub(crate) command: Vec<String>,
    /// What says how it fares.
    pub(crate) health: Vec<String>,
}

/// What may stand at the beginning of a line.
const INSTRUCTIONS: [&str; 12] = [
    "FROM",
    "WORKDIR",
    "COPY",
    "RUN",
    "USER",
    "ENV",
    "EXPOSE",
    "VOLUME",
    "HEALTHCHECK",
    "STOPSIGNAL",
    "ENTRYPOINT",
    "CMD",
];
const FILE: &str = "deploy/Containerfile";

impl Image {
    /// Reads the file.
    pub(crate) fn read() -> Step<Self> {
        let text = fs::read_to_string(root().join(FILE));
        Self::parse(&text.map_err(|error| format!("{FILE}: {error}"))?)
    }

    fn parse(text: &str) -> Step<Self> {
        let is_read = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let lines = text.lines().map(str::trim_end).filter(is_read);
        let instructions: Vec<(&str, &str)> = lines
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
            .map(|(name, rest)| (name, rest.trim()))
            .collect();
        if let Some((name, _)) = instructions.iter().find(|(name, _)| !INSTRUCTIONS.contains(name))
        {
            return Err(format!("{FILE} has {name}, which is no instruction known here"));
        }
        let begins = instructions.iter().rposition(|(name, _)| *name == "FROM");
        let stage = instructions.get(begins.ok_or(format!("{FILE} has no FROM"))?..);
        let stage = stage.unwrap_or_default();
        let all = |wanted| stage.iter().filter(move |(name, _)| *name == wanted);
        let one = |wanted| match all(wanted).next_back() {
            Some((_, rest)) => Ok(*rest),
            None => Err(format!("{FILE} ends without {wanted}")),
        };
        if one("FROM")? != "scratch" {
            return Err(format!("{FILE} does not end with an empty base"));
        }
        let assigned = |(_, rest): &(&str, &str)| {
            let (name, value) = rest.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let health = one("HEALTHCHECK")?.strip_prefix("CMD ").unwrap_or_default();
        Ok(Self {
            user: one("USER")?.to_owned(),
            environment: all("ENV").filter_map(assigned).collect(),
            command: [words(one("ENTRYPOINT")?)?, words(one("CMD")?)?].concat(),
            health: words(health)?,
        })
    }
}

/// The words of a list; nothing else runs without a shell.
fn words(list: &str) -> Step<Vec<String>> {
    let wrong = || format!("{FILE}: {list} is no list of words in double quotes");
    let inner = list.strip_prefix('[').and_then(|list| list.strip_suffix(']')).ok_or_else(wrong)?;
    let word = |item: &str| {
        let word = item.trim().strip_prefix('"')?.strip_suffix('"')?;
        Some(word.to_owned())
    };
    inner.split(',').map(|item| word(item).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_is_what_runs() {
        let text = "# x\nFROM rust AS build\nUSER root\n\nFROM scratch\nUSER 1:2\nENV A=b=c\n\
                    HEALTHCHECK CMD [\"/p\", \"health\"]\nENTRYPOINT [\"/p\"]\nCMD [\"serve\"]\n";
        let image = Image::parse(text).unwrap();
        assert_eq!(image.user, "1:2");
        assert_eq!(image.environment, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!(image.command, ["/p", "serve"]);
        assert_eq!(image.health, ["/p", "health"]);
    }

    #[test]
    fn what_an_empty_base_cannot_run_is_refused() {
        let text = |commands| {
            format!("FROM scratch\nUSER 1:2\nHEALTHCHECK CMD [\"/p\"]\nCMD [\"a\"]\n{commands}\n")
        };
        assert!(Image::parse(&text("ENTRYPOINT [\"/p\"]")).is_ok());
        for wrong in ["", "ENTRYPOINT /p", "ENTRYPOINT [/p]", "SHELL [\"sh\"]"] {
            assert!(Image::parse(&text(wrong)).is_err(), "{wrong}");
        }
        assert!(Image::parse("FROM debian\nUSER 1:2").is_err());
    }
}
