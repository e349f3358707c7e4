//! The way out over real sockets, with names that lead wherever a test says.

use super::*;
use crate::call::CallBody;
use crate::origin::OriginGrant;
use crate::reach::Network;
use futures::future::{BoxFuture, FutureExt};
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers one look-up after the other, the last one again and again.
struct Script {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Script {
    fn of(answers: &[&[&str]]) -> Arc<Self> {
        let ips = |texts: &&[&str]| {
            texts.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect::<Vec<_>>()
        };
        let answers = Mutex::new(answers.iter().map(ips).collect());
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Script {
    fn resolve(&self, _name: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Relaxed);
        let mut answers = self.answers.lock().unwrap();
        let ips = if 1 < answers.len() { answers.pop_front() } else { answers.front().cloned() };
        let addresses = ips.unwrap_or_default().into_iter().map(|ip| SocketAddr::new(ip, port));
        std::future::ready(Ok(addresses.collect())).boxed()
    }
}

/// A name server that never answers.
struct Nobody;

impl Resolve for Nobody {
    fn resolve(&self, _name: &str, _port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        std::future::pending().boxed()
    }
}

/// A server that tells how many connections and requests it has had, and
/// answers each of them with this text.
struct Canary {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Canary {
    async fn at(address: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let canary = Self { address, connections: connections.clone(), requests: requests.clone() };
        #[allow(clippy::disallowed_methods, reason = "a server of a test ends with its runtime")]
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Relaxed);
                let requests = requests.clone();
                tokio::spawn(async move {
                    let mut seen = [0; 4_096];
                    while let Ok(1..) = stream.read(&mut seen).await {
                        requests.fetch_add(1, Relaxed);
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        canary
    }

    fn seen(&self) -> (usize, usize) {
        (self.connections.load(Relaxed), self.requests.load(Relaxed))
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok";

fn any(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 0)
}

fn reach(origin: &str, networks: &[&str]) -> Reach {
    let networks = networks.iter().map(|text| Network::parse(text).unwrap()).collect();
    Reach::new(vec![OriginGrant::parse(origin).unwrap()], networks)
}

fn terms(time: Duration) -> Terms {
    Terms { deadline: Instant::now() + time, connect: None, first_byte: None, between: None }
}

const LONG: Duration = Duration::from_secs(30);

/// Gets `/` of an origin: the status and the body.
async fn get(exit: &Exit, origin: &str, terms: Terms) -> Result<(u16, Vec<u8>), AbroadError> {
    let origin = Origin::parse(origin).unwrap();
    let mut request = Request::new(out_body(CallBody::Empty));
    *request.uri_mut() = origin.uri("/".parse().unwrap()).unwrap();
    let response = exit.send(&origin, request, terms).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes().to_vec()))
}

fn abroad(closed: &[SocketAddr]) -> Abroad {
    Abroad::new(closed, None).unwrap()
}

#[tokio::test]
async fn the_connection_is_made_to_the_address_that_was_checked() {
    let checked = Canary::at(any("127.0.0.1"), OK).await;
    let port = checked.address.port();
    let other = Canary::at(SocketAddr::new("127.0.0.2".parse().unwrap(), port), OK).await;
    let script = Script::of(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let origin = format!("http://rebinds.example:{port}");
    let exit = abroad(&[]).exit_by("a", reach(&origin, &["127.0.0.1"]), script.clone());
    assert_eq!(get(&exit, &origin, terms(LONG)).await, Ok((200, b"ok".to_vec())));
    assert_eq!(script.asked.load(Relaxed), 1, "it is looked up once");
    // Another connection is looked up anew, and checked anew.
    drop(exit);
    let exit = abroad(&[]).exit_by("a", reach(&origin, &["127.0.0.1"]), script.clone());
    assert_eq!(get(&exit, &origin, terms(LONG)).await, Err(AbroadError::Prohibited));
    assert_eq!((checked.seen(), other.seen()), ((1, 1), (0, 0)));
}

#[tokio::test]
async fn of_several_addresses_only_those_that_are_granted_are_tried() {
    let there = Canary::at(any("127.0.0.1"), OK).await;
    let port = there.address.port();
    let other = Canary::at(SocketAddr::new("127.0.0.2".parse().unwrap(), port), OK).await;
    let origin = format!("http://many.example:{port}");
    let script = Script::of(&[&["127.0.0.2", "::ffff:127.0.0.2", "127.0.0.3", "127.0.0.1"]]);
    let networks = ["127.0.0.1", "127.0.0.3"];
    let exit = abroad(&[]).exit_by("a", reach(&origin, &networks), script);
    assert_eq!(get(&exit, &origin, terms(LONG)).await, Ok((200, b"ok".to_vec())));
    let exit = abroad(&[]).exit_by("a", reach(&origin, &[]), Script::of(&[&["127.0.0.1"]]));
    assert_eq!(get(&exit, &origin, terms(LONG)).await, Err(AbroadError::Prohibited));
    let exit = abroad(&[]).exit_by("a", reach(&origin, &[]), Script::of(&[&[]]));
    assert_eq!(get(&exit, &origin, terms(LONG)).await, Err(AbroadError::Unresolved));
    assert_eq!((there.seen(), other.seen()), ((1, 1), (0, 0)));
}

#[tokio::test]
async fn addresses_of_the_host_itself_are_closed_whatever_is_granted() {
    let admin = Canary::at(any("127.0.0.1"), OK).await;
    let (address, port) = (admin.address, admin.address.port());
    let all = ["0.0.0.0/0"];
    for host in ["127.0.0.1", "localhost", "0.0.0.0", "a.example"] {
        let origin = format!("http://{host}:{port}");
        let script = Script::of(&[&["127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"]]);
        let exit = abroad(&[address]).exit_by("a", reach(&origin, &all), script);
        let seen = get(&exit, &origin, terms(LONG)).await;
        assert_eq!(seen, Err(AbroadError::Prohibited), "{host}");
    }
    // Whoever listens everywhere is closed everywhere.
    for host in ["127.0.0.1", "127.0.0.2", "localhost"] {
        let origin = format!("http://{host}:{port}");
        let script = Script::of(&[&["127.0.0.1", "127.0.0.2"]]);
        let everywhere = (any("0.0.0.0").ip(), port).into();
        let exit = abroad(&[everywhere]).exit_by("a", reach(&origin, &all), script);
        let seen = get(&exit, &origin, terms(LONG)).await;
        assert_eq!(seen, Err(AbroadError::Prohibited), "{host}");
    }
    assert_eq!(admin.seen(), (0, 0));
}

#[tokio::test]
async fn connections_are_kept_and_belong_to_one_revision() {
    let there = Canary::at(any("127.0.0.1"), OK).await;
    let origin = format!("http://{}", there.address);
    let abroad = abroad(&[]);
    let exits = [(); 2].map(|()| abroad.exit("a", reach(&origin, &[])));
    for exit in &exits {
        for _ in 0..3 {
            assert_eq!(get(exit, &origin, terms(LONG)).await, Ok((200, b"ok".to_vec())));
        }
    }
    assert_eq!(there.seen(), (2, 6));
    let counts = abroad.counts();
    assert_eq!(counts.first().unwrap().1.first(), Some(&(Outcome::Answered, 6)));
}

#[tokio::test]
async fn an_origin_that_is_not_granted_is_not_even_looked_up() {
    let script = Script::of(&[&["127.0.0.1"]]);
    let abroad = abroad(&[]);
    let exit = abroad.exit_by("a", reach("http://a.example", &["0.0.0.0/0"]), script.clone());
    for origin in ["https://a.example", "http://a.example:81", "http://b.example"] {
        assert_eq!(get(&exit, origin, terms(LONG)).await, Err(AbroadError::NotGranted));
    }
    assert_eq!(script.asked.load(Relaxed), 0);
}

#[track_caller]
fn check_time(seen: &Result<(u16, Vec<u8>), AbroadError>, expected: AbroadError, since: Instant) {
    assert_eq!(*seen, Err(expected));
    assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
}

#[tokio::test]
async fn whoever_does_not_answer_is_given_up() {
    let mute = Canary::at(any("127.0.0.1"), "").await;
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    let half = Canary::at(any("127.0.0.1"), half).await;
    let (mute, half) = (format!("http://{}", mute.address), format!("http://{}", half.address));
    let (since, short) = (Instant::now(), Duration::from_millis(50));
    let abroad = abroad(&[]);
    let exit = abroad.exit("a", reach(&mute, &[]));
    check_time(&get(&exit, &mute, terms(short)).await, AbroadError::AnswerTime, since);
    let bounds = Terms { first_byte: Some(short), ..terms(LONG) };
    check_time(&get(&exit, &mute, bounds).await, AbroadError::AnswerTime, since);
    let exit = abroad.exit("a", reach(&half, &[]));
    let second = Duration::from_secs(1);
    check_time(&get(&exit, &half, terms(second)).await, AbroadError::BodyTime, since);
    let bounds = Terms { between: Some(short), ..terms(LONG) };
    check_time(&get(&exit, &half, bounds).await, AbroadError::BodyTime, since);
    let exit = abroad.exit("a", reach(&mute, &[]));
    let bounds = Terms { connect: Some(LONG), first_byte: Some(short), ..terms(LONG) };
    check_time(&get(&exit, &mute, bounds).await, AbroadError::AnswerTime, since);
    let slow = Terms { connect: Some(Duration::ZERO), ..terms(LONG) };
    let exit = abroad.exit_by("a", reach("http://slow.example", &[]), Arc::new(Nobody));
    check_time(&get(&exit, "http://slow.example", slow).await, AbroadError::ConnectTime, since);
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let many: &'static str =
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20)).leak();
    for (answer, expected) in [
        ("hello\r\n\r\n", AbroadError::Garbled),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            AbroadError::Garbled,
        ),
        (many, AbroadError::LargeHead),
    ] {
        let server = Canary::at(any("127.0.0.1"), answer).await;
        let origin = format!("http://{}", server.address);
        let exit = abroad(&[]).exit("a", reach(&origin, &[]));
        assert_eq!(get(&exit, &origin, terms(LONG)).await, Err(expected));
    }
    let free = TcpListener::bind(any("127.0.0.1")).await.unwrap().local_addr().unwrap();
    let origin = format!("http://{free}");
    let exit = abroad(&[]).exit("a", reach(&origin, &[]));
    assert_eq!(get(&exit, &origin, terms(LONG)).await, Err(AbroadError::Unconnected));
    let plain = Canary::at(any("127.0.0.1"), "this is no TLS").await;
    let origin = format!("https://{}", plain.address);
    let exit = abroad(&[]).exit("a", reach(&origin, &[]));
    assert_eq!(get(&exit, &origin, terms(LONG)).await, Err(AbroadError::Tls));
}
