//! What functions are told that the host calls by itself: why a revision starts
//! or stops, and when a timer was due.

use std::time::{Duration, SystemTime};

use crate::{Fault, FromRequest, Request};

/// Why a revision starts, as an argument of the function marked `#[start]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartCause {
    /// Nothing of its module was live; the host may have been started just now.
    Load,
    /// It takes the place of another revision, which serves until this one does.
    Swap,
    /// It was live before, and the host goes back to it.
    Rollback,
}

/// Why a revision stops, as an argument of the function marked `#[stop]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopCause {
    /// Another revision is in its place.
    Replaced,
    /// Its file was taken out of the folder.
    Removed,
    /// It was started, and never went live.
    Refused,
    /// The host goes down.
    Shutdown,
}

impl FromRequest for StartCause {
    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        match request.header("x-cause") {
            Some("load") => Ok(Self::Load),
            Some("swap") => Ok(Self::Swap),
            Some("rollback") => Ok(Self::Rollback),
            other => Err(unknown("start", other)),
        }
    }
}

impl FromRequest for StopCause {
    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        match request.header("x-cause") {
            Some("replaced") => Ok(Self::Replaced),
            Some("removed") => Ok(Self::Removed),
            Some("refused") => Ok(Self::Refused),
            Some("shutdown") => Ok(Self::Shutdown),
            other => Err(unknown("stop", other)),
        }
    }
}

#[cold]
fn unknown(what: &str, cause: Option<&str>) -> Fault {
    Fault::internal(format!("cause {cause:?} of a {what} is not known"))
}

/// What is known when a timer fires, as an argument of a function marked
/// `#[every]` or `#[cron]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The name of the timer.
    pub timer: String,
    /// When it was due.
    pub due: SystemTime,
}

impl FromRequest for Tick {
    async fn from_request(request: &mut Request) -> Result<Self, Fault> {
        let due = request.header("x-scheduled-at").and_then(|text| text.parse().ok());
        Ok(Self {
            timer: request.path().trim_start_matches('/').to_owned(),
            due: SystemTime::UNIX_EPOCH + Duration::from_millis(due.unwrap_or_default()),
        })
    }
}
