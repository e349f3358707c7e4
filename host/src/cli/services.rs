//! `picolet services` and `service`: what is served, and how one of it does.

use super::args::{RemoteArgs, ServiceArgs, ServicesArgs};
use super::link::{address, send};
use super::remote::{array, block_on, fetch, get, lines, not_a_host, refusal};
use super::remote::{root, shown, text, which};
use super::table::{Column, Listing, Paper, Tone};
use super::traces::duration;
use super::{Failure, complain, print};
use crate::outbound;
use crate::telemetry::printable;
use http::{Request, StatusCode};
use semver::Version;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// What is shown of services, and what goes first where there is no room.
const SERVICES: [Column; 7] = [
    Column::text("service", 0),
    Column::text("version", 2),
    Column::text("state", 0),
    Column::text("at", 1),
    Column::number("calls", 3),
    Column::number("faults", 4),
    Column::text("module", 5),
];

/// The same of methods; times are those of half and of nearly all calls.
const METHODS: [Column; 7] = [
    Column::text("method", 0),
    Column::text("verb", 2),
    Column::text("path", 1),
    Column::number("calls", 3),
    Column::number("faults", 4),
    Column::number("median", 5),
    Column::number("99 %", 6),
];

/// What ends a pin; no command does.
const UNPINNED: &str = "until other content is deployed, be it a comment in its manifest";

pub(super) fn services(args: &ServicesArgs) -> Result<(), Failure> {
    let ServicesArgs { watch, remote: args } = args;
    if *watch {
        return watch_endpoints(args);
    }
    let listing = get(args, "/admin/v1/services")?;
    if args.json {
        print(&listing.to_string());
        return Ok(());
    }
    let paper = Paper::stdout();
    let services = sorted(array(&listing, "/services").iter());
    print(&table(&services, &sorted(external(&listing))).render(paper));
    for service in services {
        if service.get("withdrawn").is_some() {
            let (name, version) = (text(service, "/name"), text(service, "/version"));
            let why = shown(service, "/withdrawn");
            print(&format!("{} {name} {version}: {why}", bad("withdrawn", paper)));
        }
    }
    for module in array(&listing, "/pinned") {
        let (file, why) = (shown(module, "/file"), shown(module, "/pinned"));
        print(&format!("pinned {file}: {why}; {UNPINNED}"));
    }
    for module in array(&listing, "/refused") {
        let (file, why) = (shown(module, "/file"), shown(module, "/refusal"));
        print(&format!("{} {file}: {why}", bad("refused", paper)));
    }
    Ok(())
}

/// Records of programs that are not of this host.
fn external(listing: &Value) -> impl Iterator<Item = &Value> {
    let by_key = listing.get("external").and_then(Value::as_object).into_iter().flatten();
    by_key.flat_map(|(_, records)| records.as_array()).flatten()
}

/// By name, and by version where there are several, of services and of records.
fn sorted<'v>(values: impl Iterator<Item = &'v Value>) -> Vec<&'v Value> {
    let version = |value: &Value| text(value, "/version") + &text(value, "/metadata/version");
    let mut sorted: Vec<_> =
        values.map(|value| (text(value, "/name"), version(value), value)).collect();
    sorted.sort_by(|(name, version, _), (other, other_version, _)| {
        name.cmp(other).then_with(|| compare_versions(version, other_version))
    });
    sorted.into_iter().map(|(.., value)| value).collect()
}

/// Versions in their own order, after texts that are none.
pub(super) fn compare_versions(one: &str, other: &str) -> Ordering {
    let parsed = |text: &str| Version::parse(text).ok();
    parsed(one).cmp(&parsed(other)).then_with(|| one.cmp(other))
}

fn table(services: &[&Value], external: &[&Value]) -> Listing {
    let plain = |text: String| (text, Tone::Plain);
    let mut table = Listing::new(&SERVICES);
    for service in services {
        table.add([
            plain(text(service, "/name")),
            plain(text(service, "/version")),
            state(service),
            plain(root(service)),
            plain(text(service, "/calls")),
            plain(text(service, "/faults")),
            plain(text(service, "/module")),
        ]);
    }
    for record in external {
        let (at, status) = (place(record), text(record, "/status").to_lowercase());
        let tone = if status == "up" { Tone::Good } else { Tone::Bad };
        table.add([
            plain(text(record, "/name")),
            plain(text(record, "/metadata/version")),
            (status, tone),
            plain(at),
        ]);
    }
    table
}

