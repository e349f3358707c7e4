//! What a host must stand, one method for each.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use picolet_sdk::prelude::*;

/// Calls this instance has seen.
static CALLS: AtomicU64 = AtomicU64::new(0);

#[derive(Serialize)]
struct Seen {
    request_id: String,
    trace: String,
    remaining_ms: u64,
    caller: Option<String>,
}

#[service(root = "/misbehaves")]
mod misbehaves {
    #[before]
    async fn count(_request: &mut Request) {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls this instance has seen.
    #[get("/state")]
    async fn state() -> String {
        CALLS.load(Ordering::Relaxed).to_string()
    }

    /// Panics.
    #[get("/panic")]
    #[allow(clippy::panic, reason = "what the method is for")]
    async fn panic() {
        panic!("told to panic")
    }

    /// Never gives the processor back.
    #[get("/spin")]
    async fn spin() {
        loop {
            black_box(());
        }
    }

    /// Waits so many milliseconds and answers.
    #[get("/sleep/{ms}", name = "sleep")]
    async fn rest(Path(ms): Path<u64>) -> String {
        sleep(Duration::from_millis(ms)).await;
        format!("slept {ms} ms")
    }

    /// Allocates until there is no more.
    #[get("/alloc")]
    async fn alloc() -> String {
        let mut kept = Vec::new();
        loop {
            kept.push(black_box(vec![1u8; 1 << 20]));
        }
    }

    /// Calls itself until the stack ends.
    #[get("/recurse")]
    async fn recurse() -> String {
        deeper(0).to_string()
    }

    /// Panics in the middle of a body.
    #[get("/stream-trap", name = "stream-trap")]
    #[allow(clippy::panic, reason = "what the method is for")]
    async fn stream_trap() -> Body {
        Body::stream(|mut writer| async move {
            for _ in 0..4 {
                writer.write(vec![b'x'; 64 * 1024]).await?;
            }
            panic!("told to panic in the middle of a body")
        })
    }

    /// Ends a body with a fault.
    #[get("/stream-fault", name = "stream-fault")]
    async fn stream_fault() -> Body {
        Body::stream(|mut writer| async move {
            writer.write("a beginning\n").await?;
            Err(Fault::unavailable("told to break the body off"))
        })
    }

    /// Writes so many chunks of 1 KiB.
    #[get("/stream/{count}")]
    async fn stream(Path(count): Path<u64>) -> Body {
        Body::stream(move |mut writer| async move {
            for _ in 0..count {
                writer.write(vec![b'x'; 1024]).await?;
            }
            Ok(())
        })
    }

    /// Prints so many lines to stdout and one to stderr.
    #[get("/print/{count}")]
    #[allow(clippy::print_stdout, clippy::print_stderr, reason = "what the method is for")]
    async fn print(Path(count): Path<u64>) {
        for line in 0..count {
            println!("line {line}");
        }
        eprintln!("printed {count}");
    }

    /// Prints what it is sent.
    #[post("/say")]
    #[allow(clippy::print_stdout, reason = "what the method is for")]
    async fn say(Text(text): Text) {
        println!("{text}");
    }

    /// Calls a method of a service and passes its answer on.
    #[get("/call/{service}/{method}")]
    async fn call(
        Path((service, method)): Path<(String, String)>,
    ) -> Result<ClientResponse, Fault> {
        client(service).method(method).send().await
    }

    /// Calls a method and reads its answer, in at most so many milliseconds.
    #[get("/read/{service}/{method}/{ms}")]
    async fn read(
        Path((service, method, ms)): Path<(String, String, u64)>,
    ) -> Result<String, Fault> {
        client(service).timeout(Duration::from_millis(ms)).method(method).text().await
    }

    /// Calls a method with so many headers of so many bytes.
    #[get("/laden/{service}/{method}/{count}/{bytes}")]
    async fn laden(
        Path((service, method, count, bytes)): Path<(String, String, u32, usize)>,
    ) -> Result<ClientResponse, Fault> {
        let mut call = client(service).method(method);
        for n in 0..count {
            call = call.header(&format!("x-{n}"), "x".repeat(bytes).as_str());
        }
        call.send().await
    }

    /// So many callers at once call calc, each so many times.
    #[get("/calls/{callers}/{count}")]
    async fn calls(Path((callers, count)): Path<(u32, u32)>) -> Result<String, Fault> {
        let caller = async |_| {
            for _ in 0..count {
                client("calc").method("add1").params((40, 2)).bytes().await?;
            }
            Ok::<_, Fault>(())
        };
        try_join_all((0..callers).map(caller)).await?;
        Ok((callers * count).to_string())
    }

    /// Calls itself so many times more.
    #[get("/again/{depth}")]
    async fn again(Path(depth): Path<u32>) -> Result<String, Fault> {
        match depth.checked_sub(1) {
            Some(less) => client("misbehaves").method("again").param(less).text().await,
            None => Ok("deep enough".into()),
        }
    }

    /// Reads the body as it arrives and tells its length.
    #[post("/sum-body", name = "sum-body")]
    async fn sum_body(mut body: Body) -> Result<String, Fault> {
        let mut length = 0;
        while let Some(chunk) = body.next().await? {
            length += chunk.len();
        }
        Ok(length.to_string())
    }

    /// Writes each chunk of the body back when it arrives.
    #[post("/duplex")]
    async fn duplex(mut body: Body) -> Body {
        Body::stream(|mut writer| async move {
            while let Some(chunk) = body.next().await? {
                writer.write(chunk).await?;
            }
            Ok(())
        })
    }

    /// A fault of this status.
    #[get("/fault/{status}")]
    async fn fault(Path(status): Path<u16>) -> Result<(), Fault> {
        Err(Fault::new(status, "told-to-fail", format!("told to fail with {status}")))
    }

    /// Passes every call on.
    #[get("/reject")]
    async fn reject() -> Result<(), Fault> {
        Err(Fault::rejected("not here"))
    }

    /// The headers of the request, as a list of names and values.
    #[get("/headers")]
    async fn headers(headers: Headers) -> Json<Vec<(String, String)>> {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()));
        Json(pairs.collect())
    }

    /// Who is listed under a registry key.
    #[get("/directory/{key}")]
    async fn listed(Path(key): Path<String>) -> Json<Vec<String>> {
        let entry = |entry: Entry| format!("{} {} {}", entry.name, entry.version, entry.up);
        Json(directory(&key).into_iter().map(entry).collect())
    }

    /// What is known about the call.
    #[get("/context")]
    async fn context(context: Context) -> Json<Seen> {
        Json(Seen {
            request_id: context.request_id(),
            trace: context.trace(),
            remaining_ms: u64::try_from(context.remaining().as_millis()).unwrap_or(u64::MAX),
            caller: context.caller(),
        })
    }
}

/// Never ends, in a way that no optimiser sees.
#[allow(unconditional_recursion, reason = "what the method is for")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(depth + 1) + frame.iter().sum::<u64>()
}
