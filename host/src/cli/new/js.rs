//! `picolet new --lang js`: a plain `wasi:http` service in JavaScript.

use super::write_dir;
use include_dir::{Dir, include_dir};
use serde_json::json;
use std::fs;
use std::path::Path;

// The tools, and the interfaces that they want, are those of the example, which
// the tests build.
static WIT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../examples/hello-js/wit");
const EXAMPLE: &str = include_str!("../../../../examples/hello-js/package.json");
const LOCK: &str = include_str!("../../../../examples/hello-js/package-lock.json");
const SERVICE: &str = include_str!("js/service.js");
const BUILD: &str = include_str!("js/build.mjs");

pub(super) fn write(project: &Path, name: &str) -> std::io::Result<()> {
    write_dir(&WIT, &project.join("wit"))?;
    let world = project.join("wit/world.wit");
    let text = fs::read_to_string(&world)?.replace("picolet:hello-js", "picolet:guest");
    fs::write(world, text)?;
    for (file, content) in [
        ("package.json", package(name)),
        ("package-lock.json", lock(name)),
        ("service.js", SERVICE.to_owned()),
        ("build.mjs", BUILD.to_owned()),
        ("README.md", readme(name)),
        (".gitignore", "node_modules/\ntarget/\n*.wasm\n".to_owned()),
        (&format!("{name}.toml"), manifest(name)),
    ] {
        fs::write(project.join(file), content)?;
    }
    Ok(())
}

/// The package of the example, as the package of this project.
fn package(name: &str) -> String {
    let mut package: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap_or_default();
    if let Some(package) = package.as_object_mut() {
        package.insert("name".into(), json!(name.to_lowercase()));
        package.insert("description".into(), json!(format!("The service {name}")));
        package.remove("license");
        package.insert("picolet".into(), json!({ "module": format!("{name}.wasm") }));
    }
    let text = serde_json::to_string_pretty(&package).unwrap_or_default();
    format!("{text}\n")
}

fn lock(name: &str) -> String {
    LOCK.replace("\"name\": \"hello-js\"", &format!("\"name\": \"{}\"", name.to_lowercase()))
}

fn manifest(name: &str) -> String {
    format!(
        r#"# What the host needs to know of {name}.wasm; it is deployed beside it.
name = "{name}"
version = "0.1.0"
root = "/{name}"
# The guest sees /hello/world, not /{name}/hello/world.
strip = true

[[routes]]
name = "hello"
type = "GET"
pattern = "/hello/{{name}}"
"#
    )
}

fn readme(name: &str) -> String {
    format!(
        r"# {name}

A service in JavaScript, for a Picolet host.

```sh
npm install      # once: the component tools
picolet dev      # builds on each save, and serves
curl http://127.0.0.1:8080/{name}/hello/world
```

`npm run build` makes `{name}.wasm`. To deploy it, put `{name}.toml` and then
`{name}.wasm` into the folder that a host watches.

The code is `service.js`. A route is an entry of `{name}.toml` and a line of
`service.js` that answers it. The module carries a JavaScript engine, so it is
large, and compiling it takes a host some seconds the first time.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_has_what_it_is_built_with() {
        let package: serde_json::Value = serde_json::from_str(&package("Prices")).unwrap();
        assert_eq!(package["name"], "prices");
        assert_eq!(package["picolet"]["module"], "Prices.wasm");
        assert_eq!(package["scripts"]["build"], "node build.mjs");
        let lock: serde_json::Value = serde_json::from_str(&lock("Prices")).unwrap();
        assert_eq!(lock["packages"][""]["name"], "prices");
        assert_eq!(lock["packages"][""]["devDependencies"], package["devDependencies"]);
    }

    #[test]
    fn the_manifest_is_one() {
        let parsed = crate::manifest::Manifest::parse(&manifest("prices"), "prices.toml").unwrap();
        assert_eq!(parsed.routes.len(), 1);
        assert!(parsed.strip);
    }
}
