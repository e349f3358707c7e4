//! Patterns, clashes and lookups, as data.

use super::*;

fn table(rows: &str) -> RouteTable<&str> {
    let mut table = RouteTable::default();
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let mut words = row.split_whitespace();
        let (Some(verb), Some(path), Some(target)) = (words.next(), words.next(), words.next())
        else {
            panic!("a row is a verb, a path and a target: {row}")
        };
        let verb = Verb::parse(verb).unwrap();
        if let Err(clash) = table.insert(verb, path, target) {
            panic!("{row}: {clash:?}");
        }
    }
    table
}

#[track_caller]
fn check(rows: &str, request: &str, expected: &str) {
    let table = table(rows);
    let (verb, path) = request.split_once(' ').unwrap();
    let seen = match table.find(&verb.parse().unwrap(), path) {
        Found::Route(target, params) => {
            format!("{target} {}", params.segments().collect::<Vec<_>>().join("|"))
        }
        Found::OtherVerbs(allow) => format!("allow {allow}"),
        Found::Nothing => "nothing".into(),
    };
    assert_eq!(seen.trim(), expected, "looking up {request}");
}

const CALC: &str = "
    GET  /api/add/{a}/{b}  add1
    POST /api/add          add2
    GET  /api/add/40/{b}   forty
    GET  /files/{*rest}    files
    ANY  /hello            hello
    ANY  /hello/{*rest}    hello
";

#[test]
fn finds_by_verb_and_path() {
    check(CALC, "GET /api/add/1/2", "add1 1|2");
    check(CALC, "GET /api/add/40/2", "forty 2");
    check(CALC, "POST /api/add", "add2");
    check(CALC, "GET /files/a/b%2Fc", "files a/b%2Fc");
    check(CALC, "GET /files/", "nothing");
    check(CALC, "GET /api/add/1/2/", "nothing");
    check(CALC, "GET //api/add/1/2", "nothing");
}

#[test]
fn a_known_path_with_another_verb_is_told_apart() {
    check(CALC, "DELETE /api/add", "allow POST, OPTIONS");
    check(CALC, "POST /api/add/1/2", "allow GET, HEAD, OPTIONS");
    check(CALC, "OPTIONS /api/add", "allow POST, OPTIONS");
    check(CALC, "HEAD /api/add/1/2", "add1 1|2");
    check(CALC, "HEAD /api/add", "allow POST, OPTIONS");
}

#[test]
fn any_takes_every_verb() {
    for verb in ["GET", "HEAD", "OPTIONS", "PROPFIND", "DELETE"] {
        check(CALC, &format!("{verb} /hello/a/b"), "hello a/b");
    }
}

#[test]
fn names_of_parameters_do_not_make_routes_differ() {
    let mut table = table(CALC);
    assert_eq!(table.insert(Verb::Get, "/api/add/{x}/{y}", "new"), Err(Clash::Taken(&"add1")));
    assert_eq!(table.insert(Verb::Get, "/hello", "new"), Err(Clash::Taken(&"hello")));
    assert_eq!(table.insert(Verb::Any, "/api/add", "new"), Err(Clash::Taken(&"add2")));
    assert_eq!(table.insert(Verb::Put, "/api/add/{x}/{y}", "new"), Ok(()));
}

#[track_caller]
fn pattern(text: &str, expected: Result<(&str, &[&str]), &str>) {
    let seen = Pattern::parse(text);
    let seen = seen.as_ref().map(|p| (p.fixed(), p.params())).map_err(ToString::to_string);
    let expected = expected.map_err(str::to_owned);
    assert_eq!(
        seen.map(|(fixed, params)| (fixed.to_owned(), params.to_vec())),
        expected.map(|(fixed, params)| {
            (fixed.to_owned(), params.iter().map(|&p| p.to_owned()).collect())
        }),
        "parsing {text:?}"
    );
}

#[test]
fn patterns_are_whole_segments() {
    pattern("", Ok(("", &[])));
    pattern("/add/{a}/{b}", Ok(("/add", &["a", "b"])));
    pattern("/add", Ok(("/add", &[])));
    pattern("/{*rest}", Ok(("", &["rest"])));
    pattern("add", Err(r#"pattern "add" must be empty or begin with /"#));
    pattern("/{a}/{a}", Err(r#"pattern "/{a}/{a}" has the parameter "a" twice"#));
    for bad in ["/{*a}/b", "/x{a}", "/{}", "/a b", "/a%20", "/..", "/{a", "/a?b", "/ü"] {
        assert!(Pattern::parse(bad).is_err(), "{bad} is refused");
    }
}

#[test]
fn roots_have_no_parameters() {
    for good in ["", "/api", "/a/b"] {
        assert_eq!(check_root(good), Ok(()));
    }
    for bad in ["/", "api", "/api/", "/{a}"] {
        assert!(check_root(bad).is_err(), "{bad} is refused");
    }
}

#[test]
fn the_hosts_own_paths_are_reserved() {
    assert_eq!(reserved("/healthcheck"), Some("/healthcheck"));
    assert_eq!(reserved("/services/x"), Some("/services"));
    assert_eq!(reserved("/servicesx"), None);
    assert_eq!(reserved("/api/healthcheck"), None);
}

#[test]
fn parameters_fill_a_pattern_encoded() {
    let pattern = Pattern::parse("/add/{a}/{*rest}").unwrap();
    let params = ["1/2".to_owned(), "x/y z".to_owned()];
    assert_eq!(pattern.fill(&params).unwrap(), "/add/1%2F2/x/y%20z");
    let error = pattern.fill(&params[..1]).unwrap_err();
    assert_eq!(error.to_string(), "pattern /add/{a}/{*rest} takes 2 parameters, 1 were given");
}

#[test]
fn targets_that_may_stand_together_are_joined_verb_by_verb() {
    let mut table = RouteTable::default();
    let join = |there: &String, new: &String| {
        let is_one = there.starts_with("v") && new.starts_with("v");
        is_one.then(|| format!("{there}+{new}"))
    };
    let mut insert = |verb: Verb, path: &str, target: &str| {
        table.insert_or_join(verb, path, target.to_owned(), join).map_err(|clash| match clash {
            Clash::Taken(there) => there.clone(),
            Clash::Unroutable(reason) => reason,
        })
    };
    assert_eq!(insert(Verb::Any, "/x/{id}", "v1"), Ok(()));
    assert_eq!(insert(Verb::Get, "/x/{nr}", "v2"), Ok(()));
    assert_eq!(insert(Verb::Post, "/y", "w"), Ok(()));
    assert_eq!(insert(Verb::Get, "/x/{id}", "other"), Err("v1+v2".to_owned()));
    let seen = |verb: Method| match table.find(&verb, "/x/7") {
        Found::Route(target, _) => target.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((seen(Method::GET), seen(Method::POST)), ("v1+v2".to_owned(), "v1".to_owned()));
}

#[test]
fn paths_of_one_shape_differ_in_names_alone() {
    assert_eq!(shape("/a/{b}/c/{*d}"), shape("/a/{x}/c/{*y}"));
    assert_ne!(shape("/a/{b}"), shape("/a/{*b}"));
    assert_ne!(shape("/a/b"), shape("/a/{b}"));
}