/// What a version does for callers who ask for none.
pub(super) fn state(service: &Value) -> (String, Tone) {
    let is_warm = service.get("traffic") == Some(&json!(0));
    let (state, tone) = match service.get("withdrawn") {
        Some(_) => ("withdrawn", Tone::Bad),
        None if is_warm => ("warm", Tone::Doubtful),
        None => ("serving", Tone::Good),
    };
    (state.to_owned(), tone)
}

/// Where a program of a record is.
fn place(record: &Value) -> String {
    format!("{}{}", text(record, "/domain"), text(record, "/root"))
}

/// A word that tells of something bad, in the colour that errors have.
fn bad(word: &str, paper: Paper) -> String {
    if paper.is_coloured { format!("\x1b[1;31m{word}\x1b[0m") } else { word.to_owned() }
}

/// Prints a line for every endpoint, and then for every change, until the host
/// or the reader goes.
fn watch_endpoints(args: &RemoteArgs) -> Result<(), Failure> {
    block_on(async {
        let request =
            Request::get(address(args, "/admin/v1/endpoints?watch")?).body(outbound::empty());
        let response = send(args, request).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        let mut unread = Ok(());
        let ended = lines(response, |line| {
            match serde_json::from_str(line) {
                // With nothing to say the host shows that it is there.
                _ if line.is_empty() => (),
                Ok(event) => watch_line(&event, args.json).iter().for_each(|line| print(line)),
                Err(_) => unread = Err(not_a_host(args)),
            }
            unread.is_ok()
        });
        let ended = ended.await;
        unread.and(ended.map_err(Failure::Failed))
    })
}

/// One event for people, or as it came.
fn watch_line(event: &Value, as_json: bool) -> Option<String> {
    if as_json {
        return Some(event.to_string());
    }
    let endpoint = event.get("endpoint")?;
    let get = |name: &str| text(endpoint, &format!("/{name}"));
    let (at, kind) = (format!("{}{}", get("domain"), get("root")), text(event, "/event"));
    let rests = match endpoint.get("rests_ms").and_then(Value::as_u64) {
        Some(ms) => format!(" for {ms} ms"),
        None => String::new(),
    };
    let (service, version, state) = (get("service"), get("version"), get("state"));
    let id = get("registration");
    let whole = format!("{kind} {service} {version} {state}{rests} {id} at {at}");
    Some(printable(&whole).into_owned())
}

pub(super) fn service(args: &ServiceArgs) -> Result<(), Failure> {
    let name = crate::path::encode(&args.name);
    let path = format!("/admin/v1/services/{name}{}", which(args.version.as_deref()));
    let detail = get(&args.remote, &path)?;
    if args.remote.json {
        print(&detail.to_string());
        return Ok(());
    }
    if let Some(records) = detail.get("records").and_then(Value::as_array) {
        records.iter().for_each(|record| print(&record_line(record)));
        return Ok(());
    }
    let paper = Paper::stdout();
    heading(&detail).iter().for_each(|line| print(line));
    for line in plight(&detail, &get(&args.remote, "/admin/v1/services")?, paper) {
        print(&line);
    }
    print(&methods(&detail).render(paper));
    for figure in
        ["traffic", "calls", "faults", "running", "waiting", "idle_instances", "isolation"]
    {
        print(&format!("{figure}: {}", text(&detail, &format!("/{figure}"))));
    }
    print("limits:");
    if let Some(limits) = detail.get("limits").and_then(Value::as_object) {
        limits.keys().for_each(|name| print(&format!("  {}", limit(limits, name))));
    }
    Ok(())
}

/// A program that is not of this host: where it is, and what it is registered as.
fn record_line(record: &Value) -> String {
    let version = text(record, "/metadata/version");
    let version = if version.is_empty() { version } else { format!(" {version}") };
    let reason = text(record, "/reason");
    let reason = if reason.is_empty() { reason } else { format!(" ({reason})") };
    let whole = format!(
        "{}{version} at {} {}{reason}, registered as {}",
        text(record, "/name"),
        place(record),
        text(record, "/status").to_lowercase(),
        text(record, "/registration")
    );
    printable(&whole).into_owned()
}

/// What it is, and of which content.
fn heading(detail: &Value) -> Vec<String> {
    let get = |name: &str| shown(detail, &format!("/{name}"));
    let (name, version, module) = (get("name"), get("version"), get("module"));
    let first = format!("{name} {version} at {} from {module}", root(detail));
    let description = Some(get("description")).filter(|text| !text.is_empty());
    let digest = format!("digest: {}", get("digest"));
    std::iter::once(first).chain(description).chain([digest]).collect()
}

