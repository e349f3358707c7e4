//! Against `serde_json`, which is right.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
struct Id(u32);

#[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
enum Shape {
    Point,
    Circle(f32),
    Line(i8, i8),
    Text { at: Option<char>, text: String },
}

#[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
struct All {
    numbers: (i8, i16, i32, i64, u8, u16, u32, u64),
    wide: (i128, u128),
    shapes: Vec<Shape>,
    by_id: BTreeMap<Id, bool>,
    by_flag: BTreeMap<bool, ()>,
    by_shape: Option<BTreeMap<String, f64>>,
    #[serde(rename = "quo\"ted")]
    quoted: Box<str>,
}

fn all() -> All {
    let text =
        Shape::Text { at: Some('é'), text: "\u{0}\u{1f}\"\\/\u{8}\u{c}\n\r\t\u{7f}🌍".into() };
    All {
        numbers: (i8::MIN, i16::MIN, i32::MIN, i64::MIN, u8::MAX, u16::MAX, u32::MAX, u64::MAX),
        wide: (i128::MIN, u128::MAX),
        shapes: vec![Shape::Point, Shape::Circle(0.1), Shape::Line(-1, 1), text],
        by_id: BTreeMap::from([(Id(7), true), (Id(0), false)]),
        by_flag: BTreeMap::from([(true, ())]),
        by_shape: Some(BTreeMap::from([("x".into(), 1e300), (String::new(), -0.0)])),
        quoted: "q".into(),
    }
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    from_slice(json.as_bytes()).map_err(|error| error.to_string())
}

/// Reads a text both ways.
#[track_caller]
fn check(json: &[u8]) {
    let (ours, theirs) = (from_slice::<Value>(json), serde_json::from_slice::<Value>(json));
    assert_eq!(ours.ok(), theirs.ok(), "{}", String::from_utf8_lossy(json));
    let skipped = from_slice::<serde::de::IgnoredAny>(json).is_ok();
    // Skipping, theirs looks neither at the encoding nor at the size of numbers.
    if skipped != serde_json::from_slice::<Value>(json).is_ok() {
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(json).is_ok());
    }
}

#[test]
fn all_types_are_written_as_by_serde_json_and_read_back() {
    let ours = to_vec(&all()).unwrap();
    assert_eq!(String::from_utf8_lossy(&ours), serde_json::to_string(&all()).unwrap());
    assert_eq!(from_slice::<All>(&ours).unwrap(), all());
    for end in 0..ours.len() {
        assert!(from_slice::<All>(&ours[..end]).is_err());
    }
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "0",
    "-0",
    "-",
    "01",
    "-01",
    "1.",
    ".5",
    "1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "1e",
    "+1",
    "1e999",
    "-1e999",
    "1e-999",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "0.1e1x",
    "nul",
    "null",
    "nullx",
    "true",
    "tru",
    "false",
    "[]",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1,2]",
    "[",
    "]",
    "{}",
    "{,}",
    "{\"a\":1,}",
    "{\"a\" 1}",
    "{a:1}",
    "{1:1}",
    "{\"a\":}",
    "{\"a\":1,\"a\":2}",
    " { \"a\" : [ 1 , {\r\n} ] } ",
    "{} {}",
    "\"",
    "\"a",
    "\"\\u00e9\"",
    "\"\\u00e\"",
    "\"\\ud83c\\udf0d\"",
    "\"\\ud83c\"",
    "\"\\udf0d\"",
    "\"\\ud83c\\u0041\"",
    "\"\\ud83cx\"",
    "\"\\uD83C\\uDF0D\"",
    "\"\\x\"",
    "\"\n\"",
    "\"\u{7f}\"",
    "\"\\/\\b\\f\"",
    "\u{feff}1",
    "1\0",
    "\0",
    "\"\0\"",
    "'a'",
    "NaN",
    "Infinity",
    "// a\n1",
    "\u{a0}1",
];

#[test]
fn texts_right_and_wrong_are_told_apart_as_by_serde_json() {
    for text in TEXTS {
        check(text.as_bytes());
    }
    check(b"\"\xff\"");
    check(b"1\xff");
    check(b"\"\xed\xa0\x80\"");
    for depth in [126, 127, 128, 100_000] {
        check(["[".repeat(depth), "]".repeat(depth)].concat().as_bytes());
        check(["{\"a\":".repeat(depth), "1".into(), "}".repeat(depth)].concat().as_bytes());
    }
}

