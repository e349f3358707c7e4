//! Several versions of one service: who gets which requests, and how that is
//! changed.

use crate::kit::*;
use crate::swaps::{BUILDS, Load};
use serde_json::{Value, json};

const SUM: &str = "/api/add/40/2";
const VERSION: &str = "x-picolet-version";
const SERVICE: &str = "/admin/v1/services/calc";

/// Two versions of calc, with what their manifests say.
fn both(first: &str, second: &str) -> Folder {
    Folder::of(&["calc"])
        .with("calc.toml", first)
        .with("next.wasm", versioned("calc2", "2.0.0"))
        .with("next.toml", second)
}

/// How many of so many answers are of each build.
async fn shares(count: usize, mut ask: impl AsyncFnMut() -> Reply) -> [usize; 2] {
    let mut shares = [0; 2];
    for _ in 0..count {
        let reply = ask().await;
        let build = BUILDS.iter().position(|build| *build == reply.text());
        let build = build.unwrap_or_else(|| panic!("{} {}", reply.status, reply.text()));
        shares[build] += 1;
    }
    shares
}

async fn call(host: &Host, options: Value) -> Reply {
    let order = json!({"target": "calc.add1", "args": ["40", "2"], "options": options});
    host.admin("POST", "/admin/v1/call", &order.to_string()).await
}

async fn set_traffic(host: &Host, version: &str, traffic: u32) {
    let path = format!("{SERVICE}/traffic?version={version}");
    let body = json!({"traffic": traffic}).to_string();
    let reply = host.admin("PATCH", &path, &body).await;
    assert_eq!(json(&reply, 200), json!({"traffic": traffic}));
}

async fn detail(host: &Host, version: &str) -> Value {
    json(&host.admin("GET", &format!("{SERVICE}?version={version}"), "").await, 200)
}

#[tokio::test]
async fn two_versions_share_their_routes_by_weight() {
    let host = Host::over(both("", "traffic = 300")).await;
    // Three quarters, and six standard deviations to either side.
    let near = 527..=673;
    let [_, second] = shares(800, async || host.get(SUM).await).await;
    assert!(near.contains(&second), "{second} of 800 requests");
    let [_, second] = shares(800, async || call(&host, json!({})).await).await;
    assert!(near.contains(&second), "{second} of 800 calls by name");
    let listed = json(&host.admin("GET", "/api/services/default", "").await, 200);
    assert_eq!(listed["services"].as_array().map(Vec::len), Some(2), "{listed}");
    let health = json(&host.get("/healthcheck").await, 200);
    assert_eq!(health["services"], json!(["calc"]));
    host.stop().await;
}

#[tokio::test]
async fn a_version_without_traffic_is_warm_and_reached_by_version_alone() {
    let host = Host::over(both("", "traffic = 0")).await;
    assert_eq!(shares(60, async || host.get(SUM).await).await, [60, 0]);
    assert_eq!(shares(60, async || call(&host, json!({})).await).await, [60, 0]);
    let asked = async || host.send("GET", SUM, &[(VERSION, "^2")], "").await;
    assert_eq!(shares(10, asked).await, [0, 10]);
    let asked = async || call(&host, json!({"version": "2.0.0"})).await;
    assert_eq!(shares(10, asked).await, [0, 10]);
    let door = async || host.send("GET", "/services/calc/add/40/2", &[(VERSION, "2")], "").await;
    assert_eq!(shares(10, door).await, [0, 10]);
    let door = async || host.get("/services/calc/add/40/2").await;
    assert_eq!(shares(10, door).await, [10, 0]);

    assert_eq!(detail(&host, "2.0.0").await["traffic"], 0);
    let admin = format!("http://{}", host.admin);
    let table = run(picolet().args(["services", "--host", &admin])).await;
    assert!(table.stdout.contains("warm") && table.stdout.contains("serving"), "{table:?}");
    let one =
        run(picolet().args(["service", "calc", "--version", "2.0.0", "--host", &admin])).await;
    assert!(one.stdout.contains("traffic: 0"), "{one:?}");
    let metrics = host.admin("GET", "/metrics", "").await;
    let weight = "picolet_service_traffic{service=\"calc\",version=\"2.0.0\"} 0\n";
    assert!(metrics.text().contains(weight), "{}", metrics.text());
    host.stop().await;
}

