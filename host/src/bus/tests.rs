//! What feeds get, in which order, and what they lose.

use super::*;
use crate::call::RequestIds;
use crate::subject::SubjectPattern;

const BOUNDS: FeedBounds = FeedBounds { events_max: 4, bytes_max: 1 << 20 };

fn bus() -> Arc<dyn Bus> {
    Arc::new(LocalBus::default())
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn on(pattern: &str, group: Option<&str>) -> Subscription {
    let pattern = SubjectPattern::parse(pattern).unwrap();
    Subscription { pattern, group: group.map(name) }
}

fn news(publisher: &str, subject: &str, payload: &str) -> News {
    let request_id = RequestIds::default().next(None, None);
    let publisher = Some(name(publisher));
    let properties = Properties::default();
    News {
        subject: Subject::parse(subject).unwrap(),
        content_type: None,
        payload: payload.to_owned().into(),
        origin: Origin { publisher, request_id, properties, events_before: 0 },
    }
}

fn publish(bus: &Arc<dyn Bus>, subject: &str, payloads: &str) -> usize {
    payloads.split(' ').map(|payload| bus.publish(news("p", subject, payload))).sum()
}

fn payload(heard: &Heard) -> String {
    String::from_utf8(heard.event.news.payload.to_vec()).unwrap()
}

fn all(feed: &Feed) -> String {
    std::iter::from_fn(|| feed.take()).map(|heard| payload(&heard)).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_feed_gets_what_it_subscribed_to_and_loses_its_oldest() {
    let bus = bus();
    let (slow, other) = (Feed::of_service(&bus, BOUNDS), Feed::of_service(&bus, BOUNDS));
    slow.listen_to([on("rates.*", None)]);
    other.listen_to([on("news.>", None)]);
    assert_eq!(publish(&bus, "rates.usd", "1 2 3 4 5 6"), 6);
    assert_eq!((slow.waiting(), slow.dropped(), other.waiting()), (4, 2, 0));
    assert_eq!(all(&slow), "3 4 5 6");
    slow.listen_to([]);
    assert_eq!(publish(&bus, "rates.usd", "7"), 0);
    let counts = bus.counts();
    assert_eq!((counts.published, counts.delivered, counts.unheard), (7, 6, 1));
    drop((slow, other));
    assert_eq!(bus.counts().subscriptions, 0);
}

#[test]
fn a_large_payload_pushes_out_more_than_one() {
    let bus = bus();
    let feed = Feed::of_service(&bus, FeedBounds { events_max: 100, bytes_max: 4_096 });
    feed.listen_to([on("a", None)]);
    publish(&bus, "a", "1 2 3");
    publish(&bus, "a", &"x".repeat(3_000));
    assert_eq!((feed.dropped(), feed.waiting()), (2, 2));
    feed.set_bounds(FeedBounds { events_max: 0, bytes_max: 0 });
    assert_eq!((feed.dropped(), feed.waiting()), (4, 0));
}

#[test]
fn events_of_one_publisher_on_one_subject_wait_for_each_other() {
    let bus = bus();
    let feed = Feed::of_service(&bus, FeedBounds { events_max: 100, ..BOUNDS });
    feed.listen_to([on("a.*", None)]);
    publish(&bus, "a.x", "1 2");
    publish(&bus, "a.y", "3");
    bus.publish(news("q", "a.x", "4"));
    let (one, three, four) = (feed.take().unwrap(), feed.take().unwrap(), feed.take().unwrap());
    assert_eq!([payload(&one), payload(&three), payload(&four)], ["1", "3", "4"]);
    assert!(feed.take().is_none(), "2 follows 1");
    drop(three);
    assert!(feed.take().is_none());
    drop(one);
    assert_eq!(all(&feed), "2");
}

#[test]
fn a_service_hears_for_each_subscription_and_a_stream_once() {
    let bus = bus();
    let (service, stream) = (Feed::of_service(&bus, BOUNDS), Feed::of_stream(&bus, BOUNDS));
    for feed in [&service, &stream] {
        feed.listen_to([on("a.*", None), on("a.b", None)]);
    }
    publish(&bus, "a.b", "1 2");
    assert_eq!((all(&service).len(), all(&stream)), ("1 1 2 2".len(), "1 2".to_owned()));
}

#[test]
fn of_a_group_one_gets_each_event_and_the_idle_one_more() {
    let bus = bus();
    let feeds: Vec<Feed> = (0..3)
        .map(|_| Feed::of_service(&bus, FeedBounds { events_max: 1_000, ..BOUNDS }))
        .collect();
    for feed in &feeds {
        feed.listen_to([on("jobs.*", Some("workers"))]);
    }
    let every = Feed::of_stream(&bus, FeedBounds { events_max: 1_000, ..BOUNDS });
    every.listen_to([on("jobs.>", None), on("jobs.a", Some("audit"))]);
    assert_eq!(publish(&bus, "jobs.a", &vec!["x"; 300].join(" ")), 600);
    assert_eq!(every.waiting(), 300);
    let waiting = || feeds.iter().map(Feed::waiting).collect::<Vec<_>>();
    assert_eq!(waiting(), [100, 100, 100]);
    while feeds[1].take().is_some() {}
    publish(&bus, "jobs.a", &vec!["x"; 90].join(" "));
    assert_eq!(waiting(), [100, 90, 100]);
}

#[test]
fn subscriptions_that_stay_miss_nothing_when_others_change() {
    let bus = bus();
    let feed = Feed::of_service(&bus, BOUNDS);
    feed.listen_to([on("a", None), on("b", None)]);
    publish(&bus, "a", "1");
    feed.listen_to([on("c", None), on("a", None)]);
    publish(&bus, "a", "2");
    publish(&bus, "b", "3");
    publish(&bus, "c", "4");
    assert_eq!(all(&feed), "1 2 4");
}

#[test]
fn what_was_missed_is_replayed_as_far_as_it_is_known() {
    let bus = bus();
    publish(&bus, "a", &(1..=1_500).map(|n| n.to_string()).collect::<Vec<_>>().join(" "));
    let last = bus.replay(EventId::parse("0-0").unwrap()).events.pop().unwrap().id;
    let id = |number: u64| {
        let text = last.to_string();
        let (run, _) = text.split_once('-').unwrap();
        EventId::parse(&format!("{run}-{number}")).unwrap()
    };
    let seen = |replay: Replay| (replay.events.len(), replay.has_gap);
    assert_eq!(last.number(), 1_500);
    assert_eq!(seen(bus.replay(last)), (0, false));
    assert_eq!(seen(bus.replay(id(1_490))), (10, false));
    assert_eq!(seen(bus.replay(id(500))), (1_000, false));
    assert_eq!(seen(bus.replay(id(499))), (1_000, true));
    assert_eq!(seen(bus.replay(EventId::parse("1-1500").unwrap())), (1_000, true));
    assert_eq!(EventId::parse(&last.to_string()), Some(last));
    assert_eq!(EventId::parse("x"), None);
}

#[tokio::test]
async fn whoever_waits_is_woken() {
    let bus = bus();
    let feed = Feed::of_stream(&bus, BOUNDS);
    feed.listen_to([on(">", None)]);
    let late = async {
        tokio::task::yield_now().await;
        publish(&bus, "a", "1")
    };
    let (heard, heard_by) = tokio::join!(feed.next(), late);
    assert_eq!((payload(&heard), heard_by), ("1".to_owned(), 1));
}
