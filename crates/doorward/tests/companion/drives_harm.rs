//! What a hostile page, a broken drive and a full disk can do to folders: nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use doorward::companion_core::pairing::Right;
use serde_json::json;

use crate::drives::{Desk, encoded, shared};

/// Spellings that would lead out of a folder somewhere, or be something else than a
/// name on some system: T56.
fn corpus() -> Vec<String> {
    let climbs = [
        "..",
        "../..",
        "%2e%2e",
        "%252e%252e",
        "..%2f",
        "..%5c",
        ".%2e",
        "%c0%ae%c0%ae",
        "..\\",
        "..\\..",
        "\\x2e\\x2e",
        "\\x2e.",
        "..;",
        "...",
        "....",
        "．．",
        "‥",
        "..\u{202e}",
        "..\0",
        "..\t",
        "..\r\n",
        ". .",
        ".. ",
        "../.",
        "./..",
        ".//..",
        "~",
        "~root",
    ];
    let goals = [
        "secret",
        "etc/passwd",
        "secret/",
        "",
        ".",
        "secret%00.jpg",
        "secret\0.jpg",
    ];
    let mut all = Vec::new();
    for climb in climbs {
        for goal in goals {
            all.push(format!("{climb}/{goal}"));
            all.push(format!("inside/{climb}/{climb}/{goal}"));
        }
    }
    let absolute = [
        "/",
        "//",
        "/etc/passwd",
        "//server/share/x",
        "\\\\server\\share",
        "\\\\?\\C:\\x",
        "\\\\.\\pipe\\x",
        "C:",
        "C:\\x",
        "C:/x",
        "c:x",
        "file:///etc/passwd",
        "http://x/y",
        "\\etc\\passwd",
        "\\??\\C:\\x",
        "/proc/self/environ",
        "/dev/sda",
        "inside//secret",
        "inside/./secret",
        "./inside",
    ];
    all.extend(absolute.map(str::to_owned));
    let devices = [
        "CON",
        "con",
        "PRN",
        "AUX",
        "NUL",
        "NUL.txt",
        "COM1",
        "com9.log",
        "LPT1",
        "COM¹",
        "CONIN$",
        "CONOUT$",
        "aux.tar.gz",
        "nul ",
        "nul.",
    ];
    for device in devices {
        all.push(device.to_owned());
        all.push(format!("inside/{device}"));
    }
    let names = [
        "x.",
        "x ",
        " x",
        "x:stream",
        "x::$DATA",
        "x:$I30:$INDEX",
        "a?b",
        "a*b",
        "a|b",
        "a<b",
        "a>b",
        "a\"b",
        "photo\u{202e}gpj.exe",
        "a\u{200b}b",
        "a\u{feff}",
        "a\u{7f}",
        "\u{1}",
        "a\nb",
        "a\\b",
        "\\xff",
        "\\x41",
        "\\",
        ".doorward-x",
        "inside/.doorward-x",
    ];
    all.extend(names.map(str::to_owned));
    for depth in 1..40 {
        all.push(format!("{}secret", "../".repeat(depth)));
        all.push(format!("link/{}secret", "../".repeat(depth)));
    }
    all.push("a".repeat(256));
    all.push("a/".repeat(3_000));
    all
}

fn snapshot(at: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut ahead = vec![at.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                ahead.push(path.clone());
            }
            all.insert(
                path.display().to_string(),
                fs::read(&path).unwrap_or_default(),
            );
        }
    }
    all
}

