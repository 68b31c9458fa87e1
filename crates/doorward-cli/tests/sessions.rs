//! Browser sessions, from the command line and from a tab.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use common::{Home, Reply, get, send};

/// Signs a tab in with the link's ticket.
fn claim(launch: &str) -> Reply {
    let (origin, ticket) = launch.trim().split_once("/#ticket=").unwrap();
    let url = format!("{origin}/api/session/claim");
    let body = format!("{{\"ticket\":\"{ticket}\"}}");
    send(
        "POST",
        &url,
        &[("Origin", origin), ("Sec-Fetch-Site", "same-origin")],
        &body,
    )
}

#[test]
fn links_sign_in_once_and_sessions_are_listed_and_ended() {
    let home = Home::new();
    let daemon = home.serve(&["--json", "."]);
    assert!(home.done(&["sessions", "list"]).contains("doorward open"));
    let launch = daemon.text("launchUrl");
    let claimed = claim(&launch);
    assert_eq!(claimed.status, 200);
    assert_eq!(claim(&launch).status, 403);

    let opened = home.json(&["open", "--json"]);
    let members: Vec<_> = opened.as_object().unwrap().keys().collect();
    assert_eq!(members, ["expiresAt", "launchUrl"]);
    assert_eq!(claim(opened["launchUrl"].as_str().unwrap()).status, 200);
    assert_eq!(
        home.json(&["sessions", "list", "--json"])["sessions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    // A take-over leaves itself alone.
    assert_eq!(
        claim(&home.done(&["open", "--print", "--take-over"])).status,
        200
    );
    let listed = home.json(&["sessions", "list", "--json"]);
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    let id = listed["sessions"][0]["id"].as_str().unwrap();
    assert!(home.done(&["sessions", "list"]).contains(id));
    assert_eq!(
        home.json(&["sessions", "revoke", id, "--json"])["revoked"],
        1
    );
    assert_eq!(home.run(&["sessions", "revoke", id]).status.code(), Some(1));
    assert_eq!(
        home.json(&["sessions", "revoke", "all", "--json"])["revoked"],
        0
    );

    let api = format!("{}/api/state", daemon.text("control"));
    assert_eq!(
        get(
            &api,
            &[
                ("Cookie", &claimed.cookie()),
                ("Sec-Fetch-Site", "same-origin")
            ]
        )
        .status,
        401
    );
}