/// Why it is not as its file or its maker would have it.
fn plight(detail: &Value, listing: &Value, paper: Paper) -> Vec<String> {
    let file = text(detail, "/module");
    let said = |list: &str, why: &str| {
        let module = array(listing, list).iter().find(|module| text(module, "/file") == file)?;
        Some(shown(module, why))
    };
    let withdrawn = detail.get("withdrawn").map(|_| shown(detail, "/withdrawn"));
    let withdrawn = withdrawn.map(|why| format!("{}: {why}", bad("withdrawn", paper)));
    let pinned = said("/pinned", "/pinned").map(|why| format!("pinned: {why}; {UNPINNED}"));
    let refused = said("/refused", "/refusal").map(|why| {
        let word = bad("refused", paper);
        format!("{word}: {file} has newer content, which is not served: {why}")
    });
    [withdrawn, pinned, refused].into_iter().flatten().collect()
}

fn methods(detail: &Value) -> Listing {
    let mut table = Listing::new(&METHODS);
    // Both are in the order of the declaration.
    let figures = array(detail, "/figures");
    for (index, method) in array(detail, "/routes").iter().enumerate() {
        let figure = |name: &str| figures.get(index).and_then(|figures| figures.get(name));
        let count = |name: &str| figure(name).map(Value::to_string).unwrap_or_default();
        // Nothing where it was never called.
        let time = |name: &str| figure(name).and_then(Value::as_u64).map(duration);
        table.add_plain([
            text(method, "/name"),
            text(method, "/type"),
            format!("{}{}", text(detail, "/root"), text(method, "/pattern")),
            count("calls"),
            count("faults"),
            time("p50_us").unwrap_or_default(),
            time("p99_us").unwrap_or_default(),
        ]);
    }
    table
}

/// A limit with its unit, which its name ends with. The ending stays where there
/// is another limit of the name without it.
pub(super) fn limit(limits: &Map<String, Value>, name: &str) -> String {
    let value = limits.get(name).unwrap_or(&Value::Null);
    let units = [
        ("_mib", "MiB"),
        ("_ms", "ms"),
        ("_bytes_per_second", "bytes a second"),
        ("_bytes", "bytes"),
    ];
    let with_unit = units.iter().find_map(|(ending, unit)| {
        let name = name.strip_suffix(ending).filter(|name| !limits.contains_key(*name))?;
        Some(format!("{name}: {value} {unit}"))
    });
    with_unit.unwrap_or_else(|| format!("{name}: {value}"))
}

