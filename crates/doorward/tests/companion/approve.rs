//! Faces: what they are given to show, and which of their answers count.

use std::sync::Arc;
use std::time::Duration;

use doorward::CompanionSettings;
use doorward::approve::{Answer, Approval, Hook, Hooked, Hooks, News, Outcome, Request};
use serde_json::Value;

use crate::house::{House, PAGE};

const WRITE: &str = r#"[{"folder":"Notes","rights":["read","write"]}]"#;

async fn house() -> (House, Hooks) {
    let (hook, hooks) = Hook::new();
    let house = House::with(CompanionSettings {
        approval: Approval::By(Arc::new(hook)),
        ..CompanionSettings::default()
    })
    .await;
    (house, hooks)
}

async fn next(hooks: &mut Hooks) -> Hooked {
    let within = tokio::time::timeout(Duration::from_secs(30), hooks.next());
    within.await.unwrap().unwrap()
}

async fn request(hooks: &mut Hooks) -> Request {
    match next(hooks).await {
        Hooked::Request(request) => request,
        Hooked::News(news) => panic!("{news:?}"),
    }
}

async fn news(hooks: &mut Hooks) -> News {
    match next(hooks).await {
        Hooked::News(news) => news,
        Hooked::Request(request) => panic!("{request:?}"),
    }
}

/// An approval that is late enough to count.
fn approve(house: &House, request: Request, typed: Option<String>) {
    request.opened();
    house.hand.advance(Duration::from_secs(2));
    request.answer(Answer::Approved(typed));
}

#[tokio::test]
async fn a_face_shows_what_is_asked_and_its_yes_pairs() {
    let (house, mut hooks) = house().await;
    let (pid, keys) = house.knock().await;
    let shown = request(&mut hooks).await;
    let asked = shown.asked();
    assert_eq!(asked.origin.as_str(), PAGE);
    assert_eq!(asked.code, Some(keys.code.to_string()));
    let text = asked.lines(60).join("\n");
    assert!(
        text.contains(PAGE) && text.contains(&keys.code.to_string()),
        "{text}"
    );
    assert!(text.contains(&format!("until {}", asked.clock())), "{text}");
    approve(&house, shown, None);
    assert_eq!(news(&mut hooks).await.outcome, Outcome::Approved);
    assert_eq!(house.confirm(&pid, &keys).await.status, 200);
    assert_eq!(news(&mut hooks).await.outcome, Outcome::Paired);
    assert!(house.hello(keys).await.is_some());
}

#[tokio::test]
async fn t73_a_yes_in_the_first_second_is_no_answer() {
    let (house, mut hooks) = house().await;
    let (_, keys) = house.knock().await;
    let shown = request(&mut hooks).await;
    assert_eq!(shown.asked().again, None);
    // However long ago the page asked: the window opened only now.
    house.hand.advance(Duration::from_secs(5));
    shown.opened();
    house.hand.advance(Duration::from_millis(999));
    shown.answer(Answer::Approved(None));
    let shown = request(&mut hooks).await;
    assert!(shown.asked().again.unwrap().contains("only just opened"));
    shown.answer(Answer::Unmeant);
    let shown = request(&mut hooks).await;
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert_eq!(list["pending"]["confirmed"], false);
    approve(&house, shown, None);
    assert_eq!(news(&mut hooks).await.outcome, Outcome::Approved);
    drop(keys);
}

