//! How a page of Sambee is paired: by whom, when, and when not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{Auth, House, NONCE, PAGE, Paired, hex, unhex};
use crate::shape::fits;

const OTHER: &str = "https://other.example";

async fn state(house: &House, origin: &str) -> String {
    let more = format!("Origin: {origin}\r\n");
    let told = house
        .json("GET", "/api/pair/status", &more, &Value::Null)
        .await;
    told.body_json()["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_page_polls_until_its_person_approved_and_gets_a_secret_once() {
    let house = House::open().await;
    let asked = json!({ "nonce_browser": hex(&NONCE), "unknown": true });
    let told = house.page("POST", "/api/pair/initiate", &asked).await;
    let shape = json!({ "pairing_id": "<uuid>", "nonce_companion": "<64 hex>" });
    assert!(fits(&shape, &told.body_json()), "{}", told.text());
    let id = told.body_json()["pairing_id"].as_str().unwrap().to_owned();
    assert_eq!(state(&house, PAGE).await, "pending_local_approval");
    assert_eq!(state(&house, OTHER).await, "unpaired");
    for _ in 0..20 {
        let waits = house.confirm(PAGE, &id).await;
        assert_eq!(waits.status, 409);
        let shape = json!({
            "detail": "Waiting for companion confirmation",
            "code": "pair_confirmation_pending",
        });
        assert_eq!(waits.body_json(), shape);
    }
    let ours = unhex(told.body_json()["nonce_companion"].as_str().unwrap());
    let code = doorward::companion_core::compat::code_of(&NONCE, &ours).to_string();
    let (_, approved) = house.approve(&code).await;
    assert_eq!(approved["state"], "waiting");
    assert_eq!(state(&house, PAGE).await, "pending_local_approval");
    // Another page is told that it is not its own, and takes nothing.
    let other = house.confirm(OTHER, &id).await;
    assert_eq!(
        (other.status, other.detail()),
        (400, "Pairing does not belong to this origin".to_owned())
    );
    let paired = house.confirm(PAGE, &id).await;
    assert!(
        fits(&json!({ "secret": "<64 hex>" }), &paired.body_json()),
        "{}",
        paired.text()
    );
    assert_eq!(state(&house, PAGE).await, "paired");
    let again = house.confirm(PAGE, &id).await;
    assert_eq!(
        (again.status, again.detail()),
        (400, "Unknown or expired pairing".to_owned())
    );
}

#[tokio::test]
async fn what_is_asked_for_is_everything_that_is_shared_and_the_person_types_the_code() {
    let house = House::open().await;
    let (_, code) = house.initiate(PAGE).await;
    let (_, list) = house.native("GET", "", &Value::Null).await;
    let pending = &list["pending"];
    assert_eq!(pending["origin"], PAGE);
    assert_eq!(
        (&pending["compat"], &pending["typed"]),
        (&json!(true), &json!(true))
    );
    let scopes = json!([
        { "folder": "docs", "rights": ["read"] },
        { "folder": "photos", "rights": ["read", "write", "delete"] },
    ]);
    assert_eq!(pending["scopes"], scopes);
    let wrong = match code.as_str() {
        "000000" => "000001",
        _ => "000000",
    };
    let (status, denied) = house.approve(wrong).await;
    assert_eq!(
        (status.as_u16(), &denied["denial"]),
        (403, &json!("codeWrong"))
    );
    assert_eq!(state(&house, PAGE).await, "unpaired");
}

#[tokio::test]
async fn one_request_at_a_time_and_none_too_soon() {
    let house = House::open().await;
    let asked = json!({ "nonce_browser": hex(&NONCE) });
    let (id, _) = house.initiate(PAGE).await;
    let own = house.page("POST", "/api/pair/initiate", &asked).await;
    assert_eq!(own.status, 429);
    assert_eq!(
        own.detail(),
        "A pairing request for this origin is already waiting for approval"
    );
    house.hand.advance(Duration::from_secs(6));
    let more = format!("Origin: {OTHER}\r\n");
    let other = house
        .json("POST", "/api/pair/initiate", &more, &asked)
        .await;
    assert_eq!(other.status, 429);
    assert_eq!(
        other.detail(),
        "Another pairing request is already waiting for approval"
    );
    // Cancelled by another page it is not, by its own it is.
    let cancel = json!({ "pairing_id": id });
    let foreign = house.json("POST", "/api/pair/cancel", &more, &cancel).await;
    assert_eq!(foreign.status, 400);
    assert_eq!(state(&house, PAGE).await, "pending_local_approval");
    let cancelled = house.page("POST", "/api/pair/cancel", &cancel).await;
    assert_eq!((cancelled.status, cancelled.text()), (204, String::new()));
    assert_eq!(state(&house, PAGE).await, "unpaired");
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert!(list["pending"].is_null());
    let (id, _) = house.initiate(PAGE).await;
    house
        .page("POST", "/api/pair/cancel", &json!({ "pairing_id": id }))
        .await;
    let soon = house.page("POST", "/api/pair/initiate", &asked).await;
    assert_eq!(soon.status, 429);
    assert_eq!(
        soon.detail(),
        "Pairing was requested too recently. Try again in 5 second(s)"
    );
    assert!(soon.header("retry-after").is_some());
    // The windows of this house are counted here too: this is the third.
    house.hand.advance(Duration::from_secs(6));
    house.initiate(PAGE).await;
    house.hand.advance(Duration::from_secs(130));
    let nagging = house.page("POST", "/api/pair/initiate", &asked).await;
    assert_eq!(nagging.status, 429, "{}", nagging.text());
}

#[tokio::test]
async fn what_is_denied_or_too_late_is_over() {
    let house = House::open().await;
    let (id, code) = house.initiate(PAGE).await;
    house.hand.advance(Duration::from_secs(2));
    let (_, list) = house.native("GET", "", &Value::Null).await;
    let path = format!("/{}/deny", list["pending"]["number"]);
    house.native("POST", &path, &Value::Null).await;
    let over = house.confirm(PAGE, &id).await;
    assert_eq!(
        (over.status, over.detail()),
        (400, "Unknown or expired pairing".to_owned())
    );
    house.hand.advance(Duration::from_secs(10));
    let (late, late_code) = house.initiate(PAGE).await;
    assert_ne!(code, late_code);
    house.approve(&late_code).await;
    house.hand.advance(Duration::from_secs(121));
    let over = house.confirm(PAGE, &late).await;
    assert_eq!(over.status, 400);
    assert_eq!(state(&house, PAGE).await, "unpaired");
}

#[tokio::test]
async fn a_second_pairing_of_a_page_takes_the_place_of_the_first_once_it_is_told() {
    let house = House::open().await;
    let works = async |page: &Paired| {
        let reply = house
            .stamped(page, Auth::Headers, "GET", "/api/drives", &Value::Null)
            .await;
        reply.status
    };
    let first = house.pair().await;
    let (id, code) = house.initiate(PAGE).await;
    house.approve(&code).await;
    assert_eq!(works(&first).await, 200);
    let told = house.confirm(PAGE, &id).await.body_json();
    let second = Paired(doorward::guard::Secret::from_bytes(unhex(
        told["secret"].as_str().unwrap(),
    )));
    assert_eq!(works(&second).await, 200);
    assert_eq!(works(&first).await, 403);
    let (_, list) = house.native("GET", "", &Value::Null).await;
    let pairings = list["pairings"].as_array().unwrap();
    assert_eq!(pairings.len(), 1);
    assert_eq!(pairings[0]["compat"], true);
}

#[tokio::test]
async fn a_secret_that_its_page_never_took_is_forgotten() {
    let house = House::open().await;
    let (id, code) = house.initiate(PAGE).await;
    house.approve(&code).await;
    // It asks as someone else does not, and goes away.
    assert_eq!(house.confirm(OTHER, &id).await.status, 400);
    house.hand.advance(Duration::from_secs(125));
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert_eq!(list["pairings"], json!([]));
}
