use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;

fn root() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("doorward");
    (root, path)
}

fn info(claim: &Claim) -> RuntimeInfo {
    RuntimeInfo {
        instance: claim.instance().clone(),
        control: "http://127.0.0.1:1".to_owned(),
        content: "http://127.0.0.1:2".to_owned(),
        companion: None,
        pid: std::process::id(),
        socket: claim.socket().to_owned(),
        started_at: "2026-11-23T16:14:32.000Z".to_owned(),
    }
}

fn start(dir: &RuntimeDir, name: &str) -> (Claim, UnixListener) {
    let claim = dir.claim(&name.parse().unwrap()).unwrap();
    let socket = UnixListener::bind(claim.socket()).unwrap();
    claim.publish(&info(&claim)).unwrap();
    (claim, socket)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn files(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn t99_files_and_sockets_are_private_and_go_at_the_end() {
    let (_root, path) = root();
    let dir = RuntimeDir::at(&path).unwrap();
    let (claim, socket) = start(&dir, "default");
    assert_eq!(mode(&path), 0o700);
    assert_eq!(
        files(&path),
        ["default.json", "default.lock", "default.sock"]
    );
    for name in files(&path) {
        assert_eq!(mode(&path.join(&name)), 0o600, "{name}");
        assert_eq!(
            fs::metadata(path.join(&name)).unwrap().uid(),
            rustix::process::geteuid().as_raw()
        );
    }
    let text = fs::read_to_string(path.join("default.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "companion",
            "content",
            "control",
            "instance",
            "pid",
            "socket",
            "startedAt"
        ]
    );
    assert_eq!(dir.find().unwrap(), [info(&claim)]);
    drop((claim, socket));
    assert!(files(&path).is_empty());
    assert!(dir.find().unwrap().is_empty());
}

#[test]
fn a_second_start_finds_the_first() {
    let (_root, path) = root();
    let dir = RuntimeDir::at(&path).unwrap();
    let early = dir.claim(&Instance::default()).unwrap();
    let before_published = dir.claim(&Instance::default()).unwrap_err();
    assert!(matches!(
        before_published,
        RuntimeError::AlreadyRunning { info: None, .. }
    ));
    drop(early);
    let (claim, _socket) = start(&dir, "default");
    let again = RuntimeDir::at(&path)
        .unwrap()
        .claim(&Instance::default())
        .unwrap_err();
    let RuntimeError::AlreadyRunning {
        info: Some(found), ..
    } = &again
    else {
        panic!("{again}")
    };
    assert_eq!(**found, info(&claim));
    assert!(again.to_string().contains("http://127.0.0.1:1"), "{again}");
    let (_other, _) = start(&dir, "other");
    let names: Vec<_> = dir
        .find()
        .unwrap()
        .into_iter()
        .map(|info| info.instance.to_string())
        .collect();
    assert_eq!(names, ["default", "other"]);
}

#[test]
fn t107_what_a_killed_process_left_is_stale() {
    let (_root, path) = root();
    let dir = RuntimeDir::at(&path).unwrap();
    let leave = |name: &str| {
        let (claim, socket) = start(&dir, name);
        let kept: Vec<_> = files(&path)
            .into_iter()
            .filter(|file| file.ends_with("json") || file.ends_with("lock"))
            .map(|file| (path.join(&file), fs::read(path.join(&file)).unwrap()))
            .collect();
        drop((claim, socket));
        // As after kill -9: files without a process; the socket refuses.
        kept.into_iter()
            .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        drop(UnixListener::bind(path.join(format!("{name}.sock"))).unwrap());
    };
    leave("default");
    assert_eq!(files(&path).len(), 3);
    assert!(dir.find().unwrap().is_empty());
    assert!(files(&path).is_empty(), "removed");
    leave("default");
    let (_claim, _socket) = start(&dir, "default");
    assert_eq!(dir.find().unwrap().len(), 1);
}

#[test]
fn t107_a_real_killed_process_frees_its_instance() {
    let (_root, path) = root();
    let dir = RuntimeDir::at(&path).unwrap();
    let lock = path.join("default.lock");
    let mut child = std::process::Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo ready; exec sleep 60"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    assert!(matches!(
        dir.claim(&Instance::default()),
        Err(RuntimeError::AlreadyRunning { .. })
    ));
    // `flock` waits for its child and passes the lock on to it; both must go.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    for pid in children.split_whitespace() {
        std::process::Command::new("kill")
            .args(["-9", pid])
            .status()
            .unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(dir.claim(&Instance::default()).is_ok());
}

