//! What holds there as everywhere: the names it answers to, who may ask, what is
//! shared, what was approved, what is written down.

use std::time::Duration;

use doorward::companion_core::pairing::Right;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::house::{ALL, Auth, House, PAGE, hex, names};

#[tokio::test]
async fn it_is_off_unless_it_is_wanted() {
    let wanted = House::open().await;
    let host = wanted.host();
    assert!(TcpStream::connect(&host).await.is_ok());
    let House { serving, .. } = wanted;
    serving.shutdown().await;
    let port = host.rsplit(':').next().unwrap().parse().unwrap();
    let off = House::made(&[("photos", ALL)], None).await;
    assert_eq!(off.serving.compat_origin(), None);
    assert!(TcpStream::connect(&host).await.is_err());
    assert!(off.serving.table().iter().all(|row| row.name != "compat"));
    // And a port that is taken fails, and says so.
    let taken = House::made(&[], Some(port)).await;
    assert_eq!(taken.host(), host);
    let again = doorward::Bridge::builder().companion(doorward::CompanionSettings {
        ports: vec![0],
        dangerous_compat: Some(port),
        ..doorward::CompanionSettings::default()
    });
    let refused = again.bind().await.unwrap_err().to_string();
    assert!(refused.contains(&port.to_string()), "{refused}");
}

#[tokio::test]
async fn s7_only_its_own_names_are_answered() {
    let house = House::open().await;
    let page = house.pair().await;
    let host = house.host();
    let port = host.rsplit(':').next().unwrap();
    let headers = page.headers(PAGE, house.now());
    for (name, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("LOCALHOST:{port}"), 200),
        ("evil.example".to_owned(), 403),
        (format!("evil.example:{port}"), 403),
        (format!("127.0.0.1.nip.io:{port}"), 403),
        ("127.0.0.1".to_owned(), 403),
        (format!("[::1]:{port}"), 403),
        (
            format!("127.0.0.1:{}", port.parse::<u16>().unwrap() ^ 1),
            403,
        ),
    ] {
        for (target, more) in [("/api/health", ""), ("/api/drives", headers.as_str())] {
            let head =
                format!("GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n{more}\r\n");
            let reply = house.send_to(&host, head.as_bytes()).await;
            assert_eq!(reply.status, status, "{target} {name}: {}", reply.text());
        }
    }
    assert!(
        house
            .refused("compatHealth")
            .contains(&"hostNotAllowed".to_owned())
    );
}

#[tokio::test]
async fn s6_pages_without_a_web_origin_get_nothing() {
    let house = House::open().await;
    let asked = json!({ "nonce_browser": hex(&[1; 32]), "origin": PAGE });
    for origin in [
        "null",
        "tauri://localhost",
        "file://",
        "chrome-extension://abc",
        "https://a b",
    ] {
        house.hand.advance(Duration::from_secs(3));
        let more = format!("Origin: {origin}\r\n");
        for (method, target, body) in [
            ("GET", "/api/health", &Value::Null),
            ("GET", "/api/pair/status", &Value::Null),
            ("POST", "/api/pair/initiate", &asked),
            ("OPTIONS", "/api/drives", &Value::Null),
        ] {
            let reply = house.json(method, target, &more, body).await;
            assert!(
                matches!(reply.status, 400 | 403),
                "{method} {target} {origin}: {}",
                reply.status
            );
            assert_eq!(
                reply.header("access-control-allow-origin"),
                None,
                "{origin}"
            );
        }
    }
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert!(list["pending"].is_null());
}

