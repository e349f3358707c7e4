//! The course of one socket, from its first frame to the goodbye.

use super::outbox::Outbox;
use super::pace::{Beat, Due};
use super::tally::{Cause, Tally};
use super::watched::Watch;
use super::wire::{self, Arrived, Reader, Writer};
use super::{Attendant, Bounds, Ended, code};
use crate::crew::StopSignal;
use crate::rate::Rate;
use crate::sockets::Closing;
use bytes::Bytes;
use futures::future::{BoxFuture, join};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// A socket that is carried.
pub(super) struct Carried {
    reader: Reader,
    writer: Writer,
    watch: Watch,
    outbox: Arc<Outbox>,
    beat: Beat,
    rate: Rate,
    idle_max: Duration,
    /// When the last message came and had been attended to.
    last_heard: Instant,
    alarm: Pin<Box<Sleep>>,
    is_stopping: bool,
    tally: Arc<Tally>,
}

/// What a socket does next.
enum Step {
    Arrived(Arrived),
    Ended(Ended),
    Alarm,
    Stop,
}

/// How long a goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// How long a message may take to come once it has begun.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);

impl Carried {
    pub(super) async fn begin(
        tcp: TcpStream,
        read: Bytes,
        outbox: Arc<Outbox>,
        bounds: Bounds,
        tally: Arc<Tally>,
    ) -> Self {
        let now = Instant::now();
        let beat = Beat::new(now);
        let (reader, writer, watch) = wire::begin(tcp, read, &bounds).await;
        Self {
            reader,
            writer,
            watch,
            outbox,
            alarm: Box::pin(sleep_until(beat.next())),
            beat,
            rate: Rate::new(bounds.messages_per_second_max, now),
            idle_max: bounds.idle_max,
            last_heard: now,
            is_stopping: false,
            tally,
        }
    }

    /// Carries it to its end.
    pub(super) async fn carry(
        mut self,
        mut attendant: Box<dyn Attendant>,
        mut stop: StopSignal,
    ) -> Ended {
        let ended = loop {
            match self.step(&mut stop).await {
                Step::Arrived(arrived) => {
                    if let Some(ended) = self.take(arrived, &mut *attendant, &mut stop).await {
                        break ended;
                    }
                }
                Step::Ended(ended) => break ended,
                Step::Alarm => {
                    if let Some(ended) = self.look() {
                        break ended;
                    }
                }
                Step::Stop => self.stop(),
            }
        };
        let told = attendant.closed(ended.closing.clone());
        join(Box::pin(self.say_goodbye(&ended)), told).await;
        ended
    }

    async fn step(&mut self, stop: &mut StopSignal) -> Step {
        let wait = self.rate.wait(Instant::now());
        let late = self.watch.began().map(|began| began + WHOLE_WITHIN);
        let waits = [wait, late, self.idle_at()];
        let next = waits.into_iter().flatten().fold(self.beat.next(), Instant::min);
        if self.alarm.deadline() != next {
            self.alarm.as_mut().reset(next);
        }
        let has_ended = self.outbox.has_ended();
        tokio::select! {
            arrived = self.reader.next(), if wait.is_none() && !has_ended => match arrived {
                Ok(arrived) => Step::Arrived(arrived),
                Err(ended) => Step::Ended(ended),
            },
            ended = write(&mut self.writer, &self.outbox, &self.tally) => Step::Ended(ended),
            () = self.alarm.as_mut() => Step::Alarm,
            () = stop.stopped(), if !self.is_stopping => Step::Stop,
        }
    }

    /// Does what is to be done about something that came.
    async fn take(
        &mut self,
        arrived: Arrived,
        attendant: &mut dyn Attendant,
        stop: &mut StopSignal,
    ) -> Option<Ended> {
        self.rate.take(Instant::now());
        self.beat.hear();
        match arrived {
            // It came when nobody wanted to hear any more.
            Arrived::Message(_) if self.outbox.has_ended() => None,
            Arrived::Message(payload) => {
                self.tally.note_came();
                let ended = self.write_until(attendant.hear(payload), stop).await;
                self.last_heard = Instant::now();
                // What came behind it has not been read meanwhile.
                self.watch.restart(self.last_heard);
                ended
            }
            Arrived::Sign => None,
            Arrived::Close(closing) => Some(Ended { closing, cause: Cause::Client }),
        }
    }

    /// Writes until a message has been attended to.
    async fn write_until(
        &mut self,
        mut heard: BoxFuture<'_, Result<(), Closing>>,
        stop: &mut StopSignal,
    ) -> Option<Ended> {
        let mut ended = None;
        loop {
            tokio::select! {
                heard = &mut heard => {
                    let removed = |closing| Ended { closing, cause: Cause::Removed };
                    return ended.or(heard.err().map(removed));
                }
                end = write(&mut self.writer, &self.outbox, &self.tally),
                    if ended.is_none() => ended = Some(end),
                () = stop.stopped(), if !self.is_stopping => self.stop(),
            }
        }
    }

    /// The host stops.
    fn stop(&mut self) {
        self.is_stopping = true;
        self.outbox.end(Ended::shutdown());
    }

    /// Looks whether the peer is there and does what it began.
    fn look(&mut self) -> Option<Ended> {
        let now = Instant::now();
        if self.idle_at().is_some_and(|idle| idle <= now) {
            return Some(Ended::new(Cause::Idle, code::NORMAL, "idle for too long"));
        }
        if self.watch.began().is_some_and(|began| began + WHOLE_WITHIN <= now) {
            return Some(Ended::new(Cause::Silent, code::POLICY, "message took too long"));
        }
        let signs = self.watch.take_signs();
        if signs.is_there {
            self.beat.hear();
        }
        self.beat.write(signs.written);
        match self.beat.due(now) {
            Due::Nothing => None,
            Due::Ping => {
                self.writer.ping();
                None
            }
            Due::Silent => Some(Ended::new(Cause::Silent, code::BROKEN, "")),
        }
    }

    /// When it has been without a message for too long. What is under way counts
    /// as one.
    fn idle_at(&self) -> Option<Instant> {
        let is_idle = self.watch.began().is_none() && !self.writer.is_within_message();
        let last = self.last_heard.max(self.writer.last_message());
        is_idle.then(|| last + self.idle_max)
    }

    /// Sends the close frame and lets the peer take it. Nobody waits for that
    /// for long.
    async fn say_goodbye(self, ended: &Ended) {
        if ended.closing.code == code::BROKEN {
            return;
        }
        let Self { reader, mut writer, .. } = self;
        let goodbye = async {
            if writer.close(ended).await.is_ok() {
                reader.end(writer).await;
            }
        };
        // Whoever does not take it is cut off.
        let _ = timeout(GOODBYE_MAX, goodbye).await;
    }
}

/// Writes for as long as there is a line; one that has ended is not written for long.
/// Nothing is lost when it is dropped before it is done.
async fn write(writer: &mut Writer, outbox: &Outbox, tally: &Tally) -> Ended {
    tokio::select! {
        ended = writer.work(outbox, tally) => ended,
        ended = outbox.given_up() => ended,
    }
}
