//! One table: each route of Sambee, what is sent, and what is answered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{Auth, House, PAGE, hex};
use crate::shape::fits;

/// Method, target, proof, body, status, shape of the answer (null for none).
type Row = (&'static str, &'static str, Auth, Value, u16, Value);

fn no(detail: &str) -> Value {
    json!({ "detail": detail })
}

fn file(name: &str, path: &str, size: u64, kind: &str) -> Value {
    json!({
        "name": name, "path": path, "type": "file", "size": size, "mime_type": kind,
        "created_at": "<time Z>", "modified_at": "<time Z>",
        "is_readable": true, "is_hidden": false,
    })
}

fn folder(name: &str, path: &str) -> Value {
    json!({
        "name": name, "path": path, "type": "directory",
        "created_at": "<time Z>", "modified_at": "<time Z>",
        "is_readable": true, "is_hidden": false,
    })
}

/// Before a page is paired: sections 1, 2 and 4.
fn unpaired() -> Vec<Row> {
    use Auth::{None as Nobody, Origin as Page};
    let null = || Value::Null;
    let nonce = hex(&[7; 32]);
    vec![
        (
            "GET",
            "/api/health",
            Page,
            null(),
            200,
            json!({ "status": "healthy", "paired": false }),
        ),
        (
            "GET",
            "/api/health",
            Nobody,
            null(),
            200,
            json!({ "status": "healthy", "paired": false }),
        ),
        ("HEAD", "/api/health", Nobody, null(), 200, null()),
        ("OPTIONS", "/api/drives", Page, null(), 200, null()),
        ("OPTIONS", "/api/health", Nobody, null(), 200, null()),
        (
            "GET",
            "/api/nothing",
            Page,
            null(),
            404,
            no("There is nothing here."),
        ),
        (
            "GET",
            "/",
            Nobody,
            null(),
            404,
            no("There is nothing here."),
        ),
        (
            "POST",
            "/api/health",
            Page,
            null(),
            405,
            no("This method is not allowed here."),
        ),
        (
            "GET",
            "/api/pair/initiate",
            Page,
            null(),
            405,
            no("This method is not allowed here."),
        ),
        (
            "GET",
            "/api/pair/status",
            Page,
            null(),
            200,
            json!({ "current_origin": PAGE, "current_origin_paired": false, "status": "unpaired" }),
        ),
        (
            "GET",
            "/api/pair/status",
            Nobody,
            null(),
            200,
            json!({ "current_origin": null, "current_origin_paired": false, "status": "unpaired" }),
        ),
        (
            "GET",
            "/api/pair/status?origin=HTTP://u@LOCALHOST:3000/x?y",
            Nobody,
            null(),
            200,
            json!({ "current_origin": PAGE, "current_origin_paired": false, "status": "unpaired" }),
        ),
        (
            "GET",
            "/api/pair/status?origin=null",
            Nobody,
            null(),
            200,
            json!({ "current_origin": null, "current_origin_paired": false, "status": "unpaired" }),
        ),
        (
            "POST",
            "/api/pair/initiate",
            Page,
            json!({ "nonce_browser": "xy" }),
            400,
            no("Invalid hex encoding for nonce_browser"),
        ),
        (
            "POST",
            "/api/pair/initiate",
            Page,
            json!({ "nonce_browser": "abcd" }),
            400,
            no("nonce_browser must be 32 bytes (64 hex chars)"),
        ),
        (
            "POST",
            "/api/pair/initiate",
            Nobody,
            json!({ "nonce_browser": nonce }),
            400,
            no("Missing origin in pairing request"),
        ),
        (
            "POST",
            "/api/pair/initiate",
            Nobody,
            json!({ "nonce_browser": nonce, "origin": "tauri://localhost" }),
            400,
            no("Missing origin in pairing request"),
        ),
        (
            "POST",
            "/api/pair/initiate",
            Page,
            json!({}),
            422,
            json!({ "detail": "<text>" }),
        ),
        (
            "POST",
            "/api/pair/initiate",
            Page,
            json!({ "nonce_browser": 1 }),
            422,
            json!({ "detail": "<text>" }),
        ),
        (
            "POST",
            "/api/pair/initiate",
            Page,
            null(),
            400,
            json!({ "detail": "<text>" }),
        ),
        (
            "POST",
            "/api/pair/confirm",
            Page,
            json!({ "pairing_id": "x" }),
            400,
            no("Unknown or expired pairing"),
        ),
        (
            "POST",
            "/api/pair/confirm",
            Nobody,
            json!({ "pairing_id": "x" }),
            400,
            no("Missing origin in pairing request"),
        ),
        (
            "POST",
            "/api/pair/cancel",
            Page,
            json!({ "pairing_id": "x" }),
            400,
            no("Unknown or expired pairing"),
        ),
        (
            "POST",
            "/api/pair/cancel",
            Nobody,
            json!({ "pairing_id": "x" }),
            400,
            no("Missing origin in pairing cancel request"),
        ),
        (
            "GET",
            "/api/drives",
            Nobody,
            null(),
            403,
            no("Missing Origin header"),
        ),
        (
            "GET",
            "/api/drives",
            Page,
            null(),
            403,
            no("Missing X-Companion-Secret header"),
        ),
        (
            "POST",
            "/api/pair/test",
            Page,
            null(),
            403,
            no("Missing X-Companion-Secret header"),
        ),
        (
            "DELETE",
            "/api/pair/current",
            Page,
            null(),
            403,
            no("Missing X-Companion-Secret header"),
        ),
        (
            "POST",
            "/api/localization",
            Page,
            null(),
            403,
            no("Missing X-Companion-Secret header"),
        ),
        (
            "GET",
            "/api/viewer/photos/file?path=a.txt",
            Nobody,
            null(),
            403,
            no("Missing authentication (headers or query params)"),
        ),
        (
            "GET",
            "/api/viewer/photos/file?path=a.txt&hmac=x",
            Nobody,
            null(),
            403,
            no("Missing timestamp in query params"),
        ),
        (
            "GET",
            "/api/viewer/photos/file?path=a.txt&hmac=x&ts=1",
            Nobody,
            null(),
            403,
            no("Missing origin in query params"),
        ),
        (
            "GET",
            "/api/viewer/photos/file?path=a.txt&hmac=x&ts=1&origin=null",
            Nobody,
            null(),
            403,
            no("Origin is not allowed to access the companion bootstrap API"),
        ),
        (
            "GET",
            "/api/viewer/photos/file?path=a.txt&hmac=x&ts=1&origin=http:%2F%2Fa.example",
            Nobody,
            null(),
            403,
            no("Not paired with this origin"),
        ),
        (
            "GET",
            "/api/ws",
            Page,
            null(),
            403,
            no("Missing hmac query param"),
        ),
        (
            "GET",
            "/api/ws?hmac=x",
            Page,
            null(),
            403,
            no("Missing ts query param"),
        ),
        (
            "GET",
            "/api/ws?hmac=x&ts=1",
            Page,
            null(),
            403,
            no("Missing origin query param"),
        ),
    ]
}