#[tokio::test]
async fn a_request_gets_the_version_it_asks_for_or_hears_that_there_is_none() {
    let host = Host::over(both("", "")).await;
    let asked = async |version: &str| host.send("GET", SUM, &[(VERSION, version)], "").await;
    for (version, build) in [("1.0.0", 0), ("^1", 0), ("=2.0.0", 1), (">1", 1), ("<2", 0)] {
        for _ in 0..8 {
            answers(&asked(version).await, 200, BUILDS[build]);
        }
    }
    let nobody = asked("^3").await;
    faults(&nobody, 404, &["no-such-endpoint"]);
    assert!(nobody.text().contains("calc has no endpoint of version ^3"), "{}", nobody.text());
    faults(&asked("new").await, 400, &["bad-call"]);
    faults(&call(&host, json!({"version": "^3"})).await, 404, &["no-such-endpoint"]);

    // What has one version is held to it all the same.
    host.folder.remove("next.wasm");
    host.line("removed calc 2.0.0").await;
    answers(&asked("^1").await, 200, BUILDS[0]);
    faults(&asked("^2").await, 404, &["no-such-endpoint"]);
    host.stop().await;
}

#[tokio::test]
async fn the_same_version_twice_is_a_conflict() {
    let host = Host::of(&["calc"]).await;
    let mark = host.log.mark();
    host.folder.put("next.wasm", guest("calc2"));
    refuses(&host, mark, "next.wasm", "service calc 1.0.0 is taken by calc.wasm").await;
    assert_eq!(shares(10, async || host.get(SUM).await).await, [10, 0]);
    let mark = host.log.mark();
    host.folder.remove("calc.wasm");
    host.line_from(mark, "serving calc 1.0.0").await;
    assert_eq!(shares(10, async || host.get(SUM).await).await, [0, 10]);
    host.stop().await;
}

