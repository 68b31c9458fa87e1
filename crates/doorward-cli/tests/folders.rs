//! Folders that are shared with paired pages, from the command line.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::fs;

use common::{Home, told};
use serde_json::json;

#[test]
fn what_is_shared_is_listed_with_where_it_is() {
    let home = Home::new();
    fs::create_dir(home.path("photos")).unwrap();
    let share = format!("Holiday photos={}:rw", home.path("photos").display());
    let _daemon = home.serve(&[
        "--json",
        "--companion",
        "--companion-port=0",
        "--vault=memory",
        "--approve=command",
        "--share",
        &share,
        "--share",
        "Gone=/no/such/folder",
        ".",
    ]);
    let page = home.json(&["folders", "--json"]);
    let row = |at: usize| &page["folders"][at];
    assert_eq!(row(0)["name"], "Holiday photos");
    assert_eq!(row(0)["rights"], json!(["read", "write"]));
    assert_eq!(
        (&row(0)["state"], &row(1)["state"]),
        (&json!("ready"), &json!("absent"))
    );
    assert_eq!(row(0)["path"], home.path("photos").to_str().unwrap());
    let text = home.done(&["folders"]);
    assert!(
        text.contains("Holiday photos") && text.contains("read, write"),
        "{text}"
    );
}

#[test]
fn without_a_companion_nothing_is_shared_and_that_is_told() {
    let home = Home::new();
    let _daemon = home.serve(&["--json", "."]);
    let output = home.run(&["folders"]);
    assert!(!output.status.success());
    assert!(told(&output).contains("--companion"), "{}", told(&output));
}
