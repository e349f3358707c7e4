//! Declarations as data: `VERB pattern name` per line.

use super::*;

fn raw(rows: &str) -> RawDeclaration {
    let method = |row: &str| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let (verb, pattern, name) = match words.as_slice() {
            [verb, pattern, name] => (*verb, *pattern, *name),
            [verb, name] => (*verb, "", *name),
            _ => panic!("a row is a verb, a pattern and a name: {row}"),
        };
        let (verb, pattern, name) = (verb.into(), pattern.into(), name.into());
        RawMethod { verb, pattern, name, ..RawMethod::default() }
    };
    let methods = rows.lines().map(str::trim).filter(|row| !row.is_empty()).map(method).collect();
    RawDeclaration {
        name: "calc".into(),
        version: "1.0.0".into(),
        root: "/api".into(),
        methods,
        ..RawDeclaration::default()
    }
}

fn check(raw: RawDeclaration, manifest: &Manifest) -> Result<Declaration, String> {
    Declaration::check(raw, manifest, &HostLimits::DEFAULT).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(raw: RawDeclaration, expected: &str) {
    assert_eq!(check(raw, &Manifest::default()), Err(expected.to_owned()));
}

const CALC: &str = "
    GET /add/{a}/{b} add1
    POST /add add2
";

#[test]
fn a_sound_declaration_is_believed() {
    let calc = check(raw(CALC), &Manifest::default()).unwrap();
    let (index, add2) = calc.method("add2").unwrap();
    assert_eq!((index, calc.path(add2).as_str()), (1, "/api/add"));
    let record = calc.method("add1").unwrap().1.record();
    assert_eq!((record.path.as_str(), record.params.unwrap().len()), ("/add", 2));
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    refused(RawDeclaration { name: String::new(), ..raw(CALC) }, "service name \"\" is empty");
    refused(
        RawDeclaration { version: "one".into(), ..raw(CALC) },
        "version \"one\" is not a semantic version such as 1.0.0",
    );
    refused(
        RawDeclaration { root: "/api/".into(), ..raw(CALC) },
        "root \"/api/\" must be empty or begin with /, without a / at its end",
    );
    refused(raw(""), "declares no method, no websocket, no subscription and no timer");
    refused(raw("GET /a x\nPUT /b x"), "method x is declared twice");
    refused(raw("GET /{a} x\nGET /{b} y"), "methods x and y have the same route GET /api/{b}");
    refused(raw("GET a x"), "pattern \"a\" must be empty or begin with /");
    refused(raw("ANY /a x"), "verb \"ANY\" is not one of GET, POST, PUT, PATCH, DELETE");
    refused(
        raw("GET /healthcheck x"),
        "route /api/healthcheck is below /healthcheck, which belongs to the host",
    );
    let many: Vec<String> = (0..10_000).map(|index| format!("GET /m{index} m{index}")).collect();
    refused(raw(&many.join("\n")), "declares 10000 methods, at most 1000 are allowed");
}

#[test]
fn the_hosts_own_paths_cannot_be_declared() {
    let mut bare = raw("GET /services/x x");
    bare.root = String::new();
    refused(bare, "route /services/x is below /services, which belongs to the host");
}

#[test]
fn a_manifest_that_says_otherwise_is_a_refusal() {
    let manifest = Manifest::parse("name = \"sum\"", "calc.toml").unwrap();
    let expected = "the manifest says name \"sum\", the module declares \"calc\"";
    assert_eq!(check(raw(CALC), &manifest), Err(expected.to_owned()));
}

#[test]
fn a_module_that_declares_nothing_is_mounted_at_its_name() {
    let module = Name::parse("hello").unwrap();
    let hello = Declaration::of_proxy(&module, &Manifest::default()).unwrap();
    let paths: Vec<String> = hello.methods.iter().map(|method| hello.path(method)).collect();
    assert_eq!(paths, ["/hello", "/hello/{*path}", "/hello/"]);
    let at_all = Manifest { root: Some(String::new()), ..Manifest::default() };
    let hello = Declaration::of_proxy(&module, &at_all).unwrap();
    let paths: Vec<String> = hello.methods.iter().map(|method| hello.path(method)).collect();
    assert_eq!(paths, ["/{*path}", "/"]);
}

#[test]
fn timers_are_checked_and_make_a_service() {
    let timer = |name: &str, schedule| RawTimer {
        name: name.into(),
        schedule,
        overlap: false,
        description: String::new(),
    };
    let of = |timers| RawDeclaration { timers, ..raw("") };
    let fine = of(vec![
        timer("tick", RawSchedule::EveryMs(30_000)),
        timer("tidy", RawSchedule::Cron("0 4 * * *".into())),
    ]);
    let declared = check(fine, &Manifest::default()).unwrap();
    let shown: Vec<String> =
        declared.timers.iter().map(|timer| timer.schedule.to_string()).collect();
    assert_eq!(shown, ["every 30s", "cron 0 4 * * *"]);
    refused(raw(""), "declares no method, no websocket, no subscription and no timer");
    refused(
        of(vec![timer("tick", RawSchedule::EveryMs(1))]),
        "timer tick: every 1 ms is not within 100 ms and 366 days",
    );
    refused(
        of(vec![timer("a b", RawSchedule::EveryMs(1_000))]),
        "timer name \"a b\" has ' ' at byte 1, only A-Z a-z 0-9 . _ and - are allowed",
    );
    let twice = || timer("tick", RawSchedule::EveryMs(1_000));
    refused(of(vec![twice(), twice()]), "timer tick is declared twice");
    let many = (0..1_001).map(|index| timer(&format!("t{index}"), RawSchedule::EveryMs(1_000)));
    refused(of(many.collect()), "declares 1001 timers, at most 1000 are allowed");
}

#[test]
fn websockets_are_routes_and_make_a_service() {
    let websocket = |name: &str, pattern: &str, protocols: &[&str]| RawWebSocket {
        name: name.into(),
        pattern: pattern.into(),
        protocols: protocols.iter().map(|&protocol| protocol.to_owned()).collect(),
        description: String::new(),
    };
    let of = |rows: &str, websockets| RawDeclaration { websockets, ..raw(rows) };
    let chat = of("POST /chat/{room} say", vec![websocket("chat", "/chat/{room}", &["v2", "v1"])]);
    let declared = check(chat, &Manifest::default()).unwrap();
    let places: Vec<(String, Place)> =
        declared.routes().map(|route| (route.path, route.place)).collect();
    let path = || "/api/chat/{room}".to_owned();
    assert_eq!(places, [(path(), Place::Method(0)), (path(), Place::WebSocket(0))]);
    let (name, like) = (Name::parse("chat").unwrap(), Pattern::parse("/chat/{other}").unwrap());
    assert_eq!(declared.websocket(&name, &like), Some(0));
    assert_eq!(declared.websocket(&name, &Pattern::parse("/chat").unwrap()), None);
    let one = |name: &str, pattern: &str, protocols: &[&str]| {
        of("GET /a x", vec![websocket(name, pattern, protocols)])
    };
    refused(one("x", "/b", &[]), "method x is declared twice");
    refused(one("y", "/a", &[]), "methods x and y have the same route GET /api/a");
    refused(one("y", "b", &[]), "websocket y: pattern \"b\" must be empty or begin with /");
    refused(
        one("y", "/b", &["a b"]),
        "websocket y: its protocol \"a b\" is no token of 1 to 128 bytes",
    );
    refused(
        one("a b", "/b", &[]),
        "websocket name \"a b\" has ' ' at byte 1, only A-Z a-z 0-9 . _ and - are allowed",
    );
}
