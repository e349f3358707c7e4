//! `picolet top`: services and their figures on a whole screen, as they change.
//!
//! What is known ([`known`]), what keys do to it ([`keys`]) and how it is drawn
//! ([`draw`]) are apart from the terminal and the host, which are here.

mod draw;
mod keys;
mod known;

use super::args::{RemoteArgs, TopArgs};
use super::remote::{block_on, fetch};
use super::serve::Stop;
use super::table::{Column, Listing, Paper};
use super::{Failure, is_coloured, print};
use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use keys::Next;
use known::{FIELDS, Known};
use ratatui::DefaultTerminal;
use serde_json::Value;
use std::io::IsTerminal;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Between two looks at the host.
const EVERY: Duration = Duration::from_secs(1);
/// What a host gets to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

pub(super) fn top(args: &TopArgs) -> Result<(), Failure> {
    let is_screen = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if args.remote.json {
        return block_on(async {
            print(&fetch(&args.remote, LISTING).await?.to_string());
            Ok(())
        });
    }
    if args.once || !is_screen {
        block_on(once(&args.remote))
    } else {
        block_on(live(&args.remote))
    }
}

const LISTING: &str = "/admin/v1/services";

/// Prints one table. Rates want two looks.
async fn once(host: &RemoteArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let mut known = Known::new(&host.host);
    known.learn(&fetch(host, LISTING).await?, began.elapsed());
    sleep(EVERY).await;
    known.learn(&fetch(host, LISTING).await?, began.elapsed());
    let columns = FIELDS.map(|field| {
        let (title, dispensable) = (field.title(), field.dispensable());
        if field.is_number() {
            Column::number(title, dispensable)
        } else {
            Column::text(title, dispensable)
        }
    });
    let mut table = Listing::new(&columns);
    for line in known.shown() {
        table.add(FIELDS.map(|field| (line.text(field), line.tone(field))));
    }
    print(&table.render(Paper::stdout()));
    Ok(())
}

/// What was heard of the host.
enum Heard {
    Services(Value),
    /// Of the service that was asked for.
    Detail(Value),
    Nothing,
}

/// Draws until somebody wants it to end.
async fn live(host: &RemoteArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let mut known = Known::new(&host.host);
    // A host that was never there is no reason for a screen.
    known.learn(&fetch(host, LISTING).await?, began.elapsed());
    let mut stop = pin!(Stop::or_hangup()?);
    let (wanted, asked) = watch::channel(None);
    let (hear, mut heard) = mpsc::channel(2);
    let mut asking = pin!(ask(host, asked, hear));
    let mut screen = Screen::open()?;
    let mut keys = EventStream::new();
    loop {
        screen.draw(&known)?;
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = &mut asking => return Ok(()),
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) => if known.press(key) == Next::End { return Ok(()) },
                Some(Ok(_)) => (),
                // The terminal is gone.
                Some(Err(_)) | None => return Ok(()),
            },
            Some(heard) = heard.recv() => match heard {
                Heard::Services(listing) => known.learn(&listing, began.elapsed()),
                Heard::Detail(detail) => known.learn_detail(detail),
                Heard::Nothing => known.lose(began.elapsed()),
            },
        }
        let path = known.wants();
        wanted.send_if_modified(|wanted| std::mem::replace(wanted, path.clone()) != path);
    }
}

/// Asks the host again and again; it ends when nobody listens.
async fn ask(
    host: &RemoteArgs,
    mut wanted: watch::Receiver<Option<String>>,
    hear: mpsc::Sender<Heard>,
) {
    loop {
        tokio::select! {
            () = sleep(EVERY) => {
                let heard = match timeout(ANSWER_MAX, fetch(host, LISTING)).await {
                    Ok(Ok(listing)) => Heard::Services(listing),
                    Ok(Err(_)) | Err(_) => Heard::Nothing,
                };
                if hear.send(heard).await.is_err() {
                    return;
                }
            }
            changed = wanted.changed() => if changed.is_err() { return },
        }
        let Some(path) = wanted.borrow_and_update().clone() else { continue };
        if let Ok(Ok(detail)) = timeout(ANSWER_MAX, fetch(host, &path)).await
            && hear.send(Heard::Detail(detail)).await.is_err()
        {
            return;
        }
    }
}

/// The terminal while it is a screen. It is what it was when this is dropped,
/// and after a panic.
struct Screen {
    terminal: DefaultTerminal,
    is_coloured: bool,
}

impl Screen {
    fn open() -> Result<Self, Failure> {
        let opened = ratatui::try_init();
        let terminal = opened.map_err(|error| {
            ratatui::restore();
            Failure::Failed(format!("the terminal is no screen ({error}); try --once"))
        })?;
        Ok(Self { terminal, is_coloured: is_coloured(&std::io::stdout()) })
    }

    fn draw(&mut self, known: &Known) -> Result<(), Failure> {
        let inks = if self.is_coloured { draw::Inks::Coloured } else { draw::Inks::Plain };
        let drawn =
            self.terminal.draw(|frame| draw::draw(known, inks, frame.area(), frame.buffer_mut()));
        drawn.map(drop).map_err(Failure::failed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
