//! Every mistake in a service has a text that says what to write.

// The compiler lists what it knows of a trait, which is more with features.
#![cfg(not(any(feature = "msgpack", feature = "protobuf")))]

#[test]
fn every_mistake_says_what_to_write() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
