//! Files go in and out whole, and nothing is lost.

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{Auth, House, PAGE, form, names};
use crate::shape::fits;

#[tokio::test]
async fn r1_an_upload_of_any_size_is_put_in_place_whole() {
    let house = House::open().await;
    let page = house.pair().await;
    // More than Sambee takes, and than this house takes of JSON.
    let large: Vec<u8> = (0..3 * 1024 * 1024 + 17)
        .map(|at: u32| at.to_le_bytes()[1])
        .collect();
    let target = "/api/browse/photos/upload?path=new%2Fdeep%2Flarge.bin";
    let told = house.upload(&page, target, "file", &large).await;
    let shape = json!({
        "status": "ok", "path": "new/deep/large.bin", "size": large.len(), "last_modified": "<time +0>",
    });
    assert_eq!(told.status, 200, "{}", told.text());
    assert!(fits(&shape, &told.body_json()), "{}", told.text());
    assert_eq!(
        std::fs::read(house.at("photos/new/deep/large.bin")).unwrap(),
        large
    );
    // Over what is there, empty ones too.
    house.write("photos/a.txt", "before");
    let told = house
        .upload(&page, "/api/browse/photos/upload?path=a.txt", "file", b"")
        .await;
    assert_eq!(told.body_json()["size"], 0);
    assert_eq!(house.text("photos/a.txt").unwrap(), "");
    assert_eq!(names(&house.at("photos/new/deep")), ["large.bin"]);
}

#[tokio::test]
async fn r1_an_upload_that_breaks_off_leaves_what_was_there_and_nothing_else() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("photos/a.txt", "before");
    let target = "/api/browse/photos/upload?path=a.txt";
    let missing = house.upload(&page, target, "other", b"x").await;
    assert_eq!(missing.status, 400, "{}", missing.text());
    // The form ends before its file does.
    let whole = form("file", &[b'x'; 100_000]);
    let cut = &whole[..whole.len() - 20];
    let more = format!(
        "Content-Type: multipart/form-data; boundary=xyz\r\n{}",
        page.headers(PAGE, house.now())
    );
    let broken = house.ask("POST", target, &more, cut).await;
    assert_eq!(broken.status, 400, "{}", broken.text());
    // It is no form.
    let told = house.ask("POST", target, &more, b"hello").await;
    assert_eq!(told.status, 400);
    // It is JSON.
    let json = house
        .stamped(&page, Auth::Headers, "POST", target, &json!({ "a": 1 }))
        .await;
    assert_eq!(json.status, 415);
    // A folder stands there.
    std::fs::create_dir(house.at("photos/dir")).unwrap();
    let over = house
        .upload(&page, "/api/browse/photos/upload?path=dir", "file", b"x")
        .await;
    assert_eq!(over.status, 409, "{}", over.text());
    for path in ["", "..%2Fx", "a%3Ab"] {
        let target = format!("/api/browse/photos/upload?path={path}");
        let refused = house.upload(&page, &target, "file", b"x").await;
        assert_eq!(refused.status, 400, "{path}");
    }
    assert_eq!(house.text("photos/a.txt").unwrap(), "before");
    // What was begun is removed in its own time.
    for _ in 0..200 {
        if names(&house.at("photos")) == ["a.txt", "dir"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(names(&house.at("photos")), ["a.txt", "dir"]);
    assert_eq!(names(&house.temp.path().join("journal")), [""; 0]);
}

#[tokio::test]
async fn r7_a_copy_or_move_onto_itself_spelled_differently_loses_nothing() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("photos/a.txt", "one");
    house.write("photos/d/x.txt", "x");
    for verb in ["copy", "move"] {
        for (from, to) in [
            ("a.txt", "a.txt"),
            ("a.txt", "/a.txt"),
            ("a.txt", ".//./a.txt"),
            ("a.txt", "\\a.txt"),
            ("d/x.txt", "d\\\\x.txt"),
            ("d", "/d/"),
            ("d", "d/e"),
            ("d", "d/e/f"),
        ] {
            house.hand.advance(Duration::from_secs(1));
            let body = json!({ "source_path": from, "dest_path": to, "overwrite": true });
            let target = format!("/api/browse/photos/{verb}");
            let reply = house
                .stamped(&page, Auth::Headers, "POST", &target, &body)
                .await;
            assert_eq!(reply.status, 400, "{verb} {from} {to}: {}", reply.text());
            assert_eq!(house.text("photos/a.txt").unwrap(), "one");
            assert_eq!(house.text("photos/d/x.txt").unwrap(), "x");
        }
    }
    assert_eq!(house.trash(), [""; 0]);
}

