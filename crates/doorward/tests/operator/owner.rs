//! Rows F, A and U: whose the gateway is, and what a sign-in may cost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward::guard::Token;
use doorward::guard::audit::{AuditSink as _, Select};
use doorward::guard::defaults as guard;
use doorward::operator::defaults;
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;
use serde_json::{Value, json};

use crate::both::{
    LOGIN, RIGHT, Raw, Silent, Tab, WRONG, alias, answer_to, call, open, open_with, owner,
    settings, sign_in, stranger, take, until_free,
};

const STATE: &str = "/api/operator/state";
const CALL: &str = "/api/operator/call";
const CONFIG: &str = "/api/operator/config";

// === the first wins ===

#[tokio::test]
async fn op_f1_a_second_browser_is_told_since_when_and_nothing_is_tried() {
    let mut both = open().await;
    let second = stranger(&mut both.house).await;
    // Already while the first is still asked something.
    let step = r#"{"account":"kay"}"#;
    let first = both.house.post("/api/operator/login/publickey", step).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(owner(&both.house).await, "trying");
    let mine = Tab::of(&both.house);
    second.enter(&mut both.house);
    let refused = both.house.post(LOGIN, RIGHT).await;
    assert_eq!(refused.denial().as_deref(), Some("sessionAlreadyInUse"));
    mine.enter(&mut both.house);
    both.house.post("/api/operator/login/cancel", "{}").await;
    sign_in(&mut both.house).await;
    let checked = both.faults.checked.load(Ordering::SeqCst);
    second.enter(&mut both.house);
    for path in [
        LOGIN,
        "/api/operator/login/guest",
        "/api/operator/login/anonymous",
    ] {
        let body = if path == LOGIN { RIGHT } else { "{}" };
        let refused = both.house.post(path, body).await;
        assert_eq!(refused.status, 409);
        let fields = refused.json();
        let names: Vec<_> = fields.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["denial", "message", "requestId", "since"]);
    }
    assert_eq!(both.faults.checked.load(Ordering::SeqCst), checked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn op_f2_of_a_hundred_sign_ins_that_race_one_is_tried_and_one_owns() {
    let mut both = open().await;
    let mut tabs = vec![Tab::of(&both.house)];
    while tabs.len() < 50 {
        tabs.push(stranger(&mut both.house).await);
    }
    let requests: Vec<_> = (0..100)
        .map(|at| {
            tabs[at % tabs.len()].enter(&mut both.house);
            Raw::post(&both.house, LOGIN, RIGHT)
        })
        .collect();
    let house = Arc::new(both.house);
    let mut racing = tokio::task::JoinSet::new();
    for raw in requests {
        let house = Arc::clone(&house);
        racing.spawn(async move { raw.send(&house).await });
    }
    let mut statuses = std::collections::BTreeMap::new();
    while let Some(reply) = racing.join_next().await {
        let reply = reply.unwrap();
        let name = reply.denial().unwrap_or_else(|| "ok".to_owned());
        *statuses.entry((reply.status, name)).or_insert(0) += 1;
    }
    // Whoever came while thirty-two were judged was turned away before.
    for (status, name) in statuses.keys() {
        let known = [(200, "ok"), (409, "sessionAlreadyInUse"), (503, "busy")];
        // The winner's own second request comes with the cookie before the new one.
        let own = (*status, name.as_str()) == (401, "browserSessionExpired");
        assert!(
            own || known.contains(&(*status, name.as_str())),
            "{statuses:?}"
        );
    }
    assert_eq!(
        statuses.get(&(200, "ok".to_owned())),
        Some(&1),
        "{statuses:?}"
    );
    assert_eq!(
        both.faults.checked.load(Ordering::SeqCst),
        1,
        "upstream attempts"
    );
    let entered = house.ledger.select(&Select::after(0, 10_000));
    let count = |kind: &str| entered.iter().filter(|record| record.kind == kind).count();
    assert_eq!((count("gateway.claimed"), count("gateway.entered")), (1, 1));
    assert!(!house.serving.house().operator().is_free());
}

#[tokio::test]
async fn op_f3_what_fails_gives_the_slot_back_and_an_owner_stays() {
    let mut both = open().await;
    for (path, body, denial) in [
        (
            LOGIN,
            r#"{"account":"a\u0001","password":"b"}"#,
            "badRequest",
        ),
        (
            LOGIN,
            r#"{"account":"","password":"b"}"#,
            "authenticationDenied",
        ),
        (LOGIN, WRONG, "authenticationDenied"),
        (
            "/api/operator/login/guest",
            r#"{"profile":"operator"}"#,
            "authenticationDenied",
        ),
    ] {
        let refused = both.house.post(path, body).await;
        assert_eq!(
            refused.denial().as_deref(),
            Some(denial),
            "{}",
            refused.text()
        );
        assert!(both.house.serving.house().operator().is_free(), "{body}");
        both.house.hand.advance(guard::LOGIN_BACKOFF_MOST);
    }
    sign_in(&mut both.house).await;
    let refused = both.house.post(LOGIN, WRONG).await;
    assert_eq!(refused.denial().as_deref(), Some("authenticationDenied"));
    assert_eq!(owner(&both.house).await, "mine");
}

#[tokio::test]
async fn op_f4_whatever_ends_the_owner_lets_the_next_one_in() {
    let mut both = open().await;
    for how in ["logout", "revoked", "idle", "expired", "lost"] {
        sign_in(&mut both.house).await;
        let next = stranger(&mut both.house).await;
        match how {
            "logout" => drop(both.house.post("/api/operator/logout", "{}").await),
            "revoked" => drop(both.house.post("/api/session/revoke", "{}").await),
            "idle" => both.house.hand.advance(guard::SESSION_IDLE),
            "expired" => both
                .gateway
                .advance(doorward_gateway::defaults::OPERATOR_LIFE),
            _ => both.server.revoke("ada").await,
        }
        until_free(&both.house).await;
        match how {
            // Its own session was as idle.
            "idle" => {
                both.house.cookie.clear();
                let next = stranger(&mut both.house).await;
                next.enter(&mut both.house);
            }
            _ => next.enter(&mut both.house),
        }
    }
    sign_in(&mut both.house).await;
}

#[tokio::test]
async fn op_f5_a_sign_in_that_nobody_goes_on_with_is_given_up() {
    let mut both = open().await;
    let next = stranger(&mut both.house).await;
    let step = r#"{"account":"kay"}"#;
    both.house.post("/api/operator/login/publickey", step).await;
    let state = both.house.get(STATE).await.json();
    assert!(state["step"]["challenge"].is_string(), "{state}");
    both.house.hand.advance(defaults::ASKING);
    // The house itself looks after it.
    until_free(&both.house).await;
    let late = both
        .house
        .post("/api/operator/login/step", r#"{"answer":"eA=="}"#)
        .await;
    assert_eq!(late.denial().as_deref(), Some("unauthenticated"));
    next.enter(&mut both.house);
    sign_in(&mut both.house).await;
}

#[tokio::test]
async fn op_f6_claims_denials_and_releases_are_written_down_with_their_session() {
    let mut both = open().await;
    let id = both.house.serving.sessions().list()[0]
        .id
        .as_str()
        .to_owned();
    both.house.post(LOGIN, WRONG).await;
    both.house.hand.advance(Duration::from_secs(1));
    sign_in(&mut both.house).await;
    let next = stranger(&mut both.house).await;
    let mine = Tab::of(&both.house);
    next.enter(&mut both.house);
    both.house.post(LOGIN, RIGHT).await;
    mine.enter(&mut both.house);
    let recent = both.house.get("/api/operator/audit/recent").await.json();
    let shown = recent["events"].as_array().unwrap().len();
    assert_eq!(shown, 5, "its own alone: {recent}");
    both.house.post("/api/operator/logout", "{}").await;
    let written = both.house.ledger.select(&Select {
        kind: Some("gateway".to_owned()),
        ..Select::after(0, 1_000)
    });
    let kinds: Vec<_> = written
        .iter()
        .map(|record| {
            let own = record.subject.as_deref() == Some(&*id);
            (record.kind.as_ref(), own, record.denial.as_deref())
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("gateway.claimed", true, None),
            ("gateway.released", true, None),
            ("gateway.denied", true, Some("authenticationDenied")),
            ("gateway.claimed", true, None),
            ("gateway.entered", true, None),
            ("gateway.denied", false, Some("sessionAlreadyInUse")),
            ("gateway.released", true, None),
        ]
    );
    let reasons: Vec<_> = written
        .iter()
        .map(|record| record.detail.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "",
            "notSignedIn",
            "password",
            "",
            "operator",
            "password",
            "logout"
        ]
    );
    assert!(written.iter().all(|record| record.time.ends_with('Z')));
}

#[tokio::test]
async fn op_f7_another_browser_is_told_since_when_and_nothing_else() {
    let mut both = open().await;
    sign_in(&mut both.house).await;
    let next = stranger(&mut both.house).await;
    next.enter(&mut both.house);
    let state = both.house.get(STATE).await.json();
    assert_eq!(state["owner"]["state"], "inUse");
    assert_eq!(
        (&state["session"], &state["caps"]),
        (&Value::Null, &json!([]))
    );
    let house = &both.house;
    for reply in [
        house.post(LOGIN, RIGHT).await,
        house.post(CALL, &call("x", "y", &json!({}))).await,
        house.get("/api/operator/caps").await,
        house.get("/api/operator/services").await,
        house.get("/api/operator/launchers").await,
        house.get("/api/operator/health").await,
        house.get("/api/operator/audit/recent").await,
        house
            .post("/api/operator/launch/probe", r#"{"profile":"x"}"#)
            .await,
        house
            .post("/api/operator/launch/start", r#"{"profile":"x"}"#)
            .await,
        house
            .post("/api/operator/session/renew", r#"{"seconds":60}"#)
            .await,
        house
            .post("/api/operator/session/renew/step", r#"{"answer":"eA=="}"#)
            .await,
        house
            .post("/api/operator/login/step", r#"{"answer":"eA=="}"#)
            .await,
        house.post(CONFIG, r#"{"gateway":"lab"}"#).await,
    ] {
        assert_eq!(reply.status, 409, "{}", reply.text());
        assert_eq!(reply.denial().as_deref(), Some("sessionAlreadyInUse"));
        assert!(reply.json()["since"].is_string());
    }
    let ended = house.post("/api/operator/logout", "{}").await;
    assert_eq!(ended.json()["ended"], false, "of what is not its own");
    let cancelled = house.post("/api/operator/login/cancel", "{}").await;
    assert_eq!(cancelled.json()["cancelled"], false);
    let cancelled = house.post("/api/operator/session/renew/cancel", "{}");
    assert_eq!(cancelled.await.json()["cancelled"], false);
    // How one may sign in is no secret of whoever did.
    let methods = house.get("/api/operator/auth/methods").await;
    assert_eq!(methods.status, 200, "{}", methods.text());
    let rows = house.get("/api/operator/transcript/redacted").await.json();
    let mine = rows["rows"].as_array().unwrap();
    assert!(mine.iter().all(|row| row["outcome"] != "ok"), "{rows}");
}

/// Why each slot was given back, newest last.
fn releases(house: &TestHouse) -> Vec<String> {
    let written = house.ledger.select(&Select {
        kind: Some("gateway".to_owned()),
        ..Select::after(0, 1_000)
    });
    let released = written
        .into_iter()
        .filter(|record| record.kind == "gateway.released");
    released.map(|record| record.detail.to_string()).collect()
}

#[tokio::test]
async fn op_f6_a_release_says_what_ended_it() {
    let mut both = open().await;
    sign_in(&mut both.house).await;
    both.gateway
        .advance(doorward_gateway::defaults::OPERATOR_LIFE);
    until_free(&both.house).await;
    sign_in(&mut both.house).await;
    both.server.revoke("ada").await;
    until_free(&both.house).await;
    let step = r#"{"account":"kay"}"#;
    both.house.post("/api/operator/login/publickey", step).await;
    both.house.post("/api/operator/login/cancel", "{}").await;
    both.house.post("/api/operator/login/publickey", step).await;
    both.house.hand.advance(defaults::ASKING);
    until_free(&both.house).await;
    sign_in(&mut both.house).await;
    both.house.hand.advance(guard::SESSION_IDLE);
    until_free(&both.house).await;
    both.house.cookie.clear();
    let next = stranger(&mut both.house).await;
    next.enter(&mut both.house);
    sign_in(&mut both.house).await;
    both.house.post("/api/session/revoke", "{}").await;
    until_free(&both.house).await;
    assert_eq!(
        releases(&both.house),
        [
            "staleSession",
            "staleSession",
            "cancelled",
            "tooLate",
            "idle",
            "revoked"
        ]
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn op_m1_a_service_is_probed_and_started_and_denials_have_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("rung");
    let script = format!("echo rung > '{}'; exec sleep 600", mark.display());
    let mut settings = settings();
    let bell = doorward_gateway::Service {
        label: "Bell".to_owned(),
        summary: String::new(),
        command: ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
        grant: std::collections::BTreeMap::new(),
    };
    settings.accounts.service.insert("bell".to_owned(), bell);
    let mut both = open_with(settings, |builder| builder).await;
    let state = sign_in(&mut both.house).await.json();
    let runner = alias(&state["state"], "runner");
    let house = &both.house;
    let bell = json!({ "profile": "bell" });
    let post = async |path: &str| house.post(path, &bell.to_string()).await.json();
    let listed = house.get("/api/operator/launchers").await.json();
    assert_eq!(listed["launchers"][0]["status"], "stopped");
    let probed = post("/api/operator/launch/probe").await;
    assert_eq!(
        (&probed["status"], &probed["supported"]),
        (&json!("stopped"), &json!(true))
    );
    assert!(!mark.exists(), "a probe starts nothing");
    let started = post("/api/operator/launch/start").await;
    assert_eq!(started["status"], "running", "{started}");
    while !mark.exists() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        post("/api/operator/launch/probe").await["status"],
        "running"
    );
    let stop = json!({ "ref": runner, "operation": "stop", "fields": bell, "confirmed": true });
    let stop = stop.to_string();
    assert_eq!(house.post(CALL, &stop).await.status, 200);
    let again = house.post(CALL, &stop).await;
    assert_eq!(
        (again.status, again.denial().as_deref()),
        (503, Some("serviceUnavailable"))
    );
    // Whoever came by a key has no password to ask for more time with: a signature.
    let kay = r#"{"account":"kay"}"#;
    house.post("/api/operator/login/publickey", kay).await;
    let step = house.get(STATE).await.json()["step"].clone();
    let answer = json!({ "answer": answer_to(&step) }).to_string();
    let entered = house.post("/api/operator/login/step", &answer).await;
    take(&mut both.house, &entered);
    let more = r#"{"seconds":60,"proof":"x"}"#;
    let more = both.house.post("/api/operator/session/renew", more).await;
    assert_eq!(
        (more.status, more.denial().as_deref()),
        (403, Some("methodDenied"))
    );
    let (house, path) = (&both.house, "/api/operator/session/renew");
    let asked = house.post(path, r#"{"seconds":60}"#).await.json();
    let cancelled = house.post(&format!("{path}/cancel"), "{}").await;
    assert_eq!(cancelled.json()["cancelled"], true);
    let again = house.post(path, r#"{"seconds":60}"#).await.json();
    let step = &again["session"]["renewal"];
    assert_ne!(asked["session"]["renewal"]["challenge"], step["challenge"]);
    let answer = json!({ "answer": answer_to(step) }).to_string();
    let given = house.post(&format!("{path}/step"), &answer).await;
    assert_eq!(given.status, 200, "{}", given.text());
    // The same session under the same id, with another end and nothing to answer.
    assert!(given.header("set-cookie").is_none());
    let given = given.json();
    assert_eq!(given["session"]["renewal"], Value::Null);
    assert_ne!(given["session"]["expiresAt"], again["session"]["expiresAt"]);
}

// === failures and rates ===

#[tokio::test]
async fn op_a1_each_failure_makes_the_next_wait_longer() {
    let both = open().await;
    for pause in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        let denied = both.house.post(LOGIN, WRONG).await;
        assert_eq!(denied.denial().as_deref(), Some("authenticationDenied"));
        let hasty = both.house.post(LOGIN, RIGHT).await;
        assert_eq!(
            (hasty.status, hasty.denial().as_deref()),
            (429, Some("lockedOut"))
        );
        assert_eq!(hasty.header("retry-after"), Some(&*pause.to_string()));
        both.house.hand.advance(Duration::from_secs(pause));
    }
    assert_eq!(both.faults.checked.load(Ordering::SeqCst), 9);
}

#[tokio::test]
async fn op_a2_ten_failures_shut_the_door_and_a_new_cookie_opens_nothing() {
    let mut both = open().await;
    for _ in 0..guard::LOGIN_FAILURES {
        both.house.post(LOGIN, WRONG).await;
        both.house.hand.advance(guard::LOGIN_BACKOFF_MOST);
    }
    let next = stranger(&mut both.house).await;
    next.enter(&mut both.house);
    let shut = both.house.post(LOGIN, RIGHT).await;
    assert_eq!(
        (shut.status, shut.denial().as_deref()),
        (429, Some("lockedOut"))
    );
    let wait = guard::LOGIN_WINDOW - guard::LOGIN_BACKOFF_MOST;
    assert_eq!(
        shut.header("retry-after"),
        Some(&*wait.as_secs().to_string())
    );
    let written = both.house.ledger.select(&Select::after(0, 1_000));
    let locked = |name: &Option<_>| name.as_deref() == Some("lockedOut");
    assert!(written.iter().any(|record| locked(&record.denial)));
    both.house.hand.advance(wait);
    sign_in(&mut both.house).await;
    both.house.post("/api/operator/logout", "{}").await;
    both.house.post(LOGIN, WRONG).await;
    let after = both.house.post(LOGIN, RIGHT).await;
    assert_eq!(
        after.header("retry-after"),
        Some("1"),
        "success forgot the others"
    );
}

#[tokio::test]
async fn op_a3_a_session_has_a_rate_of_its_own() {
    let mut silent = Silent::open().await;
    let next = stranger(&mut silent.house).await;
    // Full again after the claims.
    silent.house.hand.advance(Duration::from_secs(60));
    let rate = guard::SESSION_RATE;
    assert_eq!((rate.per_second, rate.burst), (50, 200));
    let raw = Raw::get(&silent.house, STATE).bytes();
    for passing in [200, 50] {
        let count = passing + 20;
        let burst = silent
            .house
            .send(Listener::Control, &raw.repeat(count), count)
            .await;
        let (passed, limited) = burst.split_at(passing);
        assert!(passed.iter().all(|reply| reply.status == 200), "{passing}");
        for reply in limited {
            assert_eq!(reply.denial().as_deref(), Some("rateLimited"));
            assert_eq!(reply.status, 429);
            assert!(reply.header("retry-after").is_some());
        }
        // Another session pays for nothing of it.
        let mine = Tab::of(&silent.house);
        next.enter(&mut silent.house);
        assert_eq!(silent.house.get(STATE).await.status, 200);
        mine.enter(&mut silent.house);
        silent.house.hand.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn op_a5_whoever_does_not_exist_is_denied_like_a_wrong_password() {
    let mut settings = settings();
    settings.accounts.guests = false;
    let both = open_with(settings, |builder| builder).await;
    let mut told = std::collections::BTreeSet::new();
    for account in ["ada", "kay", "nobody", ""] {
        let body = json!({ "account": account, "password": "hunter2-wrong" });
        let denied = both.house.post(LOGIN, &body.to_string()).await;
        let mut json = denied.json();
        json["requestId"] = Value::Null;
        told.insert((denied.status, json.to_string()));
        both.house.hand.advance(guard::LOGIN_BACKOFF_MOST);
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told.first().unwrap().1.contains("authenticationDenied"));
    // Policy is told, and is nobody's guess.
    let off = both.house.post("/api/operator/login/guest", "{}").await;
    assert_eq!(
        (off.status, off.denial().as_deref()),
        (403, Some("disabledAuthMethod"))
    );
    assert_eq!(both.house.post(LOGIN, RIGHT).await.status, 200);
}

// === the automation report ===

#[tokio::test]
async fn op_u1_a_report_takes_the_token_beside_the_session() {
    let path = "/api/operator/automation/report";
    let silent = Silent::open().await;
    let raw = Raw::get(&silent.house, path);
    silent.refuses(&raw, 404, "unknownRoute").await;
    let token = Token::random();
    let text = token.reveal().to_string();
    let silent = Silent::open_with(|builder| builder.automation(token)).await;
    let body = r#"{"status":"passed","summary":"all\u001b[2J well"}"#;
    let post = || Raw::post(&silent.house, path, body);
    let get = || Raw::get(&silent.house, path);
    for wrong in [
        String::new(),
        text[1..].to_owned(),
        Token::random().reveal().to_string(),
    ] {
        let raw = get().also("X-Automation-Token", &wrong);
        silent.refuses(&raw, 403, "automationTokenInvalid").await;
        let raw = post().also("X-Automation-Token", &wrong);
        silent.refuses(&raw, 403, "automationTokenInvalid").await;
    }
    silent.refuses(&get(), 403, "automationTokenInvalid").await;
    let with = |raw: Raw| raw.also("X-Automation-Token", &text);
    let raw = with(post()).without("X-Csrf-Token");
    silent.refuses(&raw, 403, "csrfMissing").await;
    let raw = with(get()).without("Cookie");
    silent.refuses(&raw, 401, "browserSessionRequired").await;
    let none = with(get()).send(&silent.house).await;
    assert_eq!(none.json(), json!({ "report": null }));
    let set = with(post()).send(&silent.house).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let read = with(get()).send(&silent.house).await.json();
    assert_eq!(read["report"]["status"], "passed");
    assert_eq!(read["report"]["summary"], "all\\u{1b}[2J well");
    let written = silent.house.ledger.select(&Select::after(0, 1_000));
    assert!(
        written
            .iter()
            .any(|record| record.kind == "automation.reported")
    );
}

#[tokio::test]
async fn a_second_sign_in_of_the_owner_takes_the_new_cookie() {
    let mut both = open().await;
    sign_in(&mut both.house).await;
    let again = both.house.post("/api/operator/login/guest", "{}").await;
    assert_eq!(again.status, 200, "{}", again.text());
    take(&mut both.house, &again);
    let state = both.house.get(STATE).await.json();
    assert_eq!(state["session"]["profile"], "guest", "less than before");
}
