//! A page of another origin, and what it asks of the companion.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use doorward::companion_core::Instance;
use doorward::companion_core::pairing::Bytes32;
use doorward::companion_core::pairing::keys::Keys;
use doorward::companion_core::pairing::page::Page;
use doorward::companion_core::signing::{Challenge, hello_proof};
use doorward::guard::{Origin, Secret};
use serde_json::{Value, json};

use crate::common::{Daemon, Reply, send};

/// A page whose window is open.
pub(crate) struct Visitor {
    companion: String,
    origin: String,
    pid: String,
    keys: Keys,
}

impl Visitor {
    pub(crate) fn knock(daemon: &Daemon, origin: &str, label: &str, scopes: &str) -> Self {
        Self::knock_at(&daemon.text("companion"), origin, label, scopes)
    }

    pub(crate) fn knock_at(companion: &str, origin: &str, label: &str, scopes: &str) -> Self {
        let scopes = serde_json::from_str(scopes).unwrap();
        let page = Page::new(&Origin::parse(origin).unwrap(), label, scopes);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let offer = post(companion, origin, "/pair/start", &text(page.start()));
        assert_eq!(offer.status, 200, "{}", offer.json());
        let pid = offer.json()["pid"].as_str().unwrap().to_owned();
        let path = format!("/pair/{pid}/reveal");
        let revealed = post(companion, origin, &path, &text(page.reveal()));
        assert_eq!(revealed.status, 200, "{}", revealed.json());
        let host = companion.replace("http://", "");
        let keys = page.compare(&offer.body, &host).unwrap().keys().clone();
        Self {
            companion: companion.to_owned(),
            origin: origin.to_owned(),
            pid,
            keys,
        }
    }

    /// Why a page may not even start.
    pub(crate) fn refused(daemon: &Daemon, origin: &str) -> String {
        let page = Page::new(
            &Origin::parse(origin).unwrap(),
            "App",
            serde_json::from_str("[]").unwrap(),
        );
        let start = String::from_utf8(page.start().to_vec()).unwrap();
        let told = post(&daemon.text("companion"), origin, "/pair/start", &start);
        told.json()["denial"].as_str().unwrap().to_owned()
    }

    /// What the page shows.
    pub(crate) fn code(&self) -> String {
        self.keys.code.to_string()
    }

    pub(crate) fn confirm(&self) -> Reply {
        let proof = json!({ "proof": String::from(Bytes32(self.keys.page_proof())) });
        self.post("confirm", &proof.to_string())
    }

    pub(crate) fn cancel(&self) {
        assert_eq!(self.post("cancel", "{}").status, 200);
    }

    /// One held request.
    pub(crate) fn wait(&self) -> Value {
        let url = format!("{}/pair/{}", self.companion, self.pid);
        send("GET", &url, &[("Origin", &self.origin)], "").json()
    }

    /// Until it is over without a pairing, and how.
    pub(crate) fn ended(&self) -> String {
        let told = self.wait();
        let denial = told["denial"].as_str();
        denial.unwrap_or_else(|| panic!("{told}")).to_owned()
    }

    /// Until it is paired.
    pub(crate) fn paired(self) -> Keys {
        let told = self.wait();
        assert_eq!(told["state"], "paired", "{told}");
        self.keys
    }

    fn post(&self, step: &str, body: &str) -> Reply {
        let path = format!("/pair/{}/{step}", self.pid);
        post(&self.companion, &self.origin, &path, body)
    }
}

pub(crate) fn post(companion: &str, origin: &str, path: &str, body: &str) -> Reply {
    send(
        "POST",
        &format!("{companion}{path}"),
        &[("Origin", origin)],
        body,
    )
}

/// The run's name, if the companion proves that it knows these keys.
pub(crate) fn hello(daemon: &Daemon, origin: &str, keys: &Keys) -> Option<String> {
    let companion = daemon.text("companion");
    let challenge = Secret::<32>::random().reveal().to_string();
    let body = json!({ "challenge": challenge, "keyId": keys.key_id });
    let told = post(&companion, origin, "/hello", &body.to_string()).json();
    if told["paired"] == false {
        return None;
    }
    let instance = told["instance"].as_str().unwrap().to_owned();
    let proof = hello_proof(
        &keys.response,
        &Challenge::parse(&challenge).unwrap(),
        &companion.replace("http://", ""),
        &Instance::parse(&instance).unwrap(),
    );
    assert_eq!(told["proof"], String::from(Bytes32(proof)));
    Some(instance)
}