#[tokio::test]
async fn a_folder_is_copied_into_the_one_that_is_there_and_moved_over_one_that_can_be_had_back() {
    let house = House::open().await;
    let page = house.pair().await;
    let carry = async |verb: &str, from: &str, to: &str, overwrite: bool| {
        house.hand.advance(Duration::from_secs(1));
        let body = json!({ "source_path": from, "dest_path": to, "overwrite": overwrite });
        let target = format!("/api/browse/photos/{verb}");
        let reply = house
            .stamped(&page, Auth::Headers, "POST", &target, &body)
            .await;
        (reply.status, reply.body_json())
    };
    house.write("photos/from/a.txt", "new");
    house.write("photos/from/sub/b.txt", "new");
    house.write("photos/to/a.txt", "old");
    house.write("photos/to/sub/c.txt", "old");
    let (status, told) = carry("copy", "from", "to", false).await;
    assert_eq!(status, 409);
    assert_eq!(told["detail"]["existing_file"]["type"], "directory");
    assert_eq!(carry("copy", "from", "to", true).await.0, 204);
    for (path, text) in [("a.txt", "new"), ("sub/b.txt", "new"), ("sub/c.txt", "old")] {
        assert_eq!(
            house.text(&format!("photos/to/{path}")).unwrap(),
            text,
            "{path}"
        );
    }
    // A file is not put in the place of a folder by a copy.
    house.write("photos/file", "f");
    assert_eq!(carry("copy", "file", "to", true).await.0, 409);
    assert_eq!(carry("move", "from", "to", false).await.0, 409);
    assert_eq!(carry("move", "from", "to", true).await.0, 204);
    assert_eq!(names(&house.at("photos")), ["file", "to"]);
    assert_eq!(names(&house.at("photos/to/sub")), ["b.txt"]);
    assert_eq!(house.trash(), ["to"]);
    // Never a folder that the source is in.
    assert_eq!(carry("move", "to/sub", "to", true).await.0, 400);
    assert_eq!(house.text("photos/to/sub/b.txt").unwrap(), "new");
}

#[tokio::test]
async fn what_is_deleted_goes_to_the_trash() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("photos/d/x.txt", "x");
    let target = "/api/browse/photos/item?path=d";
    let gone = house
        .stamped(&page, Auth::Headers, "DELETE", target, &Value::Null)
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(names(&house.at("photos")), [""; 0]);
    let kept = house.temp.path().join("data/Trash/files/d/x.txt");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "x");
}

#[tokio::test]
async fn files_are_shown_and_saved_as_they_are() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("photos/p\u{e4}ge \"1\".html", "<script>1</script>");
    let path = "path=p%C3%A4ge+%221%22.html&viewport_width=100&no_resizing=true";
    for (route, auth, kind) in [
        ("file", Auth::Headers, "inline"),
        ("file", Auth::Query, "inline"),
        ("download", Auth::Headers, "attachment"),
        ("download", Auth::Query, "attachment"),
    ] {
        let target = format!("/api/viewer/photos/{route}?{path}");
        let reply = house
            .stamped(&page, auth, "GET", &target, &Value::Null)
            .await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, "<script>1</script>")
        );
        assert_eq!(reply.header("content-type").as_deref(), Some("text/html"));
        assert_eq!(reply.header("content-length").as_deref(), Some("18"));
        assert_eq!(
            reply.header("content-disposition").unwrap(),
            format!(
                "{kind}; filename=\"p_ge _1_.html\"; filename*=UTF-8''p%C3%A4ge%20%221%22.html"
            )
        );
        // It runs nothing on this origin, and only its own page frames it.
        assert_eq!(
            reply.header("content-security-policy").unwrap(),
            format!("sandbox; default-src 'none'; frame-ancestors {PAGE}")
        );
        assert_eq!(
            reply.header("x-content-type-options").as_deref(),
            Some("nosniff")
        );
        assert_eq!(
            reply.header("cross-origin-resource-policy").as_deref(),
            Some("cross-origin")
        );
    }
    let large: Vec<u8> = (0..2_500_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    std::fs::write(house.at("photos/large"), &large).unwrap();
    let target = "/api/viewer/photos/download?path=large";
    let reply = house
        .stamped(&page, Auth::Query, "GET", target, &Value::Null)
        .await;
    assert_eq!(reply.body, large);
    assert_eq!(
        reply.header("content-type").as_deref(),
        Some("application/octet-stream")
    );
    let head = house
        .stamped(&page, Auth::Query, "HEAD", target, &Value::Null)
        .await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_listed_as_files_and_names_that_pages_cannot_say_are_not() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("photos/d/x.txt", "x");
    std::os::unix::fs::symlink("d", house.at("photos/link")).unwrap();
    std::fs::write(house.at("photos/back\\slash"), "").unwrap();
    let list = house
        .stamped(
            &page,
            Auth::Headers,
            "GET",
            "/api/browse/photos/list",
            &Value::Null,
        )
        .await;
    let list = list.body_json();
    let mut items = list["items"].as_array().unwrap().clone();
    items.sort_by_key(|item| item["name"].to_string());
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            (
                item["name"].as_str().unwrap(),
                item["type"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("d", "directory"), ("link", "file")]);
    assert!(items[1].get("size").is_none());
    let info = house.stamped(
        &page,
        Auth::Headers,
        "GET",
        "/api/browse/photos/info?path=link",
        &Value::Null,
    );
    assert_eq!(info.await.body_json()["type"], "directory");
    // Thrown away, a link is itself.
    let target = "/api/browse/photos/item?path=link";
    let gone = house
        .stamped(&page, Auth::Headers, "DELETE", target, &Value::Null)
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(house.text("photos/d/x.txt").unwrap(), "x");
}
