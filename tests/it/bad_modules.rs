//! Files that cannot be served, one by one: the reason is one line that names
//! the file and the cause, and what was served before goes on.

use crate::kit::*;

const HELLO: &str = r#"{"message":"Hello 🌍","from":"pico","result":42}"#;

async fn adds(host: &Host) {
    answers(&host.get("/api/add/40/2").await, 200, HELLO);
}

/// Puts these bytes in the place of a good module and beside it.
async fn check(bytes: impl AsRef<[u8]>, reason: &str) {
    check_over(Folder::of(&["calc"]), bytes.as_ref(), reason).await;
}

async fn check_over(folder: Folder, bytes: &[u8], reason: &str) {
    let host = Host::over(folder).await;
    host.folder.put("calc.wasm", bytes);
    refuses(&host, 0, "calc.wasm", reason).await;
    adds(&host).await;
    host.folder.put("other.wasm", bytes);
    refuses(&host, 0, "other.wasm", reason).await;
    adds(&host).await;
    let mark = host.log.mark();
    host.folder.put("calc.wasm", guest("calc2"));
    host.line_from(mark, "swapped calc").await;
    host.stop().await;
}

#[tokio::test]
async fn an_empty_file_is_refused() {
    check("", "empty").await;
}

#[tokio::test]
async fn a_truncated_component_is_refused() {
    let bytes = guest("greeter");
    check(&bytes[..bytes.len() / 2], "").await;
}

#[tokio::test]
async fn a_component_with_a_flipped_byte_is_refused() {
    let mut bytes = guest("greeter");
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    bytes.extend([0xff; 64]);
    check(bytes, "").await;
}

#[tokio::test]
async fn a_text_renamed_is_refused() {
    check("#!/bin/sh\necho hello\n", "").await;
}

#[tokio::test]
async fn the_text_form_of_a_module_is_refused() {
    check("(module)", "").await;
    check("(component)", "").await;
}

#[tokio::test]
async fn a_core_module_without_exports_is_refused() {
    check(assembled("(module)"), "").await;
    check(assembled("(module (memory 1) (func))"), "").await;
}

#[tokio::test]
async fn a_component_of_an_unknown_world_is_refused() {
    check(Component::stranger().bytes(), "").await;
}

