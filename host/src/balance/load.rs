//! What is known of one endpoint's speed and of the calls it has.
//!
//! Latencies are in seconds, as numbers, and measured until the head of the
//! answer. They jump up to a peak and come down as an exponentially weighted
//! moving average (finagle's `PeakEwma`), also while nobody calls: who was slow
//! is tried again.

use crate::record::Now;
use std::time::Duration;

/// In this time a measured latency loses all but 1/e of its say.
const MEMORY: Duration = Duration::from_secs(5);
/// What the first endpoint of a service is taken for, in seconds.
const GUESS: f64 = 0.01;
/// The longest latency that is believed, in seconds.
const LATENCY_MAX: f64 = 60.0;
/// Failures alone do not make an endpoint slower than this, in seconds.
const FAILURE_MAX: f64 = 1.0;
/// The shortest: below it only the calls in flight matter.
const LATENCY_MIN: f64 = 1e-6;
/// Measurements before a peak is believed at once. The first call pays for
/// connections and cold code, and must not keep others away for long.
const LEARNING: u32 = 8;
/// An endpoint gets its whole share when it was known for so long.
const WARM_AFTER: Duration = Duration::from_secs(2);
/// The part of its share that it begins with.
const COLD_SHARE: f64 = 0.1;

/// Speed, calls in flight and weight of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    latency: f64,
    measured: Now,
    measurements: u32,
    usual: Option<f64>,
    in_flight: u32,
    weight: u32,
    since: Now,
}

impl Load {
    /// An endpoint that is new. It is taken to be as fast as the best of its
    /// peers, if there are any, but gets its share over two seconds.
    pub(crate) fn new(weight: u32, peers: Option<Duration>, now: Now) -> Self {
        let latency = peers.map_or(GUESS, |peers| peers.as_secs_f64());
        Self {
            latency: latency.clamp(LATENCY_MIN, LATENCY_MAX),
            measured: now,
            measurements: 0,
            usual: None,
            in_flight: 0,
            weight,
            since: now,
        }
    }

    /// It serves again after a rest: what was measured before is forgotten,
    /// what is in flight is not.
    pub(crate) fn restart(&mut self, peers: Option<Duration>, now: Now) {
        *self = Self { in_flight: self.in_flight, ..Self::new(self.weight, peers, now) };
    }

    /// A call goes there.
    pub(crate) fn began(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// A call is over, however it went.
    pub(crate) fn left(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A call was answered.
    pub(crate) fn answered(&mut self, latency: Duration, now: Now) {
        let sample = latency.as_secs_f64();
        // The smoothed round trip time of RFC 6298.
        self.usual = Some(self.usual.map_or(sample, |usual| usual + (sample - usual) / 8.0));
        self.measure(sample, now);
    }

    /// A call failed. A failure is never fast: it makes the endpoint as slow
    /// as it lasted, and twice as slow as before up to a second.
    pub(crate) fn failed(&mut self, latency: Duration, now: Now) {
        let known = self.latency_at(now);
        let slower = known.max(FAILURE_MAX.min(2.0 * known));
        self.latency = slower.max(latency.as_secs_f64()).min(LATENCY_MAX);
        self.measurements = self.measurements.saturating_add(1);
        self.measured = self.measured.max(now);
    }

    /// Whether a call that was given up after so long could have been
    /// answered, going by what the endpoint usually takes. Each one that says
    /// no makes the usual a little less so.
    pub(crate) fn was_waited_for(&mut self, waited: Duration) -> bool {
        match &mut self.usual {
            Some(usual) if waited.as_secs_f64() < *usual => {
                *usual -= *usual / 8.0;
                false
            }
            _ => true,
        }
    }

    /// Calls in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// It is listed with another weight.
    pub(crate) fn set_weight(&mut self, weight: u32) {
        self.weight = weight;
    }

    /// Its latency by now, if it was ever measured.
    pub(crate) fn measured(&self, now: Now) -> Option<Duration> {
        (0 < self.measurements).then(|| Duration::from_secs_f64(self.latency_at(now)))
    }

    /// Its weight by now: new ones get theirs over two seconds.
    pub(crate) fn weight_at(&self, now: Now) -> f64 {
        let age = now.saturating_sub(self.since).as_secs_f64() / WARM_AFTER.as_secs_f64();
        f64::from(self.weight) * age.clamp(COLD_SHARE, 1.0)
    }

    /// What one more call there costs, for comparison with others. Who was not
    /// called for long is tried with one call, and with no second one before
    /// the first is answered.
    pub(crate) fn cost(&self, now: Now) -> f64 {
        let latency = if self.in_flight == 0 { self.latency_at(now) } else { self.latency };
        latency * self.calls_by_weight(now)
    }

    /// Calls in flight and one more, for its weight.
    pub(crate) fn calls_by_weight(&self, now: Now) -> f64 {
        // One of weight zero is asked for by name, and then is all there is.
        let weight = self.weight_at(now).max(COLD_SHARE);
        (f64::from(self.in_flight) + 1.0) / weight
    }

    fn latency_at(&self, now: Now) -> f64 {
        (self.latency * self.kept(now)).max(LATENCY_MIN)
    }

    /// The say that older measurements have by now.
    fn kept(&self, now: Now) -> f64 {
        let age = now.saturating_sub(self.measured);
        (-age.as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }

    fn measure(&mut self, sample: f64, now: Now) {
        let known = self.latency_at(now);
        self.latency = if known < sample {
            let peak_max = if self.measurements < LEARNING { 2.0 * known } else { LATENCY_MAX };
            sample.min(peak_max)
        } else {
            // The first ones are averaged, so that a guess does not outlive them.
            let part = f64::max(1.0 - self.kept(now), 1.0 / (f64::from(self.measurements) + 2.0));
            self.latency + (sample - self.latency) * part
        };
        self.latency = self.latency.clamp(LATENCY_MIN, LATENCY_MAX);
        self.measurements = self.measurements.saturating_add(1);
        self.measured = self.measured.max(now);
    }
}
