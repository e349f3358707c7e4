//! `cargo xtask run`: the examples as running services.

use crate::shell::{Step, command, root, run as run_command};
use crate::{browser, guests};

const WHAT_NEXT: &str = "
The host starts on the examples. Try:

  curl http://127.0.0.1:8080/api/add/40/2
  curl -H 'Content-Type: application/json' -d '{\"a\":21,\"b\":21}' http://127.0.0.1:8080/api/add
  curl 'http://127.0.0.1:8080/greeter-api/say/hello?name=John'
  curl -N http://127.0.0.1:8080/ticker/5
  curl http://127.0.0.1:8080/session/hello/John
  curl http://127.0.0.1:8080/stocks/ACME/average/7
  curl http://127.0.0.1:8080/directory
  curl http://127.0.0.1:8080/pages
  curl http://127.0.0.1:8080/poller
  open http://127.0.0.1:8080/chat in two windows of a browser
  curl -d John http://127.0.0.1:8080/counter/home
  curl 'http://127.0.0.1:8080/conversion/convert/usd/eur?amount=100'
  curl http://127.0.0.1:9099/api/services
  target/release/picolet services

Open http://127.0.0.1:8080/conversion in a browser, and change a rate:

  curl -X PUT -H 'Content-Type: application/json' -d '{\"rate\":0.95}' \\
    http://127.0.0.1:8080/arbitration/usd/eur

Replace a file in services/ while it runs; stop with ctrl-c.
";

pub(crate) fn run(arguments: &[&str]) -> Step {
    let services = root().join("services");
    guests::examples(&services)?;
    browser::bring_client_script(&services)?;
    run_command(&mut command(
        "cargo",
        &["build", "--locked", "--release", "--package", "picolet"],
    ))?;
    println!("{WHAT_NEXT}");
    let mut host = command("target/release/picolet", &["serve", "services"]);
    run_command(host.args(arguments))
}
