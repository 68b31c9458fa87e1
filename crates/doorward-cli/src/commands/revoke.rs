//! `doorward revoke`: URLs are taken back, and what streams from them ends.

use doorward::runtime::Instance;
use serde::Deserialize;
use serde_json::json;

use crate::args::{Revoke, Revoked};
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::term::{say, say_json};

#[derive(Debug, Deserialize)]
struct Answer {
    revoked: u64,
}

pub(crate) async fn run(revoke: Revoke, instance: Instance) -> Result<(), Failure> {
    let client = Client::of(&instance)?;
    let Revoked { grant, source, all } = revoke.what;
    let one = grant.is_some();
    let body = match (grant, source, all) {
        (Some(url), ..) if url.contains("://") => json!({ "url": url }),
        (Some(id), ..) => json!({ "id": id }),
        (_, Some(source), _) => json!({ "sources": [source] }),
        _ => json!({ "all": true }),
    };
    let Answer { revoked } = client.post("/native/media/revoke", &body).await?;
    if one && revoked == 0 {
        let failure = Failure::new(Code::Failed, "notFound", "there is no such live URL");
        return Err(failure.next("It may have ended, or have been revoked, already."));
    }
    if revoke.json {
        return say_json(&json!({ "revoked": revoked }));
    }
    match revoked {
        1 => say("1 URL revoked."),
        count => say(&format!("{count} URLs revoked.")),
    }
}
