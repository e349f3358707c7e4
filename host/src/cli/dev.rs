//! `picolet dev`: from a save to an answer.
//!
//! A save starts the tools at once and ends the build that runs. What was built
//! goes to the host, which is one of this process unless another is named. What
//! fails changes nothing of what is served.

mod follow;
mod place;
mod saves;

use super::args::{DevArgs, HOST, RemoteArgs, ServeArgs};
use super::project::{Group, Outcome, Profile, Project};
use super::remote::block_on;
use super::serve::{Stop, look, outcome, runtime, settings};
use super::{Failure, complain, tell};
use crate::app::{BuildError, Host};
use crate::keys::Keys;
use crate::telemetry::{Announcer, start_log};
use place::{LINES_MAX, Place, Said, Verdict};
use saves::Saves;
use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use toml::Value;

/// How long callers may take when this ends.
const GRACE: Duration = Duration::from_secs(1);

pub(super) fn dev(args: DevArgs) -> Result<(), Failure> {
    let project = Project::here()?;
    let profile = args.build.profile();
    if let Some(host) = args.host {
        let saves = Saves::watch(&project, &project.made())?;
        let host = RemoteArgs { host, token: args.token, json: false };
        return remote(Work { project, profile, saves }, &host);
    }
    let folder = args.dir.unwrap_or_else(|| project.folder.join("target/picolet/services"));
    std::fs::create_dir_all(&folder).map_err(|error| {
        let folder = folder.display();
        Failure::Failed(format!("{folder} cannot be made ({error}); name another with --dir"))
    })?;
    // What is put there is no save.
    let mut made = project.made();
    made.push(folder.clone());
    let saves = Saves::watch(&project, &made)?;
    let serve = ServeArgs {
        folder,
        listen: args.listen,
        admin: args.admin,
        advertise: None,
        state: None,
        config: None,
    };
    local(Work { project, profile, saves }, serve)
}

/// Works with a host that runs elsewhere.
fn remote(work: Work, host: &RemoteArgs) -> Result<(), Failure> {
    block_on(async {
        let stop = Stop::or_hangup()?;
        let (deployed, at) = watch::channel(None);
        let follow = follow::follow(host, at);
        tokio::select! {
            done = work.go_on(Place::Host { host, deployed }, stop) => done,
            never = follow => never,
        }
    })
}

/// Works with a host of its own.
fn local(work: Work, serve: ServeArgs) -> Result<(), Failure> {
    let folder = serve.folder.clone();
    let mut usual = Keys::default();
    usual.add("fast_reload", Value::Boolean(true), "picolet dev");
    let settings = settings(serve, usual)?;
    let _log = start_log(&settings.log, look(&settings.log));
    let runtime = runtime()?;
    runtime.block_on(async {
        let program = std::env::current_exe().map_err(Failure::failed)?;
        let stop = Stop::or_hangup()?;
        let (told, lines) = mpsc::channel(LINES_MAX);
        let announcer = Announcer::to(move |line| pass_on(line, &told));
        let host = Host::build_saying(settings, program, announcer);
        let host = host.await.map_err(|error| not_built(&error))?;
        let (end, ended) = watch::channel(false);
        let stopping = is_true(ended.clone());
        let working = async {
            let place = Place::Folder { folder: &folder, said: Said::by(lines) };
            let done = work.go_on(place, stop).await;
            end.send_replace(true);
            done
        };
        let late = async {
            is_true(ended).await;
            tokio::time::sleep(GRACE).await;
        };
        let (done, report) = tokio::join!(working, host.run(stopping, late));
        done.and(outcome(&report))
    })
}

/// Why there is no host, and what is meant, as a rule, by whoever has one already.
fn not_built(error: &BuildError) -> Failure {
    let is_taken = |source: &io::Error| source.kind() == io::ErrorKind::AddrInUse;
    Failure::Failed(match error {
        BuildError::Bind { source, .. } if is_taken(source) => {
            format!("{error}; if a host of yours is there: `picolet dev --host {HOST}`")
        }
        _ => error.to_string(),
    })
}

async fn is_true(mut told: watch::Receiver<bool>) {
    let _ = told.wait_for(|is_over| *is_over).await;
}

/// Prints a line of the host, and lets whoever waits for it know.
fn pass_on(line: &str, told: &mpsc::Sender<String>) {
    // The first build is what will be put there.
    if !line.contains("holds no module yet") {
        tell(line);
    }
    let _ = told.try_send(line.to_owned());
}

/// Building, again and again.
struct Work {
    project: Project,
    profile: Profile,
    saves: Saves,
}

impl Work {
    /// Builds and deploys until it is told to stop. Every save begins anew.
    async fn go_on(
        mut self,
        mut place: Place<'_>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let mut stop = pin!(stop);
        let Self { project, profile, saves } = &mut self;
        loop {
            let saved = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                saved = saves.next() => saved?,
                failed = round(project, *profile, &mut place) => return Err(failed),
            };
            let saved = saved.strip_prefix(&project.folder).unwrap_or(&saved).to_owned();
            tell(&format!("saved {}", saved.display()));
        }
    }
}

/// One build and what comes of it, and then nothing until it is dropped.
/// Dropping it ends the build.
async fn round(project: &Project, profile: Profile, place: &mut Place<'_>) -> Failure {
    let started = Instant::now();
    match project.build(profile, Group::Own).await {
        Err(failure) => return failure,
        Ok(Outcome::Failed(reason)) => {
            if let Some(reason) = reason {
                complain(&format!("error: {reason}"));
            }
            tell("the build failed; what was served before still is");
        }
        Ok(Outcome::Built(modules)) => {
            let built = took(started.elapsed());
            for module in modules {
                let put = Instant::now();
                let verdict = match place.put(&module).await {
                    Ok(verdict) => verdict,
                    Err(error) => Verdict::Refused(error),
                };
                say(&built, &module.name, &verdict, put.elapsed());
            }
        }
    }
    std::future::pending().await
}

fn say(built: &str, name: &str, verdict: &Verdict, since: Duration) {
    let since = took(since);
    match verdict {
        Verdict::Serving => tell(&format!("built in {built}, serving in {since}")),
        Verdict::Unchanged => tell(&format!("built in {built}, {name} is what it was")),
        Verdict::Unknown => {
            tell(&format!("built in {built}; the host has said nothing of {name} for {since}"));
        }
        Verdict::Refused(reason) => {
            complain(&format!("error: built in {built}, but {name} is not served: {reason}"));
        }
    }
}

/// A time for people.
fn took(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_read_them() {
        assert_eq!(took(Duration::from_micros(48_900)), "48 ms");
        assert_eq!(took(Duration::from_millis(1_918)), "1.92 s");
    }
}