#[test]
fn an_error_says_what_is_wrong_and_where() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair {
        a: i64,
        b: u8,
    }
    let wrong = [
        (r#"{"a":"x"}"#, "expected a number at line 1 column 6"),
        (r#"{"a":1.5}"#, "expected a whole number of at most 64 bits at line 1 column 9"),
        (r#"{"b":300}"#, "invalid value: a whole number, expected u8 at line 1 column 9"),
        ("{\"a\":1,\n \"b\":2", "expected a comma or the end at line 2 column 7"),
        (r#"{"a":1}"#, "missing field `b` at line 1 column 7"),
        (r#"{"a":1,"a":1}"#, "duplicate field `a` at line 1 column 11"),
        (r#"{"a":1,"b":2}x"#, "expected the end at line 1 column 14"),
        (r#"[1,2,3]"#, "more than was expected at line 1 column 6"),
        ("7", "expected an object at line 1 column 1"),
    ];
    for (json, error) in wrong {
        assert_eq!(read::<Pair>(json), Err(error.into()), "{json}");
    }
    let error = from_slice::<String>(b"\"a\n\xff\"").unwrap_err();
    assert_eq!(error.to_string(), "expected the end of the string at line 1 column 3");
    let error = from_slice::<String>(b"\"a\xff\"").unwrap_err();
    assert_eq!(error.to_string(), "what is not UTF-8 at line 1 column 3");
}

#[test]
fn numbers_keep_to_the_range_of_their_type() {
    assert_eq!(read("-9223372036854775808"), Ok(i64::MIN));
    assert_eq!(read("18446744073709551615"), Ok(u64::MAX));
    assert_eq!((read("-0"), read("-0")), (Ok(0i64), Ok(-0.0f64)));
    assert_eq!((read("1"), read("1e2")), (Ok(1f64), Ok(100f32)));
    let refused = ["-9223372036854775809", "9223372036854775808", "1e2", "1.0"];
    assert!(refused.iter().all(|number| read::<i64>(number).is_err()));
    assert!(read::<u64>("-1").is_err() && read::<u64>("18446744073709551616").is_err());
    assert!(read::<u128>("-1").is_err() && read::<i128>("1.5").is_err());
}

#[test]
fn keys_are_texts_or_stand_for_numbers_and_booleans() {
    type Numbers<K> = BTreeMap<K, u8>;
    assert_eq!(read(r#"{"-1":1}"#), Ok(Numbers::from([(-1i32, 1)])));
    assert_eq!(read(r#"{"true":1}"#), Ok(Numbers::from([(true, 1)])));
    assert_eq!(read(r#"{"é":1}"#), Ok(Numbers::from([('é', 1)])));
    for wrong in [r#"{" 1":1}"#, r#"{"1 ":1}"#, r#"{"":1}"#, r#"{1:1}"#, r#"{"1x":1}"#] {
        assert!(read::<Numbers<i32>>(wrong).is_err(), "{wrong}");
    }
    for key in [json!(null), json!([1]), json!({})] {
        assert!(to_vec(&BTreeMap::from([(key.to_string(), &key)])).is_ok());
        assert!(to_vec(&KeyOf(&key)).is_err(), "{key}");
    }
    assert!(to_vec(&KeyOf(&json!(f64::NAN))).is_err());
}

/// A map of one entry with this key.
struct KeyOf<'a>(&'a Value);

impl Serialize for KeyOf<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, 1)])
    }
}

#[test]
fn what_is_plain_is_counted_to_the_byte() {
    for length in 0..20 {
        for special in [0, 0x1f, b'"', b'\\'] {
            let mut bytes = vec![0x20; 24];
            bytes[length] = special;
            assert_eq!(plain_count(&bytes), length);
        }
    }
    for plain in [0x20, b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
        assert_eq!(plain_count(&[plain; 17]), 17);
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ -~\u{0}-\u{20}]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn values_are_written_and_read_as_by_serde_json(value in values()) {
        let json = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(&to_vec(&value).unwrap(), &json);
        prop_assert_eq!(&from_slice::<Value>(&json).unwrap(), &value);
        check(&serde_json::to_vec_pretty(&value).unwrap());
    }

    #[test]
    fn a_changed_text_is_judged_as_by_serde_json(
        value in values(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut json = serde_json::to_vec(&value).unwrap();
        for (place, byte) in changes {
            let place = place.index(json.len());
            json[place] = if byte < 0x80 { byte } else { b"\"\\{}[],:-0.e"[usize::from(byte) % 12] };
        }
        check(&json);
        check(&json[..end.index(json.len())]);
    }

    #[test]
    fn texts_of_the_bytes_of_json_are_judged_as_by_serde_json(
        json in r#"[\[\]{}:,"\\0-9eE.+u \-a-dnulltruefalse]{0,24}"#,
    ) {
        check(json.as_bytes());
    }
}
