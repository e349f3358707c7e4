//! Names and endpoints as rows of text.

use super::*;
use serde_json::json;

/// Whom a caller of `asked` means among those registered.
#[track_caller]
fn meant(asked: &str, registered: &str, expected: &str) {
    let patterns: Vec<Pattern> =
        registered.split_whitespace().map(|text| Pattern::parse(text).unwrap()).collect();
    let selector = Selector::parse(asked).unwrap();
    let picked: Vec<String> =
        selector.pick(&patterns).into_iter().map(Pattern::to_string).collect();
    assert_eq!(picked.join(" "), expected, "asking for {asked} among {registered}");
}

#[test]
fn an_exact_name_goes_before_the_longest_registered_star() {
    meant("stock-ny", "stock-ny stock-* st*", "stock-ny");
    meant("stock-ny", "st* stock-* stock-n* other", "stock-n*");
    meant("stock-ny", "stock-ny-1 other-*", "");
    meant("stock-", "stock-*", "stock-*");
    meant("stock", "stock-*", "");
    meant("stock-ny@^1", "stock-* Stock-ny", "stock-*");
}

#[test]
fn a_name_that_is_asked_for_alone_can_be_looked_up() {
    let exact =
        |text: &str| Selector::parse(text).unwrap().wanted().exact().map(ToString::to_string);
    assert_eq!(exact("calc@^1"), Some("calc".to_owned()));
    assert_eq!(exact("calc*"), None);
}

#[test]
fn a_star_that_is_asked_for_finds_all_that_begin_so() {
    meant("stock-*", "stock-ny stock-ldn calc", "stock-ny stock-ldn");
    meant("stock-*", "stock-ny stock-n* st*", "stock-ny stock-n*");
    meant("stock-*", "stock-ny stock-*", "stock-*");
    meant("stock-*", "st* s* calc", "st*");
    meant("stock-*", "calc stoc", "");
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(Selector::parse(text).unwrap_err().to_string(), expected);
}

#[test]
fn what_selects_nothing_is_said() {
    refused("", "service \"\" is empty");
    refused("*", "service \"*\" has nothing before its *");
    let alphabet = "only A-Z a-z 0-9 . _ and - are allowed";
    refused("a*b", &format!("service \"a*b\" has '*' at byte 1, {alphabet}"));
    refused("a**", &format!("service \"a**\" has '*' at byte 1, {alphabet}"));
    refused("calc@new", "version \"new\" is no requirement such as ^1.2");
    refused("calc@", "version \"\" is no requirement such as ^1.2");
    let long = format!("{}*", "x".repeat(128));
    let said = "is 129 bytes long, at most 128 are allowed";
    refused(&long, &format!("service {long:?} {said}"));

    let calc = || Selector::parse("calc").unwrap();
    for text in ["", ":", "a:", ":a", "a:b:c"] {
        assert!(calc().with_environment(text).is_err(), "{text:?}");
    }
    for text in ["", "zone", "=eu"] {
        assert!(calc().with_label(text).is_err(), "{text:?}");
    }
    let twice = Selector::parse("calc@^1").unwrap().with_version("^1").unwrap_err();
    assert_eq!(twice, SelectorError::TwoVersions);
    assert!(calc().is_name_alone() && !calc().with_subset("a").is_name_alone());
}

fn records() -> Vec<Record> {
    let rows = [
        ("1", json!({"version": "1.2.0", "zone": "eu", "environment": "sandbox"})),
        ("2", json!({"version": "1.3", "zone": "us", "subset": "blue", "cores": 8})),
        ("3", json!({"version": "2.0.0", "zone": "eu", "environment": "mine", "ssd": true})),
        ("4", json!({})),
    ];
    let record = |(id, metadata)| {
        let json = json!({"name": "calc", "domain": "http://x", "registration": id,
            "metadata": metadata});
        Record::check(json, String::new).unwrap()
    };
    rows.into_iter().map(record).collect()
}

/// Who of the four suits, and for nobody what came closest.
#[track_caller]
fn suits(selector: &Selector, expected: &str) {
    let records = records();
    let scope = selector.among(records.iter().map(Offer::from));
    let outcomes: Vec<Result<&str, Miss>> = records
        .iter()
        .map(|record| scope.check(record.into()).map(|()| record.registration.as_str()))
        .collect();
    let found: Vec<&str> = outcomes.iter().copied().filter_map(Result::ok).collect();
    let closest = outcomes.iter().filter_map(|outcome| outcome.err()).max();
    let seen = match closest {
        Some(miss) if found.is_empty() => scope.describe(miss),
        _ => found.join(" "),
    };
    assert_eq!(seen, expected, "{selector:?}");
}

fn calc(version: &str) -> Selector {
    Selector::parse(&format!("calc{version}")).unwrap()
}

#[test]
fn versions_meet_requirements() {
    suits(&calc(""), "1 2 3 4");
    suits(&calc("@^1.2"), "1 2");
    suits(&calc("@>=1.3, <3"), "2 3");
    suits(&calc("@^4"), "version ^4");
    suits(&calc("").with_version("~1.2").unwrap(), "1");
    assert_eq!(read_version("7"), Some(Version::new(7, 0, 0)));
    assert_eq!(read_version("new"), None);
}

#[test]
fn labels_subsets_and_registrations_all_count() {
    let label = |text: &str| calc("").with_label(text).unwrap();
    suits(&label("zone=eu"), "1 3");
    suits(&label("zone=eu").with_label("ssd=true").unwrap(), "3");
    suits(&label("cores=8"), "2");
    suits(&label("cores=9"), "label cores=9");
    suits(&label("zone=eu").with_label("zone=us").unwrap(), "label zone=us");
    suits(&calc("").with_subset("blue"), "2");
    suits(&calc("@^1").with_subset("red"), "subset red");
    suits(&calc("").with_registration("3"), "3");
    suits(&calc("@^1").with_registration("3"), "version ^1");
    suits(&calc("").with_registration("9"), "registration 9");
}

#[test]
fn an_environment_falls_back_when_the_service_is_not_in_it() {
    let environment = |text: &str| calc("").with_environment(text).unwrap();
    suits(&environment("mine"), "3");
    suits(&environment("sandbox:mine"), "3");
    suits(&environment("mine:other"), "3");
    suits(&environment("sandbox:other"), "1");
    suits(&environment("other"), "environment other");
    suits(&environment("else:other"), "environment else");
    // The service is there, only not in this version.
    suits(&calc("@^1").with_environment("sandbox:mine").unwrap(), "version ^1");
}
