//! The interface `bus`: events that a guest publishes.

use crate::bus::{News, Origin};
use crate::call::{Deed, End};
use crate::engine::{State, bus, render, types};
use crate::fault::Fault;
use crate::subject::Subject;
use crate::traces::OpenSpan;
use http::HeaderValue;
use tokio::time::Instant;

/// Events in a row, each published by whoever heard the one before.
const EVENTS_IN_A_ROW_MAX: u8 = 32;

impl bus::Host for State {
    fn publish(
        &mut self,
        by: u64,
        subject: String,
        content_type: String,
        payload: Vec<u8>,
    ) -> wasmtime::Result<Result<(), types::Fault>> {
        let news = self.news(by, &subject, &content_type, payload);
        Ok(match news {
            Ok((news, open)) => {
                self.host.bus.publish(news);
                if let Some(open) = open {
                    open.end(Instant::now(), End::default());
                }
                Ok(())
            }
            Err(fault) => Err(render(&fault)),
        })
    }
}

impl State {
    /// An event, checked. Whoever hears it does so below its span.
    fn news(
        &self,
        by: u64,
        subject: &str,
        content_type: &str,
        payload: Vec<u8>,
    ) -> Result<(News, Option<OpenSpan<'_>>), Fault> {
        let Some(call) = self.call(by) else {
            let message = format!("call {by} is not under way in this instance");
            return Err(Fault::BadCall { message });
        };
        let subject = Subject::parse(subject)
            .map_err(|error| Fault::BadSubject { message: error.to_string() })?;
        if !self.host.publish.iter().any(|granted| granted.covers(&subject)) {
            return Err(Fault::PublishNotGranted { subject: subject.to_string() });
        }
        let bytes_max = self.host.event_bytes_max;
        if bytes_max < payload.len() {
            return Err(Fault::EventTooLarge { bytes_max });
        }
        if EVENTS_IN_A_ROW_MAX <= call.context.events_before {
            let (subject, events_max) = (subject.to_string(), EVENTS_IN_A_ROW_MAX);
            return Err(Fault::EventLoop { subject, events_max });
        }
        let content_type = match content_type {
            "" => None,
            text => Some(HeaderValue::from_str(text).map_err(|_| Fault::BadCall {
                message: format!("content type {text:?} is no value of a header"),
            })?),
        };
        let publisher = Some(call.hop.service.clone());
        let mut context = call.context.clone();
        let deed = || Deed::Publish { by: call.hop.clone(), subject: subject.clone() };
        let open = self.host.traces.begin(&mut context, Instant::now(), deed);
        let origin = Origin::of_call(&context, publisher);
        Ok((News { subject, content_type, payload: payload.into(), origin }, open))
    }
}
