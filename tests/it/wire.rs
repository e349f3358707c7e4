//! What pico.js sends, byte for byte: its headers in their order, chunked
//! bodies without a length, ids that are no UUIDs.

use crate::kit::*;
use serde_json::Value;
use std::net::SocketAddr;

/// The third group starts with 4, the variant is no valid one: as pico.js makes
/// them.
const ID: &str = "550db1d8-96fd-461b-fd76-cfe7f0506102";

/// One connection of a pico.js client.
struct Pico {
    wire: Wire,
    address: SocketAddr,
}

impl Pico {
    async fn to(address: SocketAddr) -> Self {
        Self { wire: Wire::to(address).await, address }
    }

    fn head(&self, verb: &str, path: &str) -> String {
        format!(
            "{verb} {path} HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\n\
             Host: {}\r\nConnection: keep-alive\r\n",
            self.address
        )
    }

    async fn bare(&mut self, verb: &str, path: &str) -> Value {
        let head = self.head(verb, path);
        self.wire.send(format!("{head}\r\n")).await;
        self.answer().await
    }

    async fn with_body(&mut self, verb: &str, path: &str, body: &str) -> Value {
        let head = self.head(verb, path);
        let length = body.len();
        let request =
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
        self.wire.send(request).await;
        self.answer().await
    }

    /// Whatever pico.js takes: any 2xx with JSON.
    async fn answer(&mut self) -> Value {
        let reply = self.wire.reply().await;
        assert!((200..300).contains(&reply.status), "{reply:?}");
        json(&reply, reply.status)
    }
}

fn registered(domain: SocketAddr) -> String {
    format!(
        "{{\"record\":{{\"name\":\"calc\",\"domain\":\"http://{domain}\",\"root\":\"/api\",\
         \"methods\":[{{\"name\":\"add1\",\"type\":\"GET\",\"path\":\"/add\"}},\
         {{\"name\":\"add2\",\"type\":\"POST\",\"path\":\"/add\"}}],\
         \"metadata\":{{\"description\":\"👋 a calculator\"}},\"registration\":\"{ID}\"}},\
         \"keyServices\":\"domain-demo\"}}"
    )
}

#[tokio::test]
async fn a_service_of_pico_registers_beats_is_listed_and_unregisters() {
    let host = Host::of(&["calc"]).await;
    let body = registered(host.services);
    let mut pico = Pico::to(host.admin).await;
    let posted = pico.with_body("POST", "/api/services", &body).await;
    assert_eq!(posted["registration"], ID);
    for _ in 0..3 {
        let path = format!("/api/services/domain-demo/{ID}");
        assert_eq!(pico.with_body("PUT", &path, &body).await["registration"], ID);
    }
    let listed = pico.bare("GET", "/api/services/domain-demo").await;
    let record = &listed["services"][0];
    assert_eq!((&record["registration"], &record["name"]), (&ID.into(), &"calc".into()));
    assert_eq!(record["metadata"]["description"], "👋 a calculator");
    let all = pico.bare("GET", "/api/services").await;
    assert_eq!(all["services"]["domain-demo"][0]["registration"], ID);
    pico.bare("DELETE", &format!("/api/services/domain-demo/{ID}")).await;
    let listed = pico.bare("GET", "/api/services/domain-demo").await;
    assert_eq!(listed["services"].as_array().map(Vec::len), Some(0), "{listed}");
    host.stop().await;
}

#[tokio::test]
async fn a_client_of_pico_asks_the_health_of_both_sides() {
    let host = Host::of(&["calc"]).await;
    for address in [host.admin, host.services] {
        let health = Pico::to(address).await.bare("GET", "/healthcheck").await;
        assert_eq!(health["status"], "UP", "{health}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_client_of_pico_calls_methods_by_the_record_it_found() {
    let host = Host::of(&["calc"]).await;
    let listed = Pico::to(host.admin).await.bare("GET", "/api/services/default").await;
    let record = &listed["services"][0];
    let path_of = |name: &str| {
        let methods = record["methods"].as_array().unwrap();
        let method = methods.iter().find(|method| method["name"] == name).unwrap();
        format!("{}{}", record["root"].as_str().unwrap(), method["path"].as_str().unwrap())
    };
    let domain = record["domain"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut client = Pico::to(domain.parse().unwrap()).await;
    let added = client.bare("GET", &format!("{}/40/2", path_of("add1"))).await;
    assert_eq!(added["result"], 42);
    let added = client.with_body("POST", &path_of("add2"), r#"{"a":40,"b":2}"#).await;
    assert_eq!(added["result"], 42);
    host.stop().await;
}

#[tokio::test]
async fn a_body_in_many_chunks_keeps_its_characters() {
    let host = Host::of(&["calc"]).await;
    let mut pico = Pico::to(host.admin).await;
    let head = pico.head("POST", "/api/services");
    pico.wire.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    for byte in registered(host.services).bytes() {
        pico.wire.send([b"1\r\n", &[byte][..], b"\r\n"].concat()).await;
    }
    pico.wire.send("0\r\n\r\n").await;
    assert_eq!(pico.answer().await["registration"], ID);
    let listed = pico.bare("GET", "/api/services/domain-demo").await;
    assert_eq!(listed["services"][0]["metadata"]["description"], "👋 a calculator");
    host.stop().await;
}

#[tokio::test]
async fn lists_are_answered_where_they_are_asked() {
    let host = Host::of(&["calc"]).await;
    let mut pico = Pico::to(host.admin).await;
    // A redirect would be an error to pico.js.
    for path in ["/api/services", "/api/services/default", "/api/services/unknown"] {
        pico.bare("GET", path).await;
    }
    host.stop().await;
}