/// Of a paired page: sections 3 and 5 to 7, in this order.
fn paired() -> Vec<Row> {
    use Auth::{Headers, Query};
    let null = || Value::Null;
    let some = || json!({ "detail": "<text>" });
    let made = |name: &str, path: &str| {
        json!({
            "name": name, "path": path, "type": "file", "size": 0, "mime_type": "text/plain",
            "created_at": "<time Z>", "modified_at": "<time Z>", "is_readable": true, "is_hidden": false,
        })
    };
    vec![
        (
            "GET",
            "/api/health",
            Headers,
            null(),
            200,
            json!({ "status": "healthy", "paired": true }),
        ),
        (
            "GET",
            "/api/pair/status",
            Auth::Origin,
            null(),
            200,
            json!({ "current_origin": PAGE, "current_origin_paired": true, "status": "paired" }),
        ),
        (
            "POST",
            "/api/pair/test",
            Headers,
            null(),
            200,
            json!({
                "status": "success", "origin": PAGE,
                "message": format!("Pairing with {PAGE} is working."),
            }),
        ),
        // The query is no place for a proof there.
        (
            "POST",
            "/api/pair/test",
            Query,
            null(),
            403,
            no("Missing Origin header"),
        ),
        (
            "GET",
            "/api/drives",
            Query,
            null(),
            403,
            no("Missing Origin header"),
        ),
        (
            "GET",
            "/api/drives",
            Headers,
            null(),
            200,
            json!([
                { "id": "docs", "name": "docs", "drive_type": "fixed" },
                { "id": "photos", "name": "photos", "drive_type": "fixed" },
            ]),
        ),
        (
            "POST",
            "/api/localization",
            Headers,
            json!({ "language": "de", "regional_locale": "de-AT", "updated_at": "2026-03-01T10:00:00Z" }),
            200,
            json!({
                "applied": true, "language": "de", "regional_locale": "de-AT",
                "updated_at": "2026-03-01T10:00:00Z", "source_origin": PAGE,
            }),
        ),
        (
            "POST",
            "/api/localization",
            Headers,
            json!({ "language": "en", "regional_locale": "en-GB", "updated_at": "2026-03-01T10:59:59+01:00" }),
            200,
            json!({
                "applied": false, "language": "de", "regional_locale": "de-AT",
                "updated_at": "2026-03-01T10:00:00Z", "source_origin": PAGE,
            }),
        ),
        (
            "POST",
            "/api/localization",
            Headers,
            json!({ "language": "en", "regional_locale": "en-GB", "updated_at": "yesterday" }),
            400,
            some(),
        ),
        // Listing and looking.
        (
            "GET",
            "/api/browse/photos/list?path=sub",
            Headers,
            null(),
            200,
            json!({ "path": "sub", "items": [file("b.txt", "sub/b.txt", 1, "text/plain")], "total": 1 }),
        ),
        (
            "GET",
            "/api/browse/photos/list?path=%2F%2Fsub%2F",
            Headers,
            null(),
            200,
            json!({ "path": "sub", "items": "<any>", "total": 1 }),
        ),
        (
            "GET",
            "/api/browse/photos/list",
            Headers,
            null(),
            200,
            json!({ "path": "", "items": "<any>", "total": 3 }),
        ),
        (
            "GET",
            "/api/browse/photos/list?path=none",
            Headers,
            null(),
            404,
            some(),
        ),
        (
            "GET",
            "/api/browse/photos/list?path=a.txt",
            Headers,
            null(),
            400,
            some(),
        ),
        (
            "GET",
            "/api/browse/photos/list?path=..",
            Headers,
            null(),
            400,
            no("Path traversal not allowed"),
        ),
        (
            "GET",
            "/api/browse/photos/list?path=sub%5C..%5C..",
            Headers,
            null(),
            400,
            no("Path traversal not allowed"),
        ),
        (
            "GET",
            "/api/browse/music/list?path=",
            Headers,
            null(),
            404,
            no("Drive not found"),
        ),
        (
            "GET",
            "/api/browse/photos/info?path=a.txt",
            Headers,
            null(),
            200,
            file("a.txt", "a.txt", 3, "text/plain"),
        ),
        (
            "GET",
            "/api/browse/photos/info?path=sub",
            Headers,
            null(),
            200,
            folder("sub", "sub"),
        ),
        (
            "GET",
            "/api/browse/photos/info?path=none",
            Headers,
            null(),
            404,
            some(),
        ),
        (
            "GET",
            "/api/browse/photos/directories?q=SU&include_dot_directories=false",
            Headers,
            null(),
            200,
            json!({ "results": ["sub", "sub/sub2"], "total_matches": 2, "cache_state": "ready", "directory_count": 2 }),
        ),
        (
            "GET",
            "/api/browse/photos/directories?q=hid&include_dot_directories=true",
            Headers,
            null(),
            200,
            json!({ "results": [".hidden"], "total_matches": 1, "cache_state": "ready", "directory_count": 3 }),
        ),
        (
            "GET",
            "/api/browse/photos/directories?q=",
            Headers,
            null(),
            200,
            json!({ "results": [], "total_matches": 0, "cache_state": "ready", "directory_count": 0 }),
        ),
        // Creating.
        (
            "POST",
            "/api/browse/photos/create",
            Headers,
            json!({ "parent_path": "", "name": "new", "type": "directory" }),
            200,
            folder("new", "new"),
        ),
        (
            "POST",
            "/api/browse/photos/create",
            Headers,
            json!({ "parent_path": "new", "name": "n.txt", "type": "file", "more": 1 }),
            200,
            made("n.txt", "new/n.txt"),
        ),
        (
            "POST",
            "/api/browse/photos/create",
            Headers,
            json!({ "parent_path": "", "name": "new", "type": "directory" }),
            409,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/create",
            Headers,
            json!({ "parent_path": "none", "name": "x", "type": "file" }),
            404,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/create",
            Headers,
            json!({ "parent_path": "", "name": "a:b", "type": "file" }),
            400,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/create",
            Headers,
            json!({ "parent_path": "", "name": "x", "type": "pipe" }),
            422,
            some(),
        ),
        // Renaming.
        (
            "POST",
            "/api/browse/photos/rename",
            Headers,
            json!({ "path": "new/n.txt", "new_name": "m.txt" }),
            200,
            made("m.txt", "new/m.txt"),
        ),
        (
            "POST",
            "/api/browse/photos/rename",
            Headers,
            json!({ "path": "a.txt", "new_name": "sub" }),
            409,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/rename",
            Headers,
            json!({ "path": "none", "new_name": "x" }),
            404,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/rename",
            Headers,
            json!({ "path": "a.txt", "new_name": ".." }),
            400,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/rename",
            Headers,
            json!({ "path": "/", "new_name": "x" }),
            400,
            some(),
        ),
        // Copying and moving.
        (
            "POST",
            "/api/browse/photos/copy",
            Headers,
            json!({ "source_path": "a.txt", "dest_path": "new/a.txt" }),
            204,
            null(),
        ),
        (
            "POST",
            "/api/browse/photos/copy",
            Headers,
            json!({ "source_path": "a.txt", "dest_path": "sub/b.txt" }),
            409,
            json!({ "detail": {
                "existing_file": file("b.txt", "sub/b.txt", 1, "text/plain"),
                "incoming_file": file("a.txt", "a.txt", 3, "text/plain"),
            } }),
        ),
        (
            "POST",
            "/api/browse/photos/copy",
            Headers,
            json!({ "source_path": "a.txt", "dest_path": "sub/b.txt", "overwrite": true }),
            204,
            null(),
        ),
        (
            "POST",
            "/api/browse/photos/move",
            Headers,
            json!({ "source_path": "new/a.txt", "dest_path": "deep/er/c.txt",
                "dest_connection_id": "local-drive:photos" }),
            204,
            null(),
        ),
        (
            "POST",
            "/api/browse/photos/move",
            Headers,
            json!({ "source_path": "deep/er/c.txt", "dest_path": "c.txt", "dest_connection_id": "photos" }),
            204,
            null(),
        ),
        (
            "POST",
            "/api/browse/photos/move",
            Headers,
            json!({ "source_path": "sub", "dest_path": "sub/sub2/sub" }),
            400,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/move",
            Headers,
            json!({ "source_path": "none", "dest_path": "x" }),
            404,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/copy",
            Headers,
            json!({ "source_path": "", "dest_path": "x" }),
            400,
            some(),
        ),
        (
            "POST",
            "/api/browse/photos/copy",
            Headers,
            json!({ "source_path": "a.txt", "dest_path": "x", "dest_connection_id": "local-drive:music" }),
            404,
            no("Drive not found"),
        ),
        // Reading.
        (
            "GET",
            "/api/viewer/photos/file?path=none",
            Headers,
            null(),
            404,
            some(),
        ),
        (
            "GET",
            "/api/viewer/photos/file?path=sub",
            Headers,
            null(),
            400,
            no("Cannot view a directory"),
        ),
        (
            "GET",
            "/api/viewer/photos/download?path=sub",
            Query,
            null(),
            400,
            no("Cannot view a directory"),
        ),
        // Opening.
        (
            "POST",
            "/api/browse/photos/open",
            Headers,
            json!({ "path": "a.txt" }),
            204,
            null(),
        ),
        (
            "POST",
            "/api/browse/photos/open",
            Headers,
            json!({ "path": "a.txt", "force_picker": true }),
            204,
            null(),
        ),
        (
            "POST",
            "/api/browse/photos/open",
            Headers,
            json!({ "path": "none.txt" }),
            404,
            json!({ "detail": "<text>", "code": "recent_file_target_missing" }),
        ),
        (
            "POST",
            "/api/browse/photos/open",
            Headers,
            json!({ "path": "sub" }),
            400,
            json!({ "detail": "<text>", "code": "recent_file_target_not_file" }),
        ),
        (
            "POST",
            "/api/browse/docs/open",
            Headers,
            json!({ "path": "broken.txt" }),
            500,
            json!({ "detail": "<text>", "code": "recent_file_native_launch_failed" }),
        ),
        // Deleting.
        (
            "DELETE",
            "/api/browse/photos/item?path=c.txt",
            Headers,
            null(),
            204,
            null(),
        ),
        (
            "DELETE",
            "/api/browse/photos/item?path=new",
            Headers,
            null(),
            204,
            null(),
        ),
        (
            "DELETE",
            "/api/browse/photos/item?path=none",
            Headers,
            null(),
            404,
            some(),
        ),
        (
            "DELETE",
            "/api/browse/photos/item?path=",
            Headers,
            null(),
            400,
            no("Cannot delete the drive root"),
        ),
        (
            "DELETE",
            "/api/browse/photos/item?path=%2F",
            Headers,
            null(),
            400,
            no("Cannot delete the drive root"),
        ),
        // And away.
        ("DELETE", "/api/pair/current", Headers, null(), 204, null()),
        (
            "GET",
            "/api/drives",
            Headers,
            null(),
            403,
            no("Not paired with this origin"),
        ),
        (
            "GET",
            "/api/pair/status",
            Auth::Origin,
            null(),
            200,
            json!({ "current_origin": PAGE, "current_origin_paired": false, "status": "unpaired" }),
        ),
    ]
}

