//! The frame of a Rust suite: named tests, one JSON line for each. See python/harness.py for what a test may return as seen.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

pub use serde_json::{json, Value};

pub type Seen = Result<Value, Box<dyn Error + Send + Sync>>;

const DEADLINE: Duration = Duration::from_secs(20);

pub struct Suite {
    wanted: Vec<String>,
}

impl Suite {
    pub fn from_arguments() -> Self {
        Suite { wanted: std::env::args().skip(1).collect() }
    }

    /// Runs one test in a task of its own, so that a panic fails only this test.
    pub async fn test<F>(&self, name: &str, run: F)
    where
        F: Future<Output = Seen> + Send + 'static,
    {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|wanted| wanted == name) {
            return;
        }
        let task = tokio::spawn(run);
        let line = match tokio::time::timeout(DEADLINE, task).await {
            Ok(Ok(Ok(seen))) => json!({"test": name, "ok": true, "saw": seen}),
            Ok(Ok(Err(error))) => json!({"test": name, "ok": false, "saw": error.to_string(), "error": format!("{error:?}")}),
            Ok(Err(panic)) => json!({"test": name, "ok": false, "saw": "panic", "error": panic.to_string()}),
            Err(_) => json!({"test": name, "ok": false, "saw": "late", "error": format!("no end after {DEADLINE:?}")}),
        };
        // The runner looks for lines that begin so; serde_json sorts keys.
        println!("{{\"test\": {}, \"ok\": {}, \"saw\": {}, \"error\": {}}}", line["test"], line["ok"], line["saw"], line["error"]);
    }
}

pub fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
