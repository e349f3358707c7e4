//! Keeps values, in every way there is. The bucket `own` is that of the
//! service.

use std::fs;

use picolet_sdk::prelude::*;

#[derive(Deserialize)]
struct File {
    path: String,
}

fn bucket(name: &str) -> Bucket {
    if name == "own" { Bucket::own() } else { Bucket::shared(name) }
}

#[service(root = "/keeper")]
mod keeper {
    #[get("/{bucket}/{key}")]
    async fn get(Path((name, key)): Path<(String, String)>) -> Result<Option<String>, Fault> {
        bucket(&name).get(&key)
    }

    #[put("/{bucket}/{key}")]
    async fn set(
        Path((name, key)): Path<(String, String)>,
        Text(value): Text,
    ) -> Result<String, Fault> {
        Ok(bucket(&name).set(&key, value).await?.to_string())
    }

    #[delete("/{bucket}/{key}")]
    async fn delete(Path((name, key)): Path<(String, String)>) -> Result<(), Fault> {
        bucket(&name).delete(&key).await
    }

    #[post("/add/{bucket}/{key}/{delta}")]
    async fn add(Path((name, key, delta)): Path<(String, String, i64)>) -> Result<String, Fault> {
        Ok(bucket(&name).add(&key, delta).await?.to_string())
    }

    /// Adds 1 so many times, each by a swap.
    #[post("/swap/{key}/{times}")]
    async fn swap(Path((key, times)): Path<(String, u32)>) -> Result<(), Fault> {
        for _ in 0..times {
            let next = |there: Option<Json<u64>>| Some(Json(there.map_or(0, |n| n.0) + 1));
            Bucket::own().update(&key, next).await?;
        }
        Ok(())
    }

    #[get("/keys/{bucket}/{prefix}")]
    async fn keys(
        Path((name, prefix)): Path<(String, String)>,
    ) -> Result<Json<Vec<String>>, Fault> {
        Ok(Json(bucket(&name).keys(&prefix, "", 1_000)?))
    }

    /// Sets a key of so many bytes to a value of so many.
    #[post("/large/{key}/{value}")]
    async fn large(Path((key, value)): Path<(usize, usize)>) -> Result<(), Fault> {
        Bucket::own().set(&"k".repeat(key), vec![0; value]).await?;
        Ok(())
    }

    /// Opens so many buckets that nobody granted.
    #[post("/open/{count}")]
    async fn open(Path(count): Path<u32>) -> Result<(), Fault> {
        let mut last = Ok(());
        for number in 0..count {
            last = Bucket::shared(&format!("b{number}")).set("k", "v").await.map(drop);
        }
        last
    }

    #[post("/sets/{count}")]
    async fn sets(Path(count): Path<u32>) -> Result<(), Fault> {
        for number in 0..count {
            Bucket::own().set(&format!("s{}", number % 1_000), "x".repeat(100)).await?;
        }
        Ok(())
    }

    #[get("/gets/{count}")]
    async fn gets(Path(count): Path<u32>) -> Result<String, Fault> {
        let mut found = 0;
        for number in 0..count {
            let value: Option<Vec<u8>> = Bucket::own().get(&format!("s{}", number % 1_000))?;
            found += usize::from(value.is_some());
        }
        Ok(found.to_string())
    }

    #[get("/file")]
    async fn read_file(Query(File { path }): Query<File>) -> Result<String, Fault> {
        fs::read_to_string(&path).map_err(|error| Fault::not_found(error.to_string()))
    }

    #[put("/file")]
    async fn write_file(Query(File { path }): Query<File>, Text(text): Text) -> Result<(), Fault> {
        fs::write(&path, text).map_err(|error| Fault::forbidden(error.to_string()))
    }

    #[get("/config/{key}", name = "config")]
    async fn configured(Path(key): Path<String>) -> Option<String> {
        config(&key)
    }

    /// Prints a secret in every way there is.
    #[post("/print/{name}")]
    #[allow(clippy::print_stdout, clippy::print_stderr, reason = "what it is for")]
    async fn print(Path(name): Path<String>) -> Option<String> {
        let secret = secret(&name)?;
        println!("the secret is {}, or {secret:?}", secret.expose());
        eprintln!("{0}{0} twice", secret.expose());
        Some(secret.expose().to_owned())
    }

    #[get("/wasi/config")]
    async fn wasi_config() -> Result<String, Fault> {
        wasi::config()
    }

