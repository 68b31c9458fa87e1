//! `doorward stop`: asks the daemon to end, and waits until it has.

use std::time::Duration;

use doorward::runtime::Instance;
use serde_json::{Value, json};

use crate::args::Stop;
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::term::{say, say_json};

/// Answers may finish for a few seconds; then it ends.
const WITHIN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn run(stop: Stop, instance: Instance) -> Result<(), Failure> {
    let client = Client::of(&instance)?;
    let pid = client.info().pid;
    let _: Value = client.post("/native/stop", &json!({})).await?;
    let gone = async {
        while Client::find(&instance)?.is_some_and(|found| found.info().pid == pid) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok::<_, Failure>(())
    };
    tokio::time::timeout(WITHIN, gone).await.map_err(|_| {
        Failure::new(
            Code::Failed,
            "stillRunning",
            format!("doorward (pid {pid}) is still stopping"),
        )
        .next(format!("`kill {pid}` ends it at once."))
    })??;
    if stop.json {
        say_json(&json!({ "stopped": true, "pid": pid }))
    } else {
        say(&format!("doorward (pid {pid}) has stopped."))
    }
}
