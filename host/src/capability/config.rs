//! `wasi:config`: what the manifest and the settings say, and the secrets of
//! the guest, which are given to who asks for one by its name.

use crate::engine::{State, configured};

impl configured::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, configured::Error>> {
        let secret = self.host.secrets.get(&key).map(str::to_owned);
        Ok(Ok(secret.or_else(|| self.host.config.get(&key).cloned())))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, configured::Error>> {
        let pairs = self.host.config.iter();
        Ok(Ok(pairs.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
