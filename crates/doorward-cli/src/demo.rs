//! `serve --demo`: sample media in a folder of its own, and the same behind a
//! small S3-compatible store, and the reference gateway on a socket of its own. All
//! of it is gone when it ends.

mod check;
mod pdf;
mod store;

use std::collections::BTreeMap;
use std::path::Path;

use doorward::config::Gateway;
use doorward::guard::Token;
use doorward::media::{Credentials, Location, StoreConfig};
use doorward_gateway::{Accounts, Listen, Profile, Server, Service, Settings};
use include_dir::{Dir, include_dir};
use tempfile::TempDir;

use crate::failure::{Code, Failure};
use crate::serve::Wanted;
use store::Store;

static SAMPLES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/demo");

/// The bucket's name.
const BUCKET: &str = "demo";
/// What the store calls its only user.
const ACCESS_KEY: &str = "demo";
/// Samples that are in the bucket, by folder.
const IN_BUCKET: [(&str, &str); 2] = [("Landscapes", "photos/2026"), ("Clips", "clips")];

/// Keeps the samples as long as it is held.
#[derive(Debug)]
pub(crate) struct Demo {
    _folder: TempDir,
    _store: Store,
    _gateway: Server,
}

impl Demo {
    /// Makes the samples, opens the store, and adds both to what is served.
    pub(crate) async fn set_up(
        wanted: &mut Vec<Wanted>,
        gateways: &mut Vec<Gateway>,
    ) -> Result<Self, Failure> {
        let failed =
            |error| Failure::new(Code::Failed, "demo", "cannot make the sample media").why(error);
        let folder = tempfile::Builder::new()
            .prefix("doorward-demo-")
            .tempdir()
            .map_err(failed)?;
        let (samples, bucket) = (folder.path().join("Demo"), folder.path().join("bucket"));
        write(&samples, &bucket).map_err(failed)?;
        // Nobody else is told this key: what reads the bucket reads it through us.
        let secret = Token::random().reveal();
        let store = Store::open(&bucket, BUCKET, ACCESS_KEY, &secret)
            .await
            .map_err(failed)?;
        let credentials = Credentials::keys(ACCESS_KEY, &secret, None);
        let config = StoreConfig::new(BUCKET, Some(&store.endpoint()), credentials);
        wanted.push(Wanted::demo(
            "demo",
            "Demo",
            Location::Folder(samples),
            "sample media, made for this run",
        ));
        let shown = format!("s3://{BUCKET}/ at {}", store.endpoint());
        wanted.push(Wanted::demo(
            "bucket",
            "Demo bucket",
            Location::Store(Box::new(config)),
            &shown,
        ));
        // Its folder is this user's alone, so its password need be no secret.
        let socket = folder.path().join("gateway");
        let address = format!("unix:{}", socket.display());
        gateways.push(
            Gateway::at("Demo gateway", &address)
                .map_err(std::io::Error::other)
                .map_err(failed)?,
        );
        let gateway = Server::open(Listen::Unix(socket), Settings::new(accounts()?)).await;
        Ok(Self {
            _folder: folder,
            _store: store,
            _gateway: gateway.map_err(failed)?,
        })
    }
}

/// `demo` with the password `demo`, guests, and anybody; a clock to be started.
fn accounts() -> Result<Accounts, Failure> {
    let mut accounts = Accounts {
        guests: true,
        anonymous: true,
        ..Accounts::default()
    };
    let added = accounts.add_password("demo", Profile::Operator, "demo");
    added.map_err(|error| {
        Failure::new(Code::Failed, "demo", "cannot make the gateway's account").why(error)
    })?;
    let command = ["/bin/sh", "-c", "while date; do sleep 1; done"];
    let clock = Service {
        label: "Clock".to_owned(),
        summary: "Says the time, every second.".to_owned(),
        command: command.map(str::to_owned).to_vec(),
        grant: BTreeMap::new(),
    };
    accounts.service.insert("clock".to_owned(), clock);
    Ok(accounts)
}

fn write(samples: &Path, bucket: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(samples)?;
    SAMPLES.extract(samples)?;
    let atlas = pdf::atlas();
    std::fs::write(samples.join("Documents").join("atlas.pdf"), &atlas)?;
    for (from, to) in IN_BUCKET {
        let to = bucket.join(to);
        std::fs::create_dir_all(&to)?;
        if let Some(folder) = SAMPLES.get_dir(from) {
            for file in folder.files() {
                let name = file.path().file_name().unwrap_or_default();
                std::fs::write(to.join(name), file.contents())?;
            }
        }
    }
    std::fs::write(bucket.join("atlas.pdf"), &atlas)
}