/// Says that nothing is kept of a service, which may be so; that there is no such
/// service is a failure.
pub(super) async fn nothing_kept(
    remote: &RemoteArgs,
    name: &str,
    what: &str,
) -> Result<(), Failure> {
    let listing = fetch(remote, "/admin/v1/services").await?;
    let mut known = array(&listing, "/services").iter().chain(external(&listing));
    let told = format!("{what} is kept of service {name}");
    if known.any(|service| text(service, "/name") == name) {
        complain(&told);
        return Ok(());
    }
    let advice = "`picolet services` lists those there are";
    Err(Failure::Failed(format!("{told}, and there is no such service; {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paper = Paper { width: None, is_coloured: false };

    #[test]
    fn services_are_sorted_by_their_names_and_records_follow() {
        let service = |name: &str, version: &str| json!({ "name": name, "version": version });
        let listing = json!({
            "services": [service("b", "1.0.0"), service("a", "1.10.0"), service("a", "1.9.0")],
            "external": { "k": [{ "name": "z" }], "l": [{ "name": "y" }, { "name": "0" }] },
        });
        let services = sorted(array(&listing, "/services").iter());
        let shown = table(&services, &sorted(external(&listing))).render(PLAIN);
        let names: Vec<String> = shown
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(names[..3], ["a 1.9.0", "a 1.10.0", "b 1.0.0"], "{shown}");
        assert!(names[3] < names[4] && names[4] < names[5], "{shown}");
    }

    #[test]
    fn versions_have_their_own_order() {
        let mut versions = ["1.10.0", "b", "1.9.0", "2.0.0-rc.1", "", "2.0.0", "a", "1.9"];
        versions.sort_by(|one, other| compare_versions(one, other));
        assert_eq!(versions, ["", "1.9", "a", "b", "1.9.0", "1.10.0", "2.0.0-rc.1", "2.0.0"]);
    }

    #[test]
    fn what_others_write_is_one_line() {
        let mut record = json!({ "name": "ext", "root": "/\u{1b}[2J", "registration": "r-1" });
        record["metadata"] = json!({ "version": "1\n2" });
        let line = record_line(&record);
        assert!(line.starts_with("ext 1\\n2 at /\\u{1b}[2J "), "{line}");
        let event = json!({ "event": "added", "endpoint": { "service": "e", "root": "/\u{1b}" } });
        let line = watch_line(&event, false).unwrap();
        assert!(line.starts_with("added e ") && line.ends_with(" at /\\u{1b}"), "{line}");
        assert_eq!(watch_line(&event, true), Some(event.to_string()));
        let described = json!({ "name": "calc", "description": "a\n\u{1b}[2Jb" });
        assert_eq!(heading(&described)[1], "a\\n\\u{1b}[2Jb");
    }

    #[test]
    fn a_limit_has_its_unit() {
        let limits = json!({
            "memory_mib": 128, "wall_ms": 30_000, "request_body_bytes": 1_000, "queue": 7,
            "queue_ms": 500, "log_bytes_per_second": 9, "requests_per_second": 0,
        });
        let limits = limits.as_object().unwrap();
        for (name, expected) in [
            ("memory_mib", "memory: 128 MiB"),
            ("wall_ms", "wall: 30000 ms"),
            ("request_body_bytes", "request_body: 1000 bytes"),
            ("queue", "queue: 7"),
            ("queue_ms", "queue_ms: 500"),
            ("log_bytes_per_second", "log: 9 bytes a second"),
            ("requests_per_second", "requests_per_second: 0"),
        ] {
            assert_eq!(limit(limits, name), expected);
        }
    }

    #[test]
    fn methods_have_what_was_counted_of_them() {
        let mut detail = json!({
            "root": "/api",
            "routes": [{ "name": "add1", "type": "GET", "pattern": "/add/{a}" },
                { "name": "add2", "type": "POST", "pattern": "/add" }],
        });
        let shown = |detail: &Value| methods(detail).render(PLAIN);
        assert!(shown(&detail).contains("/api/add/{a}"), "{}", shown(&detail));
        detail["figures"] = json!([
            { "name": "add1", "calls": 7, "faults": 1, "p50_us": 120, "p99_us": 1_500 },
            { "name": "add2", "calls": 0, "faults": 0 },
        ]);
        let lines = shown(&detail);
        let cells: Vec<Vec<&str>> =
            lines.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(cells[1], ["add1", "GET", "/api/add/{a}", "7", "1", "120", "µs", "1.50", "ms"]);
        assert_eq!(cells[2], ["add2", "POST", "/api/add", "0", "0"]);
    }

    #[test]
    fn what_is_wrong_with_a_service_is_told() {
        let detail = json!({ "module": "calc.wasm", "withdrawn": "it fails" });
        let listing = json!({
            "refused": [{ "file": "x.wasm", "refusal": "no" },
                { "file": "calc.wasm", "refusal": "bad" }],
            "pinned": [{ "file": "calc.wasm", "pinned": "rolled back" }],
        });
        let told = plight(&detail, &listing, PLAIN);
        assert_eq!(told[0], "withdrawn: it fails");
        assert!(told[1].starts_with("pinned: rolled back; until other content"), "{told:?}");
        assert_eq!(told[2], "refused: calc.wasm has newer content, which is not served: bad");
        let coloured = plight(&detail, &listing, Paper { width: None, is_coloured: true });
        assert!(coloured[2].starts_with("\x1b[1;31mrefused\x1b[0m: "), "{coloured:?}");
        assert_eq!(plight(&json!({ "module": "y.wasm" }), &listing, PLAIN), [""; 0]);
    }

    #[test]
    fn a_record_says_where_it_is_and_what_it_is_registered_as() {
        let mut record = json!({
            "name": "ext", "domain": "http://10.0.0.1:80", "root": "/ext", "status": "UP",
            "registration": "r-1",
        });
        let expected = "ext at http://10.0.0.1:80/ext up, registered as r-1";
        assert_eq!(record_line(&record), expected);
        record["metadata"] = json!({ "version": "2.0.0" });
        assert!(record_line(&record).starts_with("ext 2.0.0 at "));
    }
}