    #[get("/wasi/get/{bucket}/{key}")]
    async fn wasi_get(Path((name, key)): Path<(String, String)>) -> Result<Option<String>, Fault> {
        wasi::get(&name, &key)
    }

    #[put("/wasi/set/{bucket}/{key}")]
    async fn wasi_set(
        Path((name, key)): Path<(String, String)>,
        Text(value): Text,
    ) -> Result<(), Fault> {
        wasi::set(&name, &key, &value)
    }

    #[post("/wasi/increment/{key}/{delta}")]
    async fn wasi_increment(Path((key, delta)): Path<(String, u64)>) -> Result<String, Fault> {
        wasi::increment(&key, delta)
    }

    /// Sets so many keys at once; gives how many there are by pages, and how
    /// many are left when all of these are deleted.
    #[post("/wasi/batch/{count}")]
    async fn wasi_batch(Path(count): Path<u32>) -> Result<String, Fault> {
        wasi::batch(count)
    }
}

#[cfg(target_family = "wasm")]
mod wasi {
    use picolet_sdk::{
        __private::abi::bindings::wasi::{
            config::store as configured,
            keyvalue::{
                atomics, batch,
                store::{self, Bucket, Error},
            },
        },
        Fault,
    };

    pub(super) fn config() -> Result<String, Fault> {
        let pairs = configured::get_all().unwrap_or_default();
        Ok(pairs.iter().map(|(name, value)| format!("{name}={value}\n")).collect())
    }

    fn open(name: &str) -> Result<Bucket, Fault> {
        store::open(if name == "own" { "default" } else { name }).map_err(fault)
    }

    fn fault(error: Error) -> Fault {
        match error {
            Error::NoSuchStore => Fault::new(404, "no-such-store", "no store"),
            Error::AccessDenied => Fault::new(403, "access-denied", "denied"),
            Error::Other(text) => Fault::new(400, "other", text),
        }
    }

    pub(super) fn get(name: &str, key: &str) -> Result<Option<String>, Fault> {
        let bucket = open(name)?;
        let value = bucket.get(key).map_err(fault)?;
        let exists = bucket.exists(key).map_err(fault)?;
        assert_eq!(value.is_some(), exists);
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    pub(super) fn set(name: &str, key: &str, value: &str) -> Result<(), Fault> {
        open(name)?.set(key, value.as_bytes()).map_err(fault)
    }

    pub(super) fn increment(key: &str, delta: u64) -> Result<String, Fault> {
        let bucket = open("own")?;
        atomics::increment(&bucket, key, delta).map(|sum| sum.to_string()).map_err(fault)
    }

    fn count(bucket: &Bucket) -> Result<usize, Fault> {
        let (mut count, mut cursor) = (0, None);
        loop {
            let page = bucket.list_keys(cursor).map_err(fault)?;
            count += page.keys.len();
            match page.cursor {
                None => return Ok(count),
                next => cursor = next,
            }
        }
    }

    pub(super) fn batch(count_of: u32) -> Result<String, Fault> {
        let bucket = open("own")?;
        let keys: Vec<String> = (0..count_of).map(|number| format!("batch{number}")).collect();
        let pairs: Vec<_> = keys.iter().map(|key| (key.clone(), b"v".to_vec())).collect();
        batch::set_many(&bucket, &pairs).map_err(fault)?;
        let there = count(&bucket)?;
        let mut asked = keys.clone();
        asked.pop();
        asked.push("nobody".to_owned());
        let found = batch::get_many(&bucket, &asked).map_err(fault)?;
        let found = found.iter().flatten().count();
        batch::delete_many(&bucket, &keys).map_err(fault)?;
        Ok(format!("{there} {found} {}", count(&bucket)?))
    }
}

#[cfg(not(target_family = "wasm"))]
mod wasi {
    use picolet_sdk::Fault;

    fn nowhere<T>() -> Result<T, Fault> {
        Err(Fault::unavailable("there is no wasi:keyvalue in native tests"))
    }

    pub(super) fn config() -> Result<String, Fault> {
        nowhere()
    }

    pub(super) fn get(_: &str, _: &str) -> Result<Option<String>, Fault> {
        nowhere()
    }

    pub(super) fn set(_: &str, _: &str, _: &str) -> Result<(), Fault> {
        nowhere()
    }

    pub(super) fn increment(_: &str, _: u64) -> Result<String, Fault> {
        nowhere()
    }

    pub(super) fn batch(_: u32) -> Result<String, Fault> {
        nowhere()
    }
}