#[cfg(unix)]
#[tokio::test]
async fn t56_no_spelling_leads_out_of_a_folder() {
    let temp = tempfile::tempdir().unwrap();
    let outside = temp.path().join("outside");
    let files = outside.join("share");
    fs::create_dir_all(files.join("inside")).unwrap();
    fs::write(outside.join("secret"), "the secret outside").unwrap();
    fs::create_dir(outside.join("secret.d")).unwrap();
    std::os::unix::fs::symlink("..", files.join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", files.join("etc")).unwrap();
    let rights = [Right::Read, Right::Write, Right::Delete];
    let desk = Desk::with(
        temp.path(),
        vec![shared("Files", &files, &rights)],
        crate::drives::ALL,
    )
    .await;
    let around = || {
        let mut all = snapshot(&outside);
        all.retain(|path, _| !path.starts_with(files.to_str().unwrap()));
        all
    };
    let before = around();
    let corpus = corpus();
    assert!(corpus.len() >= 500, "{}", corpus.len());
    for path in &corpus {
        let query = encoded(path);
        for route in ["list", "info"] {
            let reply = desk
                .get(&format!("/drives/Files/{route}?path={query}"))
                .await;
            assert!(
                (400..500).contains(&reply.status),
                "{route} {path:?}: {}",
                reply.text()
            );
            assert!(!reply.text().contains("the secret"), "{path:?}");
        }
        // A name may be new and harmless here; then it is inside.
        for (route, body) in [
            ("create", json!({ "path": path, "kind": "file" })),
            ("copy", json!({ "path": path, "to": { "path": "stolen" } })),
            ("move", json!({ "path": path, "to": { "path": "stolen" } })),
            ("delete", json!({ "path": path, "permanently": true })),
            ("open", json!({ "path": path })),
        ] {
            let reply = desk.post(&format!("/drives/Files/{route}"), &body).await;
            assert!(reply.status < 500, "{route} {path:?}: {}", reply.text());
            assert!(!reply.text().contains("the secret"), "{path:?}");
        }
        let stolen = files.join("stolen");
        assert!(
            fs::read_to_string(&stolen).unwrap_or_default().is_empty(),
            "{path:?}"
        );
        let _ = fs::remove_file(stolen);
    }
    assert_eq!(around(), before);
    assert!(desk.opened.lock().unwrap().is_empty());
    // Nor do links, wherever they are in a path.
    for path in [
        "link",
        "link/secret",
        "link/share/inside",
        "etc/passwd",
        "link/new",
    ] {
        for route in ["list", "info"] {
            let reply = desk
                .get(&format!("/drives/Files/{route}?path={path}"))
                .await;
            let own = route == "info" && path == "link";
            assert_eq!(reply.status == 200, own, "{route} {path}: {}", reply.text());
        }
        let body = json!({ "path": format!("{path}/x"), "kind": "directory" });
        let reply = desk.post("/drives/Files/create", &body).await;
        assert_eq!(reply.denial(), "pathUnknown", "{path}: {}", reply.text());
    }
    assert_eq!(around(), before);
}

/// A small drive of its own, for as long as this lives; `None` where this user may
/// mount nothing, which in CI is a failure.
struct Drive(tempfile::TempDir);

impl Drive {
    fn mount(options: &str) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(at.path());
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        if !mounted {
            assert!(std::env::var_os("CI").is_none(), "CI may mount");
            eprintln!("skipped: only root can mount a drive");
            return None;
        }
        Some(Self(at))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn again(&self, options: &str) {
        let mut mount = std::process::Command::new("mount");
        let done = mount.args(["-o", options]).arg(self.path()).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_and_a_read_only_one_are_told_and_lose_nothing() {
    let Some(drive) = Drive::mount("size=4m") else {
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("files")).unwrap();
    fs::write(temp.path().join("files/big"), vec![1; 6 * 1024 * 1024]).unwrap();
    fs::write(drive.path().join("kept"), "the old one").unwrap();
    let rights = [Right::Read, Right::Write, Right::Delete];
    let folders = vec![
        shared("Files", &temp.path().join("files"), &rights),
        shared("Stick", drive.path(), &rights),
    ];
    let scopes = r#"[{"folder":"Files","rights":["read","write","delete"]},{"folder":"Stick","rights":["read","write","delete"]}]"#;
    let desk = Desk::with(temp.path(), folders, scopes).await;
    let before = snapshot(drive.path());
    for route in ["copy", "move"] {
        let body = json!({ "path": "big", "to": { "folder": "Stick", "path": "kept" }, "onConflict": "replace" });
        let begun = desk.post(&format!("/drives/Files/{route}"), &body).await;
        assert_eq!(begun.status, 202, "{}", begun.text());
        let job = desk.wait(&begun.json()["job"]).await;
        assert_eq!(
            (&job["state"], &job["denial"]),
            (&json!("failed"), &json!("diskFull")),
            "{job}"
        );
        assert_eq!(snapshot(drive.path()), before);
    }
    // Too large is told at once; what fills up meanwhile when it does.
    let body = json!({ "path": "kept", "size": 5_000_000, "onConflict": "replace" });
    let refused = desk.post("/drives/Stick/uploads", &body).await;
    assert_eq!(
        (refused.status, refused.denial()),
        (507, "diskFull".to_owned())
    );
    let body = json!({ "path": "kept", "size": 3_000_000, "onConflict": "replace" });
    let begun = desk.post("/drives/Stick/uploads", &body).await.json();
    fs::write(drive.path().join("other"), vec![1; 2 * 1024 * 1024]).unwrap();
    let at = format!("/drives/uploads/{}", begun["id"].as_str().unwrap());
    let chunk = vec![7; 3_000_000];
    let kind = "application/octet-stream";
    let refused = desk.send("PUT", &at, (&chunk, kind, Some(0))).await;
    assert_eq!(
        (refused.status, refused.denial()),
        (507, "diskFull".to_owned())
    );
    assert_eq!(desk.get(&at).await.json()["offset"], 0);
    fs::remove_file(drive.path().join("other")).unwrap();
    assert_eq!(
        desk.send("PUT", &at, (&chunk, kind, Some(0))).await.status,
        200
    );
    assert_eq!(desk.send("DELETE", &at, (b"", "", None)).await.status, 200);
    assert_eq!(snapshot(drive.path()), before);

    // A move between drives that fits is one job, and the source goes.
    fs::write(temp.path().join("files/small"), vec![2; 100_000]).unwrap();
    let body = json!({ "path": "small", "to": { "folder": "Stick", "path": "small" } });
    let begun = desk.post("/drives/Files/move", &body).await;
    assert_eq!(
        (
            begun.status,
            desk.wait(&begun.json()["job"]).await["state"].clone()
        ),
        (202, json!("done"))
    );
    assert!(!temp.path().join("files/small").exists());
    assert_eq!(
        fs::read(drive.path().join("small")).unwrap(),
        vec![2; 100_000]
    );
    // The trash of the stick is on the stick.
    let gone = desk
        .post("/drives/Stick/delete", &json!({ "path": "small" }))
        .await;
    assert_eq!(gone.json()["trashed"], true, "{}", gone.text());
    let trash = format!(".Trash-{}/files/small", rustix::process::getuid().as_raw());
    assert!(drive.path().join(trash).exists());

    drive.again("remount,ro");
    let before = snapshot(drive.path());
    let told = desk.get("/drives").await.json();
    assert_eq!(
        (
            &told["folders"][1]["readOnly"],
            &told["folders"][1]["state"]
        ),
        (&json!(true), &json!("ready"))
    );
    for (route, body) in [
        ("create", json!({ "path": "x", "kind": "file" })),
        ("rename", json!({ "path": "kept", "name": "y" })),
        ("copy", json!({ "path": "kept", "to": { "path": "y" } })),
        ("delete", json!({ "path": "kept", "permanently": true })),
        ("uploads", json!({ "path": "x", "size": 1 })),
    ] {
        let refused = desk.post(&format!("/drives/Stick/{route}"), &body).await;
        assert_eq!(
            (refused.status, refused.denial()),
            (403, "readOnly".to_owned()),
            "{route}"
        );
    }
    let refused = desk
        .post("/drives/Stick/delete", &json!({ "path": "kept" }))
        .await;
    assert!(
        ["readOnly", "trashUnavailable"].contains(&refused.denial().as_str()),
        "{}",
        refused.text()
    );
    assert_eq!(snapshot(drive.path()), before);

    // Unplugged: the empty folder that is left is read as what it is, an empty folder
    // that the person shares; when that is gone too, it is absent.
    let at = drive.path().to_owned();
    drop(drive);
    assert!(!at.exists());
    for route in ["list", "info?path=kept", "search?q=x"] {
        let refused = desk.get(&format!("/drives/Stick/{route}")).await;
        assert_eq!(
            (refused.status, refused.denial()),
            (409, "folderAbsent".to_owned()),
            "{route}"
        );
    }
    assert_eq!(
        desk.get("/drives").await.json()["folders"][1]["state"],
        "absent"
    );
}

/// Takes from this thread, and from all that it starts, what lets root read and write
/// everything; whoever is not root has none of it.
#[cfg(target_os = "linux")]
fn like_anybody() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let mut sets = capabilities(None).unwrap();
    sets.effective -=
        CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH | CapabilitySet::FOWNER;
    set_capabilities(None, sets).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn what_this_user_may_not_do_is_told_and_changes_nothing() {
    like_anybody();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(closed_folders());
}

#[cfg(target_os = "linux")]
async fn closed_folders() {
    use std::os::unix::fs::PermissionsExt as _;
    let temp = tempfile::tempdir().unwrap();
    let desk = Desk::open(temp.path()).await;
    let closed = temp.path().join("files/closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("a"), "a").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    for route in ["list?path=closed", "info?path=closed/a"] {
        assert_eq!(
            desk.get(&format!("/drives/Files/{route}")).await.denial(),
            "accessDenied",
            "{route}"
        );
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let body = json!({ "path": "closed/a", "permanently": true });
    assert_eq!(
        desk.post("/drives/Files/delete", &body).await.denial(),
        "accessDenied"
    );
    assert_eq!(fs::read_to_string(closed.join("a")).unwrap(), "a");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}
