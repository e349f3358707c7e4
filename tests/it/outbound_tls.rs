//! Requests of guests to strangers that speak TLS.

use crate::kit::*;

/// A host that may ask this origin, and trusts the authority when it is told.
async fn host(origin: &str, is_trusted: bool) -> Host {
    let manifest = format!("[grants]\noutbound = {origin:?}\noutbound_private = \"127.0.0.1\"");
    let mut folder = Folder::empty();
    for name in ["fetches", "fetches-wasi2", "fetches-wasi3"] {
        folder = folder.with(&format!("{name}.wasm"), guest(name));
        folder = folder.with(&format!("{name}.toml"), &manifest);
    }
    if is_trusted {
        let roots = folder.beside("roots.pem");
        std::fs::write(&roots, AUTHORITY).unwrap();
        let settings = format!("[outbound]\nroots = {:?}", roots.display().to_string());
        folder = folder.with("picolet.toml", settings);
    }
    Host::over(folder).await
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_for_this_name() {
    let stranger = Stranger::behind(secure()).await;
    let (port, path) = (stranger.address.port(), "/fetches/get?url=");
    let (named, by_address) =
        (format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}"));
    for (origin, is_trusted) in [(&named, true), (&named, false), (&by_address, true)] {
        let host = host(origin, is_trusted).await;
        let reply = host.get(&format!("{path}{origin}/hello")).await;
        let is_good = is_trusted && *origin == named;
        if is_good {
            answers(&reply, 200, "hello");
        } else {
            faults(&reply, 502, &["outbound-failed"]);
            assert!(reply.text().contains("certificate"), "{reply:?}");
        }
        for guest in ["fetches-wasi2", "fetches-wasi3"] {
            let reply = host.get(&format!("/{guest}/get?{origin}/hello")).await;
            assert_eq!(reply.status, if is_good { 200 } else { 502 }, "{reply:?}");
            assert_eq!(reply.text().contains("TlsCertificateError"), !is_good, "{reply:?}");
        }
        host.stop().await;
    }
    assert_eq!(stranger.requests(), 3);
}

#[tokio::test]
async fn authorities_that_cannot_be_read_keep_the_host_from_starting() {
    let folder = Folder::empty().with("picolet.toml", "[outbound]\nroots = \"nowhere.pem\"");
    let any_ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let ran = run(picolet().arg("serve").arg(folder.watched()).args(any_ports)).await;
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("outbound.roots: nowhere.pem cannot be read"), "{}", ran.stderr);
}
