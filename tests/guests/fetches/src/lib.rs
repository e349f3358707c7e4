//! Asks strangers, well and badly. The URL is in the query.

use std::time::Duration;

use picolet_sdk::prelude::*;

#[derive(Deserialize)]
struct To {
    url: String,
}

/// What is out before a body ends too soon. Each waits for the one before, so
/// the request is on its way by then.
const PIECES: usize = 8;

/// The name of the fault, or the status.
fn outcome(answer: Result<ClientResponse, Fault>) -> String {
    match answer {
        Ok(answer) => answer.status.as_u16().to_string(),
        Err(fault) => fault.name().to_owned(),
    }
}

#[service(root = "/fetches")]
mod fetches {
    /// Passes the answer on.
    #[get("/get")]
    async fn ask(Query(to): Query<To>) -> Result<ClientResponse, Fault> {
        fetch(to.url).send().await
    }

    /// The same, with a header of its own and some that are the host's.
    #[get("/headers")]
    async fn headers(Query(to): Query<To>) -> Result<ClientResponse, Fault> {
        let request = fetch(to.url).header("x-own", "1").header("host", "other.example");
        let request = request.header("connection", "x-hop").header("x-hop", "1");
        request.header("keep-alive", "timeout=9").header("content-length", "7").send().await
    }

    /// Any verb.
    #[get("/verb/{verb}")]
    async fn verb(Path(verb): Path<String>, Query(to): Query<To>) -> Result<ClientResponse, Fault> {
        fetch(to.url).method(verb).send().await
    }

    /// Sends its body on, as it arrives.
    #[post("/send")]
    async fn send(Query(to): Query<To>, body: Body) -> Result<ClientResponse, Fault> {
        fetch(to.url).post().header("content-type", "text/plain").body(body).send().await
    }

    /// Asks one after the other, and answers with all they said.
    #[get("/repeat/{count}")]
    async fn repeat(Path(count): Path<u32>, Query(to): Query<To>) -> Result<String, Fault> {
        let mut all = String::new();
        for _ in 0..count {
            all.push_str(&fetch(to.url.as_str()).text().await?);
        }
        Ok(all)
    }

    /// The same, and answers with the bytes they sent.
    #[get("/count/{count}")]
    async fn count(Path(count): Path<u32>, Query(to): Query<To>) -> Result<String, Fault> {
        let mut bytes = 0;
        for _ in 0..count {
            bytes += fetch(to.url.as_str()).bytes().await?.len();
        }
        Ok(bytes.to_string())
    }

    /// Asks all at once, and answers with what each came to.
    #[get("/at-once/{count}", name = "at-once")]
    async fn at_once(Path(count): Path<usize>, Query(to): Query<To>) -> String {
        let asked = (0..count).map(|_| fetch(to.url.as_str()).send());
        join_all(asked).await.into_iter().map(outcome).collect::<Vec<_>>().join(" ")
    }

    /// Follows one redirect.
    #[get("/follow")]
    async fn follow(Query(to): Query<To>) -> Result<ClientResponse, Fault> {
        let answer = fetch(to.url).send().await?;
        let next = answer.headers.get("location").map(str::to_owned);
        fetch(next.ok_or_else(|| Fault::not_found("no redirect"))?).send().await
    }

    /// Waits so long for the whole answer.
    #[get("/within/{ms}")]
    async fn within(Path(ms): Path<u64>, Query(to): Query<To>) -> Result<String, Fault> {
        fetch(to.url).timeout(Duration::from_millis(ms)).text().await
    }

    /// Breaks its own body off.
    #[post("/unfinished")]
    async fn unfinished(Query(to): Query<To>) -> Result<ClientResponse, Fault> {
        let body = Body::stream(|mut writer| async move {
            for _ in 0..PIECES {
                writer.write("a piece").await?;
            }
            Err(Fault::unavailable("told to break the body off"))
        });
        fetch(to.url).post().body(body).send().await
    }

    /// Traps in the middle of its body.
    #[post("/trap")]
    #[allow(clippy::panic, reason = "what it is for")]
    async fn trap(Query(to): Query<To>) -> Result<ClientResponse, Fault> {
        let body = Body::stream(|mut writer| async move {
            for _ in 0..PIECES {
                writer.write("a piece").await?;
            }
            panic!("told to panic in the middle of a body")
        });
        fetch(to.url).post().body(body).send().await
    }
}
