//! Every mistake in a service has a text that says what to write.

#[test]
fn every_mistake_says_what_to_write() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