#[tokio::test]
async fn s4_a_secret_is_its_own_pages_and_for_half_a_minute() {
    let house = House::open().await;
    let page = house.pair().await;
    let now = house.now();
    let ask = async |more: String| {
        let reply = house.json("GET", "/api/drives", &more, &Value::Null).await;
        (reply.status, reply.detail())
    };
    let no = |detail: &str| (403, detail.to_owned());
    let stale = "Request timestamp too old or too new";
    assert_eq!(ask(page.headers(PAGE, now)).await.0, 200);
    assert_eq!(ask(page.headers(PAGE, now - 30)).await.0, 200);
    assert_eq!(ask(page.headers(PAGE, now + 30)).await.0, 200);
    assert_eq!(ask(page.headers(PAGE, now - 31)).await, no(stale));
    assert_eq!(ask(page.headers(PAGE, now + 31)).await, no(stale));
    let other = page.headers("http://localhost:3001", now);
    assert_eq!(ask(other).await, no("Not paired with this origin"));
    let wrong = page.headers(PAGE, now).replace(
        &format!("Timestamp: {now}"),
        &format!("Timestamp: {}", now - 1),
    );
    assert_eq!(ask(wrong).await, no("Invalid authentication"));
    let odd = page
        .headers(PAGE, now)
        .replace(&format!("Timestamp: {now}"), "Timestamp: soon");
    assert_eq!(ask(odd).await, no("Invalid timestamp format"));
    // Another origin's pairing opens nothing for this one, nor the other way.
    house.hand.advance(Duration::from_secs(5));
    let second = house.pair_as("http://localhost:3001").await;
    let now = house.now();
    assert_eq!(
        ask(second.headers(PAGE, now)).await,
        no("Invalid authentication")
    );
    assert_eq!(
        ask(second.headers("http://localhost:3001", now)).await.0,
        200
    );
    // A URL that another page got hold of is not that page's.
    let query = format!("/api/viewer/docs/file?path=x&{}", page.query(PAGE, now));
    let foreign = house
        .json(
            "GET",
            &query,
            "Origin: http://evil.example\r\n",
            &Value::Null,
        )
        .await;
    assert_eq!(foreign.status, 403);
    assert!(
        house
            .refused("compatDrives")
            .contains(&"stampInvalid".to_owned())
    );
}

#[tokio::test]
async fn s4_a_page_has_what_was_shared_and_no_more() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("docs/a.txt", "one");
    house.write("private/secret.txt", "secret");
    house.write("photos/a.txt", "one");
    let docs = "/api/browse/docs";
    for (method, target, body, status) in [
        ("GET", format!("{docs}/list"), Value::Null, 200),
        (
            "GET",
            "/api/browse/private/list".to_owned(),
            Value::Null,
            404,
        ),
        (
            "GET",
            "/api/viewer/private/file?path=secret.txt".to_owned(),
            Value::Null,
            404,
        ),
        (
            "POST",
            format!("{docs}/create"),
            json!({ "parent_path": "", "name": "x", "type": "file" }),
            403,
        ),
        (
            "POST",
            format!("{docs}/rename"),
            json!({ "path": "a.txt", "new_name": "b.txt" }),
            403,
        ),
        (
            "DELETE",
            format!("{docs}/item?path=a.txt"),
            Value::Null,
            403,
        ),
        (
            "POST",
            format!("{docs}/copy"),
            json!({ "source_path": "a.txt", "dest_path": "b.txt" }),
            403,
        ),
        (
            "POST",
            format!("{docs}/move"),
            json!({ "source_path": "a.txt", "dest_path": "b.txt" }),
            403,
        ),
        // Read there, written where it may be.
        (
            "POST",
            format!("{docs}/copy"),
            json!({ "source_path": "a.txt", "dest_path": "from-docs.txt", "dest_connection_id": "local-drive:photos" }),
            204,
        ),
        (
            "POST",
            format!("{docs}/move"),
            json!({ "source_path": "a.txt", "dest_path": "moved.txt", "dest_connection_id": "local-drive:photos" }),
            403,
        ),
        (
            "POST",
            "/api/browse/photos/copy".to_owned(),
            json!({ "source_path": "a.txt", "dest_path": "in-docs.txt", "dest_connection_id": "local-drive:docs" }),
            403,
        ),
    ] {
        house.hand.advance(Duration::from_secs(1));
        let reply = house
            .stamped(&page, Auth::Headers, method, &target, &body)
            .await;
        assert_eq!(
            reply.status,
            status,
            "{method} {target} {body}: {}",
            reply.text()
        );
    }
    let upload = house
        .upload(&page, "/api/browse/docs/upload?path=new.txt", "file", b"x")
        .await;
    assert_eq!(upload.status, 403);
    assert_eq!(names(&house.at("docs")), ["a.txt"]);
    assert_eq!(names(&house.at("photos")), ["a.txt", "from-docs.txt"]);
    let refused = house.refused("compatBrowse");
    for rule in ["rightMissing", "folderUnknown"] {
        assert!(refused.contains(&rule.to_owned()), "{rule}: {refused:?}");
    }
    let all = serde_json::to_value(house.ledger.recent(0, 10_000)).unwrap();
    let kinds: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["kind"].clone())
        .collect();
    assert!(kinds.contains(&json!("page.paired")), "{kinds:?}");
    assert!(kinds.contains(&json!("file.copied")), "{kinds:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn s13_no_link_leads_out() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("private/secret.txt", "secret");
    std::os::unix::fs::symlink(house.at("private"), house.at("photos/out")).unwrap();
    std::os::unix::fs::symlink(house.at("private/secret.txt"), house.at("photos/file")).unwrap();
    std::os::unix::fs::symlink("nowhere", house.at("photos/broken")).unwrap();
    for target in [
        "/api/browse/photos/list?path=out",
        "/api/browse/photos/info?path=out",
        "/api/browse/photos/info?path=out%2Fsecret.txt",
        "/api/viewer/photos/file?path=file",
        "/api/viewer/photos/file?path=out%2Fsecret.txt",
        "/api/viewer/photos/download?path=broken",
    ] {
        house.hand.advance(Duration::from_secs(1));
        let reply = house
            .stamped(&page, Auth::Headers, "GET", target, &Value::Null)
            .await;
        assert_eq!(reply.status, 403, "{target}: {}", reply.text());
        assert_eq!(
            reply.detail(),
            "Path is outside the drive boundary",
            "{target}"
        );
    }
    let inside = house
        .upload(
            &page,
            "/api/browse/photos/upload?path=out%2Fnew%2Fx.txt",
            "file",
            b"x",
        )
        .await;
    assert!(inside.status >= 400, "{}", inside.status);
    let over = house
        .upload(&page, "/api/browse/photos/upload?path=file", "file", b"x")
        .await;
    assert_eq!(over.status, 200, "{}", over.text());
    // The link was replaced, not what it led to.
    assert_eq!(house.text("private/secret.txt").unwrap(), "secret");
    assert_eq!(names(&house.at("private")), ["secret.txt"]);
    // A link that leads nowhere can be thrown away.
    let target = "/api/browse/photos/item?path=broken";
    let gone = house
        .stamped(&page, Auth::Headers, "DELETE", target, &Value::Null)
        .await;
    assert_eq!(gone.status, 204);
}

