//! `doorward open`: a new launch link, and the browser at it.

use doorward::runtime::Instance;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::Open;
use crate::client::Client;
use crate::desktop;
use crate::failure::Failure;
use crate::term::{remark, say, say_json};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    launch_url: String,
    expires_at: String,
}

/// Prints the link where no browser can be opened.
pub(crate) async fn run(open: Open, instance: Instance) -> Result<(), Failure> {
    let client = Client::of(&instance)?;
    let body = json!({ "takeOver": open.take_over });
    let ticket: Ticket = client.post("/native/ticket", &body).await?;
    if open.json {
        return say_json(&ticket);
    }
    if open.print || !desktop::has_display() {
        if !open.print {
            remark(
                "There is no desktop here. The link works once, for a minute, in a browser of this machine:",
            );
        }
        return say(&ticket.launch_url);
    }
    desktop::open_url(&ticket.launch_url)?;
    say(&format!(
        "The console at {} opens in the browser.",
        client.info().control
    ))
}
