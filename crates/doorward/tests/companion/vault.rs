//! Pairings outlive a run, if and only if the vault has them and nobody forgot them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward::companion_core::vault::{Answering, KeptPage, Trouble, Vault};
use doorward::guard::Origin;
use doorward::{CompanionSettings, Keep};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::house::House;

/// A vault in memory that fails as it is told.
#[derive(Debug)]
pub(crate) struct Drawer {
    pages: Mutex<HashMap<String, Vec<u8>>>,
    trouble: Mutex<Option<Trouble>>,
    /// One place for each write that may go on.
    writes: Semaphore,
}

impl Drawer {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            pages: Mutex::default(),
            trouble: Mutex::default(),
            writes: Semaphore::new(1_000),
        })
    }

    fn fails(&self, trouble: impl Into<Option<Trouble>>) {
        *self.trouble.lock().unwrap() = trouble.into();
    }

    fn ids(&self) -> Vec<String> {
        self.pages.lock().unwrap().keys().cloned().collect()
    }

    fn works(&self) -> Result<(), Trouble> {
        self.trouble.lock().unwrap().map_or(Ok(()), Err)
    }
}

impl Vault for Drawer {
    fn keep<'a>(&'a self, page: &'a KeptPage) -> Answering<'a, ()> {
        Box::pin(async move {
            self.writes.acquire().await.unwrap().forget();
            self.works()?;
            let text = page.write().to_vec();
            self.pages.lock().unwrap().insert(page.key_id.clone(), text);
            Ok(())
        })
    }

    fn read<'a>(&'a self, key_ids: &'a [String]) -> Answering<'a, Vec<Option<KeptPage>>> {
        Box::pin(async move {
            self.works()?;
            let pages = self.pages.lock().unwrap();
            let read = |id: &String| pages.get(id).and_then(|text| KeptPage::read(text));
            Ok(key_ids.iter().map(read).collect())
        })
    }

    fn remove<'a>(&'a self, key_id: &'a str) -> Answering<'a, ()> {
        Box::pin(async move {
            self.works()?;
            self.pages.lock().unwrap().remove(key_id);
            Ok(())
        })
    }
}

async fn house(drawer: &Arc<Drawer>, folder: &Path) -> House {
    let keep = Keep {
        vault: Arc::clone(drawer) as _,
        register: folder.join("pairings.json"),
    };
    House::with(CompanionSettings {
        keep: Some(keep),
        ..CompanionSettings::default()
    })
    .await
}

impl House {
    async fn overview(&self) -> Value {
        self.native("GET", "", &Value::Null).await.1
    }