#[tokio::test]
async fn t69_a_no_and_a_closed_window_end_it_and_a_yes_after_the_end_is_none() {
    let (house, mut hooks) = house().await;
    for end in ["no", "closed", "cancelled"] {
        let (pid, keys) = house.knock().await;
        let mut shown = request(&mut hooks).await;
        shown.opened();
        house.hand.advance(Duration::from_secs(2));
        match end {
            "no" => shown.answer(Answer::Denied),
            "closed" => drop(shown),
            _ => {
                let path = format!("/pair/{pid}/cancel");
                assert_eq!(house.post(&path, b"{}").await.status, 200);
                // The window is told to go.
                let over = tokio::time::timeout(Duration::from_secs(30), shown.over());
                over.await.unwrap();
                shown.answer(Answer::Approved(None));
            }
        }
        for _ in 0..1_000 {
            if house.wait_gone(&pid).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(
            house.confirm(&pid, &keys).await.denial(),
            "pairingGone",
            "{end}"
        );
        assert!(house.hello(keys).await.is_none());
    }
}

#[tokio::test]
async fn what_could_be_lost_is_granted_only_to_a_typed_code() {
    let (house, mut hooks) = house().await;
    let (pid, keys) = house.knock_with(PAGE, "App", WRITE).await.unwrap();
    let shown = request(&mut hooks).await;
    assert_eq!(shown.asked().code, None);
    assert_eq!(
        shown.asked().scopes,
        ["\u{201c}Notes\u{201d} (read, write)"]
    );
    let text = shown.asked().lines(60).join("\n");
    assert!(!text.contains(&keys.code.to_string()) && text.contains("typing"));
    approve(&house, shown, None);
    let shown = request(&mut hooks).await;
    assert!(shown.asked().again.unwrap().contains("Type the six digits"));
    approve(&house, shown, Some(keys.code.to_string()));
    assert_eq!(news(&mut hooks).await.outcome, Outcome::Approved);
    assert_eq!(house.confirm(&pid, &keys).await.status, 200);
    assert_eq!(news(&mut hooks).await.outcome, Outcome::Paired);

    let (pid, keys) = house.knock_with(PAGE, "App", WRITE).await.unwrap();
    let wrong = format!("{:06}", (keys.code.number() + 1) % 1_000_000);
    approve(&house, request(&mut hooks).await, Some(wrong));
    let Outcome::Failed(why) = news(&mut hooks).await.outcome else {
        panic!("wrong digits");
    };
    assert!(why.contains("not the digits"), "{why}");
    assert_eq!(house.wait(&pid).await.denial(), "pairingGone");
}

#[tokio::test]
async fn the_command_answers_beside_a_face_and_takes_its_window_away() {
    let (house, mut hooks) = house().await;
    let (_, keys) = house.knock().await;
    let mut shown = request(&mut hooks).await;
    house.hand.advance(Duration::from_secs(2));
    assert_eq!(house.approve(&keys.code.to_string()).await.0, 200);
    let over = tokio::time::timeout(Duration::from_secs(30), shown.over());
    over.await.unwrap();
}

#[tokio::test]
async fn where_nobody_is_asked_no_page_gets_as_far_as_a_window() {
    let house = House::with(CompanionSettings {
        approval: Approval::Off,
        ..CompanionSettings::default()
    })
    .await;
    let refused = house.knock_with(PAGE, "App", "[]").await.unwrap_err();
    assert_eq!(
        (refused.status, refused.denial().as_str()),
        (403, "approvalUnavailable")
    );
    assert_eq!(refused.header("access-control-allow-origin").unwrap(), PAGE);
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert_eq!(
        (&list["approve"], &list["pending"]),
        (&"none".into(), &Value::Null)
    );
}

#[tokio::test]
async fn a_face_that_is_gone_denies() {
    let (house, hooks) = house().await;
    drop(hooks);
    let (pid, _) = house.knock().await;
    for _ in 0..1_000 {
        if house.wait_gone(&pid).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still waits");
}

#[tokio::test]
async fn t67_of_a_hundred_pages_one_has_the_window_and_keeps_it() {
    let (house, mut hooks) = house().await;
    let (_, keys) = house.knock().await;
    let shown = request(&mut hooks).await;
    for at in 0..100 {
        let origin = format!("https://page{at}.example");
        let refused = house.knock_with(&origin, "App", "[]").await.unwrap_err();
        assert_eq!(refused.denial(), "pairingBusy");
    }
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert_eq!(list["pending"]["origin"], PAGE);
    assert_eq!(shown.asked().code, Some(keys.code.to_string()));
    shown.answer(Answer::Denied);
    // Three windows in ten minutes, whoever asks.
    for (at, expected) in [(0, None), (1, None), (2, Some("gestureNeeded"))] {
        let origin = format!("https://again{at}.example");
        let mut knocked = house.knock_with(&origin, "App", "[]").await;
        for _ in 0..1_000 {
            // Until the no before it has arrived.
            match &knocked {
                Err(refused) if refused.denial() == "pairingBusy" => {}
                _ => break,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            knocked = house.knock_with(&origin, "App", "[]").await;
            house.hand.advance(Duration::from_secs(1));
        }
        let denial = knocked.map(|_| ()).map_err(|refused| refused.denial());
        assert_eq!(denial.err().as_deref(), expected);
        if expected.is_none() {
            request(&mut hooks).await.answer(Answer::Denied);
        }
    }
}

#[tokio::test]
async fn t72_names_that_deceive_are_shown_for_what_they_are() {
    let (house, mut hooks) = house().await;
    // A Cyrillic a: browsers send punycode, and punycode is shown.
    let homograph = "https://xn--pple-43d.com";
    house.knock_with(homograph, "App", "[]").await.unwrap();
    let shown = request(&mut hooks).await;
    let text = shown.asked().lines(60).join("\n");
    assert!(
        text.contains(homograph) && text.contains("really is spelled"),
        "{text}"
    );
    shown.answer(Answer::Denied);

    // What is not ASCII, has a name before @, or is longer than any host, is refused.
    for origin in [
        "https://\u{430}pple.com",
        "https://app.example@evil.example",
        "https://user:pass@app.example",
        &format!("https://{}.example", "a".repeat(600)),
    ] {
        let header = format!("Origin: {origin}\r\n");
        let refused = house.ask("POST", "/pair/start", &header, b"{}").await;
        assert!(
            (400..=431).contains(&refused.status),
            "{origin}: {}",
            refused.status
        );
    }

    let long = format!(
        "https://app.example.{}.evil.example",
        "a.".repeat(110).trim_end_matches('.')
    );
    let label = "\u{202e}moc.elgoog//:sptth\u{2066}\nhttps://bank.example/and/so/on/and/on";
    let knocked = loop {
        match house.knock_with(&long, label, "[]").await {
            Err(refused) if refused.denial() == "pairingBusy" => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            knocked => break knocked,
        }
    };
    knocked.unwrap();
    let shown = request(&mut hooks).await;
    let lines = shown.asked().lines(60);
    let origin = lines
        .iter()
        .find(|line| line.contains("://…"))
        .unwrap()
        .trim();
    assert!(origin.chars().count() <= 60, "{origin}");
    assert!(origin.starts_with("https://…") && origin.ends_with(".evil.example"));
    assert!(!origin.contains("app.example"));
    // One line, nothing that turns it, and in quotes.
    let own = lines
        .iter()
        .find(|line| line.starts_with("It calls itself"))
        .unwrap();
    let turns = |c: char| c.is_control() || "\u{202e}\u{2066}\u{2069}".contains(c);
    assert!(
        !lines.iter().any(|line| line.chars().any(turns)),
        "{lines:?}"
    );
    // Escaped it is longer than a line, and is cut.
    assert!(
        own.contains("\u{201c}") && own.ends_with("…\u{201d}."),
        "{own}"
    );
}

#[tokio::test]
async fn t69_a_window_goes_when_doorward_stops() {
    let (house, mut hooks) = house().await;
    house.knock().await;
    let mut shown = request(&mut hooks).await;
    house.serving.shutdown().await;
    let over = tokio::time::timeout(Duration::from_secs(30), shown.over());
    over.await.unwrap();
}
