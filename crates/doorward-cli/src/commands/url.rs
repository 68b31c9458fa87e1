//! `doorward url SOURCE`: a URL for one file.

use std::path::{Path, PathBuf};

use doorward::runtime::Instance;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::Url;
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::term::{say, say_json};

#[derive(Debug, Deserialize)]
struct Minted {
    grants: Vec<Grant>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Grant {
    url: String,
    id: String,
    expires_at: String,
}

pub(crate) async fn run(url: Url, instance: Instance) -> Result<(), Failure> {
    let client = Client::of(&instance)?;
    let disposition = match (url.download, url.framed, url.isolated) {
        (true, ..) => "download",
        (_, true, _) => "framed",
        (.., true) => "isolated",
        _ => "inline",
    };
    let mut body = json!({ "sources": [named(&url.source)?], "disposition": disposition });
    if let (Some(life), Some(members)) = (url.life, body.as_object_mut()) {
        members.insert("life".to_owned(), life.as_secs().into());
    }
    let Minted { grants } = client.post("/native/media/grants", &body).await?;
    let Some(grant) = grants.into_iter().next() else {
        return Err(Failure::new(
            Code::Failed,
            "noGrant",
            "doorward made no URL",
        ));
    };
    if url.json {
        say_json(&grant)
    } else {
        say(&grant.url)
    }
}

/// As the daemon understands it, whose working directory is another: paths are
/// made absolute, names of sources and URLs stay.
fn named(source: &str) -> Result<String, Failure> {
    let path = Path::new(source);
    if source.contains("://") || (source.contains(':') && !is_path(source) && !path.exists()) {
        return Ok(source.to_owned());
    }
    let absolute = std::path::absolute(path).map_err(|error| unnamed(source, &error))?;
    if let Err(error) = absolute.metadata() {
        return Err(unnamed(source, &error));
    }
    text(absolute, source)
}

fn is_path(source: &str) -> bool {
    ["/", "./", "../"]
        .iter()
        .any(|start| source.starts_with(start))
}

fn text(path: PathBuf, source: &str) -> Result<String, Failure> {
    path.into_os_string()
        .into_string()
        .map_err(|_| unnamed(source, &"its path is not UTF-8"))
}

fn unnamed(source: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Code::Failed,
        "notFound",
        format!("cannot make a URL for {source:?}"),
    )
    .why(why)
    .next("Name a file, s3://bucket/key, or name:key of a source that is served.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_urls_stay_and_paths_become_absolute() {
        for stays in [
            "pictures:a/x.png",
            "s3://bucket/key",
            "https://example.com/x",
        ] {
            assert_eq!(named(stays).unwrap(), stays);
        }
        let here = named("Cargo.toml").unwrap();
        assert!(Path::new(&here).is_absolute() && here.ends_with("Cargo.toml"));
        assert!(named("./no:such").is_err() && named("no-such").is_err());
    }
}