    /// Until the vault was told what it had to be told.
    async fn until(&self, what: impl Fn() -> bool) {
        for _ in 0..1_000 {
            if what() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not happen");
    }
}

#[tokio::test]
async fn t75_a_pairing_outlives_a_restart_and_what_was_signed_before_does_not() {
    let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
    let before = house(&drawer, folder.path()).await;
    let door = before.pair().await;
    assert_eq!(before.overview().await["vault"]["state"], "sound");
    let (old, _) = before.signed(&door, "GET", "/pairing", b"");
    let was = before.host();
    before.serving.shutdown().await;

    let after = house(&drawer, folder.path()).await;
    let door = after.hello(door.keys).await.unwrap();
    let (bytes, nonce) = after.signed(&door, "GET", "/pairing", b"");
    let own = after.send(&bytes).await;
    assert_eq!(own.status, 200, "{}", own.text());
    assert!(own.is_ours(&door, &nonce));
    assert_eq!(
        after.overview().await["pairings"][0]["origin"],
        crate::house::PAGE
    );
    // Of the other run, even under the new address.
    let old = String::from_utf8(old).unwrap().replace(&was, &after.host());
    let replayed = after.send(old.as_bytes()).await;
    assert_eq!(
        (replayed.status, replayed.denial().as_str()),
        (401, "instanceChanged")
    );
}

#[tokio::test]
async fn what_the_vault_does_not_keep_is_not_paired_and_both_sides_hear_it() {
    for (trouble, name) in [
        (Trouble::Absent, "vaultAbsent"),
        (Trouble::Locked, "vaultLocked"),
        (Trouble::Failed, "vaultFailed"),
    ] {
        let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
        drawer.fails(trouble);
        let house = house(&drawer, folder.path()).await;
        // The person is the last to agree.
        let (pid, keys) = house.knock().await;
        house.hand.advance(Duration::from_secs(2));
        assert_eq!(house.confirm(&pid, &keys).await.status, 200);
        let (status, told) = house.approve(&keys.code.to_string()).await;
        assert_eq!((status.as_u16(), &told["denial"]), (503, &json!(name)));
        assert_eq!(house.wait(&pid).await.denial(), "pairingNotKept");
        assert_eq!(house.wait(&pid).await.denial(), "pairingGone");
        // The page is.
        let (pid, keys) = house.knock().await;
        house.hand.advance(Duration::from_secs(2));
        house.approve(&keys.code.to_string()).await;
        assert_eq!(house.confirm(&pid, &keys).await.status, 200);
        assert_eq!(house.wait(&pid).await.denial(), "pairingNotKept");
        assert!(house.hello(keys).await.is_none());
        let overview = house.overview().await;
        assert_eq!(overview["pairings"], json!([]));
        assert_eq!(overview["pending"], Value::Null);
        assert_eq!(overview["vault"]["missing"], json!([]));
    }
}

#[tokio::test]
async fn t108_what_was_forgotten_does_not_come_back_although_the_vault_has_it() {
    let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
    let before = house(&drawer, folder.path()).await;
    let door = before.pair().await;
    drawer.fails(Trouble::Locked);
    let path = format!("/{}", door.keys.key_id);
    let (_, gone) = before.native("DELETE", &path, &Value::Null).await;
    assert_eq!(gone["forgotten"], 1);
    assert!(before.hello(door.keys.clone()).await.is_none());
    assert_eq!(drawer.ids().len(), 1, "it could not be told");
    before.serving.shutdown().await;

    let after = house(&drawer, folder.path()).await;
    assert!(after.hello(door.keys.clone()).await.is_none());
    let vault = after.overview().await["vault"].clone();
    assert_eq!(
        (&vault["state"], &vault["unremoved"]),
        (&json!("locked"), &json!(1))
    );
    drawer.fails(None);
    let (_, checked) = after.native("POST", "/check", &json!({})).await;
    assert_eq!(checked["vault"]["state"], "sound");
    assert_eq!(checked["vault"]["unremoved"], 0);
    assert!(drawer.ids().is_empty() && after.hello(door.keys).await.is_none());
}

#[tokio::test]
async fn a_page_ends_its_own_pairing_in_the_vault_too() {
    let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
    let house = house(&drawer, folder.path()).await;
    let door = house.pair().await;
    let (bytes, _) = house.signed(&door, "DELETE", "/pairing", b"");
    assert_eq!(house.send(&bytes).await.status, 200);
    house.until(|| drawer.ids().is_empty()).await;
}

#[tokio::test]
async fn each_way_that_a_vault_fails_at_the_start_has_its_state() {
    let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
    let first = house(&drawer, folder.path()).await;
    let keys = first.pair().await.keys;
    first.serving.shutdown().await;
    for (trouble, name) in [
        (Trouble::Absent, "absent"),
        (Trouble::Locked, "locked"),
        (Trouble::Failed, "failed"),
        (Trouble::NotInThisBuild, "notInThisBuild"),
    ] {
        drawer.fails(trouble);
        let house = house(&drawer, folder.path()).await;
        assert!(house.hello(keys.clone()).await.is_none());
        let vault = house.overview().await["vault"].clone();
        assert_eq!(vault["state"], name);
        assert_eq!(vault["missing"][0]["keyId"], keys.key_id);
        drawer.fails(None);
        let (_, checked) = house.native("POST", "/check", &json!({})).await;
        assert_eq!(checked["vault"]["state"], "sound");
        assert!(house.hello(keys.clone()).await.is_some(), "{name}");
        house.serving.shutdown().await;
    }
    drawer.pages.lock().unwrap().clear();
    let house = house(&drawer, folder.path()).await;
    let vault = house.overview().await["vault"].clone();
    assert_eq!(vault["state"], "emptied");
    assert_eq!(vault["missing"][0]["origin"], crate::house::PAGE);
    assert!(house.hello(keys).await.is_none());
    let (_, gone) = house.native("DELETE", "/all", &Value::Null).await;
    assert_eq!(gone["forgotten"], 1);
    assert_eq!(house.overview().await["vault"]["missing"], json!([]));
}

#[tokio::test]
async fn a_vault_that_is_emptied_while_doorward_runs_ends_its_pairings_when_it_is_asked() {
    let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
    let house = house(&drawer, folder.path()).await;
    let door = house.pair().await;
    drawer.pages.lock().unwrap().clear();
    let (_, checked) = house.native("POST", "/check", &json!({})).await;
    assert_eq!(checked["vault"]["state"], "emptied");
    assert!(house.hello(door.keys).await.is_none());
}

#[tokio::test]
async fn an_entry_that_somebody_changed_is_not_a_pairing() {
    let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
    let before = house(&drawer, folder.path()).await;
    let keys = before.pair().await.keys;
    before.serving.shutdown().await;
    for text in drawer.pages.lock().unwrap().values_mut() {
        let mut page = KeptPage::read(text).unwrap();
        page.origin = Origin::parse("https://other.example").unwrap();
        *text = page.write().to_vec();
    }
    let after = house(&drawer, folder.path()).await;
    assert!(after.hello(keys).await.is_none());
    assert_eq!(after.overview().await["pairings"], json!([]));
    assert_eq!(after.overview().await["vault"]["state"], "emptied");
}

#[tokio::test]
async fn without_its_list_nothing_is_paired_and_a_forget_that_may_not_last_says_so() {
    let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
    let list = folder.path().join("pairings.json");
    let house = house(&drawer, folder.path()).await;
    let door = house.pair().await;
    let path = format!("/{}", door.keys.key_id);
    // Neither can be written.
    std::fs::create_dir(list.with_extension("new")).unwrap();
    std::fs::write(list.with_extension("new").join("x"), "").unwrap();
    drawer.fails(Trouble::Failed);
    let (status, told) = house.native("DELETE", &path, &Value::Null).await;
    assert_eq!(
        (status.as_u16(), &told["denial"]),
        (503, &json!("pairingMayReturn"))
    );
    assert!(
        house.hello(door.keys).await.is_none(),
        "it ends all the same"
    );
    // The vault alone is enough.
    drawer.fails(None);
    let (_, gone) = house.native("DELETE", &path, &Value::Null).await;
    assert_eq!(gone["forgotten"], 1);
    assert!(drawer.ids().is_empty());
    // Nothing new is kept.
    let (pid, keys) = house.knock().await;
    house.hand.advance(Duration::from_secs(2));
    house.confirm(&pid, &keys).await;
    let (_, told) = house.approve(&keys.code.to_string()).await;
    assert_eq!(told["denial"], "vaultUnlisted");
    assert!(drawer.ids().is_empty());
}

#[tokio::test]
async fn t70_a_pairing_that_is_cancelled_while_it_is_kept_leaves_nothing() {
    let (drawer, folder) = (Drawer::new(), tempfile::tempdir().unwrap());
    let house = house(&drawer, folder.path()).await;
    let _ = drawer.writes.forget_permits(1_000);
    let (pid, keys) = house.knock().await;
    house.hand.advance(Duration::from_secs(2));
    assert_eq!(house.approve(&keys.code.to_string()).await.0, 200);
    assert_eq!(house.confirm(&pid, &keys).await.status, 200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Both agreed, and no page knows it.
    assert!(house.hello(keys.clone()).await.is_none());
    let cancelled = house.post(&format!("/pair/{pid}/cancel"), b"{}").await;
    assert_eq!(cancelled.status, 200);
    assert_eq!(house.overview().await["vault"]["unremoved"], 1);
    drawer.writes.add_permits(1);
    let vault = || house.serving.companion().unwrap().vault();
    let nothing_is_left = || vault().unremoved == 0 && drawer.ids().is_empty();
    house.until(nothing_is_left).await;
    assert!(house.hello(keys.clone()).await.is_none());
    assert_eq!(house.wait(&pid).await.denial(), "pairingGone");
}