#[tokio::test]
async fn an_import_that_does_not_exist_is_refused_by_its_name() {
    let component = Component::describing("unreachable").importing("acme:magic@1.2.3", "wand");
    check(component.bytes(), "acme:magic/wand").await;
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_refused_by_its_name() {
    for (package, interface) in
        [("wasi:sockets@0.2.0", "network"), ("wasi:keyvalue@0.2.0", "store")]
    {
        let component = Component::describing("unreachable").importing(package, interface);
        let (name, _) = package.split_once('@').unwrap();
        check(component.bytes(), &format!("{name}/{interface}*granted")).await;
    }
}

#[tokio::test]
async fn a_describe_that_traps_is_refused() {
    check(Component::describing("unreachable").bytes(), "describe").await;
}

#[tokio::test]
async fn a_describe_that_spins_is_refused() {
    check(Component::describing("(loop (br 0)) unreachable").bytes(), "describe").await;
}

#[tokio::test]
async fn a_describe_that_allocates_without_end_is_refused() {
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    check(Component::describing(grow).bytes(), "describe").await;
}

#[tokio::test]
async fn a_describe_that_recurses_without_end_is_refused() {
    check(Component::describing("call 0").bytes(), "describe").await;
}

#[tokio::test]
async fn a_declaration_outside_of_memory_is_refused() {
    for address in ["0x7fffffff", "-1", "0x10001"] {
        check(Component::describing(&format!("i32.const {address}")).bytes(), "describe").await;
    }
}

async fn check_declaration(declaration: Declaration, reason: &str) {
    check(Component::declaring(&declaration).bytes(), reason).await;
}

fn methods(methods: &[(&str, &str, &str)]) -> Declaration {
    let owned = |(name, verb, pattern): &(&str, &str, &str)| {
        ((*name).to_owned(), (*verb).to_owned(), (*pattern).to_owned())
    };
    Declaration { methods: methods.iter().map(owned).collect(), ..Declaration::default() }
}

#[tokio::test]
async fn a_component_made_by_hand_is_served() {
    let folder = Folder::empty();
    folder.put("odd.wasm", Component::declaring(&Declaration::default()).bytes());
    let host = Host::over(folder).await;
    host.line("serving odd 1.0.0 * at /odd").await;
    faults(&host.get("/odd/one").await, 500, &["trapped"]);
    host.stop().await;
}

#[tokio::test]
async fn bad_patterns_are_refused() {
    for pattern in ["one", "/{", "/{a}{b}", "/{*rest}/more", "/{a}/{a}", "/a b", "/../a", "/%"] {
        check_declaration(methods(&[("one", "GET", pattern)]), "pattern").await;
    }
}

#[tokio::test]
async fn bad_verbs_are_refused() {
    for verb in ["", "get", "LOOK", "ANY", "GET "] {
        check_declaration(methods(&[("one", verb, "/one")]), "verb").await;
    }
}

#[tokio::test]
async fn a_route_declared_twice_is_refused() {
    let twice = methods(&[("one", "GET", "/{a}"), ("two", "GET", "/{b}")]);
    check_declaration(twice, "one*two").await;
}

#[tokio::test]
async fn a_method_declared_twice_is_refused() {
    check_declaration(methods(&[("one", "GET", "/a"), ("one", "GET", "/b")]), "one").await;
}

#[tokio::test]
async fn a_declaration_without_methods_is_refused() {
    check_declaration(methods(&[]), "method").await;
}

#[tokio::test]
async fn ten_thousand_methods_are_refused() {
    let method = |n: usize| (format!("m{n}"), "GET".to_owned(), format!("/m{n}"));
    let methods = (0..10_000).map(method).collect();
    check_declaration(Declaration { methods, ..Declaration::default() }, "10000 methods").await;
}

#[tokio::test]
async fn bad_names_versions_and_roots_are_refused() {
    let with = |set: fn(&mut Declaration)| {
        let mut declaration = Declaration::default();
        set(&mut declaration);
        declaration
    };
    check_declaration(with(|odd| odd.name.clear()), "name").await;
    check_declaration(with(|odd| odd.name = "a/b".into()), "name").await;
    check_declaration(with(|odd| odd.name = "x".repeat(129)), "name").await;
    check_declaration(with(|odd| odd.name = "line\nbreak".into()), "name").await;
    check_declaration(with(|odd| odd.version = "one".into()), "version").await;
    check_declaration(with(|odd| odd.root = "odd".into()), "root").await;
    check_declaration(with(|odd| odd.root = "/odd/".into()), "root").await;
    check_declaration(with(|odd| odd.root = "/{odd}".into()), "root").await;
}

#[tokio::test]
async fn reserved_paths_are_refused() {
    let roots = ["/rpc", "/services", "/services/calc", "/events", "/ws", "/socket.io"];
    for root in roots {
        let declaration = Declaration { root: root.into(), ..Declaration::default() };
        check_declaration(declaration, root).await;
    }
    check_declaration(methods(&[("one", "GET", "/healthcheck")]), "/healthcheck").await;
    let bare = Declaration { root: String::new(), ..methods(&[("one", "GET", "/healthcheck")]) };
    check_declaration(bare, "/healthcheck").await;
}

#[tokio::test]
async fn too_many_functions_are_refused_before_they_are_compiled() {
    let settings = "[limits]\nfunctions_max = 10000";
    let bomb = Component::describing("unreachable").with_functions(10_001).bytes();
    check_over(Folder::of(&["calc"]).with("picolet.toml", settings), &bomb, "functions").await;
}

#[tokio::test]
async fn more_memory_than_an_instance_may_have_is_refused() {
    let large = Component::declaring(&Declaration::default()).with_all_memory();
    check(large.bytes(), "").await;
    let many = "(core module (memory 65536))".repeat(2_000);
    check(assembled(&format!("(component {many})")), "memories").await;
}

#[tokio::test]
async fn a_module_that_is_too_large_is_refused_before_it_is_read() {
    let length = (guest("calc").len() + guest("calc2").len()) * 2;
    let settings = format!("[limits]\nmodule_bytes_max = {length}");
    let folder = Folder::of(&["calc"]).with("picolet.toml", settings);
    check_over(folder, &vec![0; length + 1], "").await;
}

#[tokio::test]
async fn a_declared_name_wins_and_a_manifest_that_differs_is_refused() {
    let host = Host::over(Folder::of(&["calc"])).await;
    for (key, manifest) in [
        ("name", "name = \"other\""),
        ("root", "root = \"/x\""),
        ("version", "version = \"9.0.0\""),
    ] {
        let mark = host.log.mark();
        host.folder.put("calc.toml", manifest);
        host.line_from(mark, &format!("refused calc.*{key}")).await;
        adds(&host).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn a_route_of_another_module_is_refused_until_that_one_goes() {
    let manifest = "root = \"/same\"";
    let folder = Folder::empty().with("b.toml", manifest).with("a.toml", manifest);
    folder.put("b.wasm", guest("hello-wasi2"));
    let host = Host::over(folder).await;
    host.line("serving b 0").await;
    host.folder.put("a.wasm", guest("hello-wasi3"));
    let line = refuses(&host, 0, "a.wasm", "").await;
    assert!(line.contains("b.wasm") || line.contains(" b"), "names both: {line}");
    answers(&host.get("/same/x").await, 200, "Hello from wasi:http 0.2 at /same/x\n");
    host.folder.remove("b.wasm");
    host.line("serving a 0").await;
    answers(&host.get("/same/x").await, 200, "Hello from wasi:http 0.3 at /same/x\n");
    host.stop().await;
}

#[tokio::test]
async fn within_one_scan_the_first_in_byte_order_has_the_route() {
    let manifest = "root = \"/same\"";
    let folder = Folder::empty().with("a.toml", manifest).with("B.toml", manifest);
    folder.put("a.wasm", guest("hello-wasi2"));
    folder.put("B.wasm", guest("hello-wasi3"));
    let host = Host::over(folder).await;
    refuses(&host, 0, "a.wasm", "").await;
    answers(&host.get("/same/x").await, 200, "Hello from wasi:http 0.3 at /same/x\n");
    host.stop().await;
}

#[tokio::test]
async fn the_same_name_and_version_twice_is_refused() {
    let host = Host::of(&["calc"]).await;
    host.folder.put("calc-next.wasm", guest("calc2"));
    refuses(&host, 0, "calc-next.wasm", "calc").await;
    adds(&host).await;
    host.stop().await;
}
