//! The command line, pointed at what is no host: it says so, and ends.

use crate::kit::*;

async fn at(url: &str, args: &[&str]) -> Ran {
    run(picolet().args(args).args(["--host", url])).await
}

/// What went wrong is one line with these words in it.
#[track_caller]
fn says(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is missing in {ran:?}");
    }
}

#[tokio::test]
async fn who_accepts_and_never_answers_is_left_after_a_while() {
    let mean = Mean::start(Manner::Silent).await;
    let url = format!("http://{}", mean.address);
    // What is read, what changes something, and what says how long it may take.
    let (health, services, remove, call) = tokio::join!(
        at(&url, &["health"]),
        at(&url, &["services"]),
        at(&url, &["remove", "calc"]),
        at(&url, &["call", "calc.add1", "--timeout", "250"]),
    );
    says(&health, 1, &[&url, "has not answered for 5 s"]);
    says(&services, 1, &[&url, "has not answered for 10 s"]);
    says(&remove, 1, &[&url, "has not answered for 5 s"]);
    says(&call, 1, &[&url, "has not answered for 5.25 s"]);
}

#[tokio::test]
async fn the_address_of_the_services_is_told_from_that_of_the_admin_side() {
    let host = Host::of(&["calc"]).await;
    let url = format!("http://{}", host.services);
    let commands: [&[&str]; 4] =
        [&["services"], &["call", "calc.add1", "1", "2"], &["remove", "calc"], &["logs", "-f"]];
    for args in commands {
        says(&at(&url, args).await, 1, &["services are served at this address", "--host"]);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_server_of_somebody_else_is_no_host() {
    let stranger = Stranger::start().await;
    for args in [&["services"][..], &["health"], &["call", "calc.add1"]] {
        says(&at(&stranger.url(""), args).await, 1, &["404", "no Picolet host", "--host"]);
    }
    let page = at(&stranger.url("/hello?"), &["services"]).await;
    says(&page, 1, &["is no Picolet host", "--host"]);
}

#[tokio::test]
async fn an_address_that_is_none_says_which_is_wanted() {
    let host = Host::of(&["calc"]).await;
    let plain = format!("http://{}", host.admin);
    let no_tls = at(&format!("https://{}", host.admin), &["services"]).await;
    says(&no_tls, 1, &["no TLS", &plain]);
    let port = at("9099", &["services"]).await;
    assert_eq!(port.code, Some(2), "{port:?}");
    assert!(port.stderr.contains("http://127.0.0.1:9099"), "{port:?}");
    host.stop().await;
}