/// What every answer has, whatever it is.
fn check_sealed(row: &str, auth: Auth, reply: &crate::house::Reply) {
    let header = |name: &str| reply.header(name);
    assert_eq!(
        header("x-content-type-options").as_deref(),
        Some("nosniff"),
        "{row}"
    );
    assert_eq!(
        header("cache-control").as_deref(),
        Some("no-store"),
        "{row}"
    );
    assert_eq!(
        header("referrer-policy").as_deref(),
        Some("no-referrer"),
        "{row}"
    );
    let policy = header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'"), "{row}: {policy}");
    assert_eq!(header("access-control-allow-credentials"), None, "{row}");
    assert_eq!(header("server"), None, "{row}");
    let stray = row.contains("/api/nothing") || row.contains("GET / ");
    let named = matches!(auth, Auth::Origin | Auth::Headers);
    let readable = (named && !stray).then_some(PAGE);
    assert_eq!(
        header("access-control-allow-origin").as_deref(),
        readable,
        "{row}"
    );
}

#[tokio::test]
async fn every_route_of_sambee_answers_as_listed_before_pairing() {
    let house = House::open().await;
    for (method, target, auth, body, status, shape) in unpaired() {
        house.hand.advance(Duration::from_secs(1));
        let more = match auth {
            Auth::Origin => format!("Origin: {PAGE}\r\n"),
            _ => String::new(),
        };
        let reply = house.json(method, target, &more, &body).await;
        let row = format!("{method} {target} {auth:?} {body}");
        check(&row, auth, &reply, status, &shape);
    }
    // What is no JSON, or says that it is something else.
    let origin = format!("Origin: {PAGE}\r\n");
    for (kind, status) in [("text/plain", 415), ("application/json", 400)] {
        let more = format!("{origin}Content-Type: {kind}\r\n");
        let reply = house.ask("POST", "/api/pair/initiate", &more, b"{x").await;
        assert_eq!(reply.status, status, "{kind}: {}", reply.text());
    }
}