#[tokio::test]
async fn routes_of_other_services_stay_a_conflict_and_own_ones_are_alone() {
    let routes = |rows: &[(&str, &str)]| {
        let route = |(name, pattern): &(&str, &str)| {
            format!("[[routes]]\nname = \"{name}\"\ntype = \"GET\"\npattern = \"{pattern}\"\n")
        };
        rows.iter().map(route).collect::<String>()
    };
    let manifest = |name: &str, version: &str, rows: &[(&str, &str)]| {
        let head = format!("name = \"{name}\"\nversion = \"{version}\"\nroot = \"/x\"\n");
        head + &routes(rows)
    };
    let folder = Folder::empty()
        .with("one.toml", manifest("site", "1.0.0", &[("page", "/page/{id}")]))
        .with("one.wasm", guest("hello-wasi2"))
        .with("two.toml", manifest("site", "2.0.0", &[("page", "/page/{nr}"), ("new", "/new")]))
        .with("two.wasm", guest("hello-wasi2"));
    let host = Host::over(folder).await;
    for version in ["^1", "^2"] {
        let reply = host.send("GET", "/x/page/7", &[(VERSION, version)], "").await;
        assert_eq!(reply.status, 200, "{version}");
    }
    for _ in 0..20 {
        assert_eq!(host.get("/x/new").await.status, 200);
    }
    let reply = host.send("GET", "/x/new", &[(VERSION, "^1")], "").await;
    faults(&reply, 404, &["no-such-endpoint"]);

    let mark = host.log.mark();
    host.folder.put("zoo.toml", manifest("zoo", "3.0.0", &[("page", "/page/{id}")]));
    host.folder.put("zoo.wasm", guest("hello-wasi2"));
    refuses(&host, mark, "zoo.wasm", "route GET /x/page/{id} is taken by one.wasm").await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_is_changed_live_and_no_request_is_lost() {
    let host = Host::over(both("", "traffic = 0")).await;
    let load = Load::on(host.services);
    for turn in 0..10 {
        let (first, second) = if turn % 2 == 0 { (0, 100) } else { (50, 50) };
        set_traffic(&host, "2.0.0", 100).await;
        set_traffic(&host, "1.0.0", first).await;
        set_traffic(&host, "2.0.0", second).await;
        load.goes_on(200).await;
    }
    for turn in 1..=10 {
        let mark = host.log.mark();
        host.folder.put("next.toml", format!("traffic = {}", turn * 10));
        host.line_from(mark, "swapped calc 2.0.0").await;
        load.goes_on(200).await;
    }
    set_traffic(&host, "1.0.0", 0).await;
    assert_eq!(shares(50, async || host.get(SUM).await).await, [0, 50]);
    set_traffic(&host, "1.0.0", 100).await;
    host.folder.remove("next.wasm");
    host.line("removed calc 2.0.0").await;
    assert_eq!(shares(50, async || host.get(SUM).await).await, [50, 0]);
    load.end().await;
    host.stop().await;
}

#[tokio::test]
async fn when_no_version_takes_traffic_the_caller_is_told() {
    let host = Host::over(both("traffic = 0", "traffic = 0")).await;
    faults(&host.get(SUM).await, 503, &["no-traffic"]);
    faults(&call(&host, json!({})).await, 503, &["no-traffic"]);
    let asked = async || host.send("GET", SUM, &[(VERSION, "*")], "").await;
    let [first, second] = shares(60, asked).await;
    assert!(0 < first && 0 < second, "both are as likely: {first} and {second}");
    host.folder.remove("next.wasm");
    host.line("removed calc 2.0.0").await;
    faults(&host.get(SUM).await, 503, &["no-traffic"]);
    faults(&call(&host, json!({})).await, 503, &["no-traffic"]);
    answers(&host.send("GET", SUM, &[(VERSION, "^1")], "").await, 200, BUILDS[0]);
    host.stop().await;
}

#[tokio::test]
async fn who_changes_one_of_several_says_which() {
    let host = Host::over(both("", "")).await;
    let change = async |target: &str, body: &str| {
        host.admin("PATCH", &format!("{SERVICE}/{target}"), body).await
    };
    let traffic = r#"{"traffic": 7}"#;
    faults(&change("traffic", traffic).await, 409, &["which-version"]);
    faults(&change("limits", r#"{"concurrency": 7}"#).await, 409, &["which-version"]);
    faults(&host.admin("GET", SERVICE, "").await, 409, &["which-version"]);
    faults(&change("traffic?version=3.0.0", traffic).await, 404, &["not-found"]);
    faults(&change("traffic?vresion=1.0.0", traffic).await, 400, &["bad-request"]);
    let wrong = r#"{"traffic": 10001}"#;
    faults(&change("traffic?version=2.0.0", wrong).await, 400, &["bad-request"]);
    let nobody = host.admin("PATCH", "/admin/v1/services/nobody/traffic", traffic).await;
    faults(&nobody, 404, &["not-found"]);

    assert_eq!(change("traffic?version=2.0.0", traffic).await.status, 200);
    assert_eq!(change("limits?version=2.0.0", r#"{"concurrency": 7}"#).await.status, 200);
    let (first, second) = (detail(&host, "1.0.0").await, detail(&host, "2.0.0").await);
    assert_eq!((&first["traffic"], &second["traffic"]), (&json!(100), &json!(7)));
    assert_eq!(second["limits"]["concurrency"], 7);
    assert_ne!(first["limits"]["concurrency"], 7);
    // The next revision has what its manifest says.
    host.folder.put("next.toml", "traffic = 3");
    host.line("swapped calc 2.0.0").await;
    assert_eq!(detail(&host, "2.0.0").await["traffic"], 3);
    host.stop().await;
}
