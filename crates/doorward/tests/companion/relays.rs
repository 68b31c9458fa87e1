//! Upstreams that a paired page opens by their name.

use doorward::companion_core::defaults;
use doorward::guard::{Origin, Origins};
use doorward::relay::{RelayOptions, Upstream};
use serde_json::{Value, json};

use crate::house::{Door, House, PAGE, Reply};

fn configure(house: &House, name: &str, origins: Origins) {
    let options = RelayOptions {
        name: Some(name.into()),
        ..RelayOptions::livekit(origins)
    };
    let upstream = Upstream::parse("wss://livekit.example.com").unwrap();
    house.serving.relay().configure(upstream, options);
}

fn pages(list: &[&str]) -> Origins {
    Origins::Exact(
        list.iter()
            .map(|text| Origin::parse(text).unwrap())
            .collect(),
    )
}

async fn ask(house: &House, door: &Door, body: &Value) -> Reply {
    let (bytes, nonce) = house.signed(door, "POST", "/relays", body.to_string().as_bytes());
    let reply = house.send(&bytes).await;
    assert!(reply.is_ours(door, &nonce), "{}", reply.text());
    reply
}

#[tokio::test]
async fn a_paired_page_opens_what_is_named_for_it_and_nothing_else() {
    let house = House::open().await;
    configure(&house, "meet", pages(&["https://other.example", PAGE]));
    configure(&house, "theirs", pages(&["https://other.example"]));
    configure(&house, "anybodys", Origins::Any);
    let door = house.pair().await;
    let opened = ask(&house, &door, &json!({ "name": "meet" })).await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    let url = opened.json()["url"].as_str().unwrap().to_owned();
    assert!(
        url.starts_with("ws://127.0.0.1:") && url.contains("/r/"),
        "{url}"
    );
    let [grant] = &house.serving.relay().live()[..] else {
        panic!("one grant")
    };
    let origins = grant.origins();
    assert!(origins.allow(&Origin::parse(PAGE).unwrap()));
    assert!(!origins.allow(&Origin::parse("https://other.example").unwrap()));

    // Of others, of anybody, of nobody: one answer.
    for name in [
        "theirs",
        "anybodys",
        "none",
        "",
        "wss://livekit.example.com",
    ] {
        let refused = ask(&house, &door, &json!({ "name": name })).await;
        assert_eq!(
            (refused.status, refused.denial()),
            (404, "notFound".to_owned()),
            "{name}"
        );
    }
    // A page chooses nothing but the name.
    let more = json!({ "name": "meet", "upstream": "wss://evil.example", "origins": [] });
    assert_eq!(ask(&house, &door, &more).await.status, 400);
    assert_eq!(house.serving.relay().live().len(), 1);
}

#[tokio::test]
async fn what_a_page_opened_ends_with_its_pairing() {
    let house = House::open().await;
    configure(&house, "meet", pages(&[PAGE]));
    let (door, other) = (house.pair().await, house.pair().await);
    for door in [&door, &other] {
        assert_eq!(
            ask(&house, door, &json!({ "name": "meet" })).await.status,
            201
        );
    }
    let path = format!("/{}", door.keys.key_id);
    house.native("DELETE", &path, &Value::Null).await;
    assert_eq!(house.serving.relay().live().len(), 1, "the other page's");
}

#[tokio::test]
async fn one_pairing_has_few_relays_and_places_come_back() {
    let house = House::open().await;
    configure(&house, "meet", pages(&[PAGE]));
    let door = house.pair().await;
    for _ in 0..defaults::RELAYS_PER_KEY {
        assert_eq!(
            ask(&house, &door, &json!({ "name": "meet" })).await.status,
            201
        );
    }
    let refused = ask(&house, &door, &json!({ "name": "meet" })).await;
    assert_eq!(
        (refused.status, refused.denial()),
        (503, "capacityReached".to_owned())
    );
    let live = house.serving.relay().live();
    assert!(house.serving.relay().revoke(live[0].id().as_str()));
    assert_eq!(
        ask(&house, &door, &json!({ "name": "meet" })).await.status,
        201
    );
}