#[tokio::test]
async fn every_route_of_sambee_answers_as_listed_to_a_paired_page() {
    let house = House::open().await;
    house.write("photos/a.txt", "one");
    house.write("photos/sub/b.txt", "2");
    house.write("photos/.hidden/x", "x");
    house.write("docs/broken.txt", "");
    std::fs::create_dir(house.at("photos/sub/sub2")).unwrap();
    std::fs::remove_dir(house.at("photos/sub/sub2")).unwrap();
    let page = house.pair().await;
    for (method, target, auth, body, status, shape) in paired() {
        house.hand.advance(Duration::from_secs(1));
        if target.contains("/directories") {
            std::fs::create_dir_all(house.at("photos/sub/sub2")).unwrap();
        }
        let reply = house.stamped(&page, auth, method, target, &body).await;
        let row = format!("{method} {target} {auth:?} {body}");
        check(&row, auth, &reply, status, &shape);
    }
    assert_eq!(house.opened.lock().unwrap().len(), 3);
    assert_eq!(house.text("photos/sub/b.txt").unwrap(), "one");
    assert_eq!(house.trash(), ["c.txt", "new"]);
}

fn check(row: &str, auth: Auth, reply: &crate::house::Reply, status: u16, shape: &Value) {
    assert_eq!(reply.status, status, "{row}: {}", reply.text());
    match shape {
        Value::Null => assert_eq!(reply.text(), "", "{row}"),
        shape => {
            let got = reply.body_json();
            assert!(fits(shape, &got), "{row}: {got}");
            let kind = reply.header("content-type");
            assert_eq!(kind.as_deref(), Some("application/json"), "{row}");
        }
    }
    check_sealed(row, auth, reply);
}

#[tokio::test]
async fn a_preflight_is_answered_as_sambee_does() {
    let house = House::open().await;
    let more = format!(
        "Origin: {PAGE}\r\nAccess-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: x-companion-secret,x-companion-timestamp\r\n"
    );
    let reply = house
        .ask("OPTIONS", "/api/browse/photos/item", &more, b"")
        .await;
    assert_eq!(reply.status, 200);
    for (name, value) in [
        ("access-control-allow-origin", PAGE),
        ("access-control-allow-methods", "GET,POST,DELETE"),
        (
            "access-control-allow-headers",
            "content-type,origin,x-companion-secret,x-companion-timestamp",
        ),
        ("vary", "origin"),
    ] {
        assert_eq!(reply.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(reply.header("access-control-allow-private-network"), None);
}