#[tokio::test]
async fn s1_the_weaker_proof_is_good_nowhere_else() {
    let house = House::open().await;
    let page = house.pair().await;
    let (_, list) = house.native("GET", "", &Value::Null).await;
    let key_id = list["pairings"][0]["keyId"].as_str().unwrap().to_owned();
    let host = house.signed_host();
    let headers = page.headers(PAGE, house.now());
    for target in ["/drives", "/pairing", "/jobs", "/api/drives"] {
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        let reply = house.send_to(&host, head.as_bytes()).await;
        let expected = if target == "/api/drives" { 404 } else { 401 };
        assert_eq!(reply.status, expected, "{target}: {}", reply.text());
    }
    // Nor is its page known there, by its key or its origin.
    let hello = json!({ "challenge": doorward::guard::Secret::<32>::random().reveal().as_str(), "keyId": key_id });
    let body = hello.to_string();
    let head = format!(
        "POST /hello HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nOrigin: {PAGE}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = house.send_to(&host, head.as_bytes()).await;
    assert_eq!(reply.body_json()["paired"], false, "{}", reply.text());
}

#[tokio::test]
async fn s10_what_is_forgotten_is_over_at_once() {
    let house = House::open().await;
    let page = house.pair().await;
    let drives = async || {
        house
            .stamped(&page, Auth::Headers, "GET", "/api/drives", &Value::Null)
            .await
            .status
    };
    assert_eq!(drives().await, 200);
    let (_, list) = house.native("GET", "", &Value::Null).await;
    let path = format!("/{}", list["pairings"][0]["keyId"].as_str().unwrap());
    house.native("DELETE", &path, &Value::Null).await;
    assert_eq!(drives().await, 403);
    let health = house.page("GET", "/api/health", &Value::Null).await;
    assert_eq!(health.body_json()["paired"], false);
}

#[tokio::test]
async fn guesses_are_slowed_down_and_the_right_proof_is_not() {
    let house = House::with(&[("photos", &[Right::Read])]).await;
    let page = house.pair().await;
    let wrong = page
        .headers(PAGE, house.now())
        .replace("Secret: ", "Secret: 0");
    let mut seen = Vec::new();
    for _ in 0..15 {
        seen.push(
            house
                .json("GET", "/api/drives", &wrong, &Value::Null)
                .await
                .status,
        );
    }
    assert_eq!((seen[0], *seen.last().unwrap()), (403, 429), "{seen:?}");
    let right = house
        .stamped(&page, Auth::Headers, "GET", "/api/drives", &Value::Null)
        .await;
    assert_eq!(right.status, 200);
}