#[test]
fn an_instance_whose_lock_was_removed_is_still_found() {
    let (_root, path) = root();
    let dir = RuntimeDir::at(&path).unwrap();
    let (claim, socket) = start(&dir, "default");
    fs::remove_file(path.join("default.lock")).unwrap();
    assert!(matches!(
        dir.claim(&Instance::default()),
        Err(RuntimeError::AlreadyRunning { .. })
    ));
    assert_eq!(dir.find().unwrap().len(), 1);
    drop(socket);
    // Somebody else is the instance now; the old one leaves their files alone.
    let (_new, _socket) = start(&dir, "default");
    drop(claim);
    assert_eq!(files(&path).len(), 3);
}

#[test]
fn t99_a_folder_of_others_or_behind_a_link_is_refused() {
    let (root, path) = root();
    let real = root.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, &path).unwrap();
    let refused = |path: &Path| match RuntimeDir::at(path).unwrap_err() {
        RuntimeError::NotPrivate { source, .. } => source,
        other => panic!("{other}"),
    };
    assert!(matches!(refused(&path), NotPrivate::Strange));
    fs::remove_file(&path).unwrap();
    symlink(root.path().join("nowhere"), &path).unwrap();
    assert!(matches!(refused(&path), NotPrivate::Strange));
    assert!(!root.path().join("nowhere").exists());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert!(matches!(refused(&path), NotPrivate::Strange));
    fs::remove_file(&path).unwrap();
    // One of ours that is open to others is closed to them.
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    RuntimeDir::at(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    if rustix::process::geteuid().is_root() {
        chown(&path, Some(65_534), None).unwrap();
        assert!(matches!(
            refused(&path),
            NotPrivate::NotOurs { uid: 65_534 }
        ));
    }
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(
        RuntimeDir::at(&path),
        Err(RuntimeError::OpenParent { .. })
    ));
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(
        !matches!(RuntimeDir::at(&path), Err(RuntimeError::OpenParent { .. })),
        "as /tmp is"
    );
}

#[test]
fn t99_links_put_in_the_way_are_not_followed() {
    let (root, path) = root();
    let dir = RuntimeDir::at(&path).unwrap();
    let victim = root.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let before = mode(&victim);
    for name in ["default.json", "default.sock"] {
        symlink(&victim, path.join(name)).unwrap();
    }
    let (claim, socket) = start(&dir, "default");
    assert!(
        fs::symlink_metadata(path.join("default.json"))
            .unwrap()
            .is_file()
    );
    drop((claim, socket));
    // Put there between the claim and the publishing.
    let claim = dir.claim(&Instance::default()).unwrap();
    symlink(&victim, path.join("default.json")).unwrap();
    assert!(claim.publish(&info(&claim)).is_err());
    assert!(dir.read(&Instance::default()).is_err());
    fs::remove_file(path.join("default.json")).unwrap();
    symlink(&victim, path.join("default.sock")).unwrap();
    assert!(claim.publish(&info(&claim)).is_err());
    drop(claim);
    symlink(&victim, path.join("default.lock")).unwrap();
    assert!(matches!(
        dir.claim(&Instance::default()),
        Err(RuntimeError::NotPrivate { .. })
    ));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(mode(&victim), before);
}

#[test]
fn the_folder_of_another_user_in_the_environment_is_not_used() {
    let root = tempfile::tempdir().unwrap();
    let ours = root.path().join("run");
    fs::create_dir(&ours).unwrap();
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o700)).unwrap();
    let temporary = Path::new("/tmp");
    let fallback = temporary.join(format!("doorward-{}", rustix::process::geteuid().as_raw()));
    let locate = |xdg: &Path| dir::locate(Some(xdg.into()), temporary);
    assert_eq!(locate(&ours), ours.join("doorward"));
    assert_eq!(dir::locate(None, temporary), fallback);
    for wrong in ["", "run", "/nonexistent", "/dev/null"] {
        assert_eq!(locate(Path::new(wrong)), fallback, "{wrong}");
    }
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(locate(&ours), fallback);
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&ours, Some(1_000), None).unwrap();
        assert_eq!(locate(&ours), fallback, "root under sudo");
    }
}

#[test]
fn names_and_paths_are_checked() {
    for wrong in ["", "-a", "A", "a/b", "..", "a.b", "ä", &"x".repeat(33)] {
        assert!(wrong.parse::<Instance>().is_err(), "{wrong}");
    }
    assert!("a-1".parse::<Instance>().is_ok());
    let (_root, path) = root();
    let deep = path.join("x".repeat(80));
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let dir = RuntimeDir::at(&deep).unwrap();
    assert!(matches!(
        dir.claim(&Instance::default()),
        Err(RuntimeError::PathTooLong { .. })
    ));
}
