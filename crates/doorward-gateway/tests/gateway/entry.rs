//! The ways in, what they lead to, and for how long.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_gateway::defaults;
use doorward_guard::Rule;
use doorward_operator::gateway::{AuthKind, AuthStrength, Proof};
use doorward_operator::room::Came;
use doorward_operator::vm::OwnerState;
use serde_json::json;

use crate::house::{House, Over, everybody, more, rule};

const WAYS: [AuthKind; 4] = [
    AuthKind::Password,
    AuthKind::PublicKey,
    AuthKind::Guest,
    AuthKind::Anonymous,
];

#[tokio::test]
async fn op_r3_each_way_in_leads_to_what_its_profile_has_and_out_again() {
    for over in Over::BOTH {
        let house = House::open_with(over, "hello", everybody).await;
        for kind in WAYS {
            let (who, profile, strength, caps) = match kind {
                AuthKind::Password => ("ada", "operator", AuthStrength::Password, 7),
                AuthKind::PublicKey => ("kay", "operator", AuthStrength::PublicKey, 7),
                AuthKind::Guest => ("guest", "guest", AuthStrength::None, 3),
                AuthKind::Anonymous => ("anonymous", "anonymous", AuthStrength::None, 2),
            };
            let one = house.enter(kind).await;
            let state = house.room.state(&one);
            assert_eq!(state.owner.state, OwnerState::Mine);
            let session = state.session.unwrap();
            assert_eq!(session.principal_label, who);
            assert_eq!(session.profile, profile);
            assert_eq!(session.auth_strength, strength);
            let all = [
                "system", "services", "chat", "notes", "log", "audit", "runner",
            ];
            let names: Vec<_> = state.caps.iter().map(|cap| cap.name.as_str()).collect();
            assert_eq!(names, all[..caps], "{who}");
            let again = house.room.caps(&one, "r").await.unwrap();
            assert_eq!(again.len(), caps);
            // What is listed can be called, and what is not listed is not there.
            let motd = house.call(&one, "system", "motd", &json!({})).await;
            assert_eq!(motd.unwrap().text.as_deref(), Some("hello"));
            let launchers = house.room.launchers(&one, "r").await;
            match profile {
                "operator" => assert!(launchers.unwrap().is_empty()),
                _ => assert_eq!(rule(launchers), Some(Rule::ServiceUnavailable)),
            }
            assert!(house.room.logout(&one));
            let late = house.call(&one, "system", "motd", &json!({})).await;
            assert_eq!(rule(late), Some(Rule::StaleSession));
            house.room.shutdown().await;
        }
        let log = house.log().await;
        for who in ["ada", "kay", "guest", "anonymous"] {
            let came = log
                .iter()
                .filter(|line| line.starts_with(&format!("{who} as ")));
            let ended = format!("{who} ended: logout");
            let ended = log.iter().filter(|line| **line == ended);
            // Ada is the one who reads.
            let times = if who == "ada" { (2, 1) } else { (1, 1) };
            assert_eq!((came.count(), ended.count()), times, "{log:?}");
        }
    }
}

#[tokio::test]
async fn op_r6_operators_have_fifteen_minutes_guests_and_nobody_five() {
    let second = Duration::from_secs(1);
    for over in Over::BOTH {
        let house = House::open_with(over, "", everybody).await;
        for kind in WAYS {
            let minutes = match kind {
                AuthKind::Password | AuthKind::PublicKey => 15,
                AuthKind::Guest | AuthKind::Anonymous => 5,
            };
            let life = Duration::from_secs(60 * minutes);
            let none = json!({});
            // By the gateway's clock, and told by it: ours stands.
            let one = house.enter(kind).await;
            let until = house.clock.rfc3339(house.clock.now().plus(life));
            let told = house.room.state(&one).session.unwrap().expires_at;
            assert_eq!(told, Some(until));
            house.gateway.advance(life - second);
            house.call(&one, "system", "motd", &none).await.unwrap();
            house.gateway.advance(second);
            house.until_free().await;
            let late = house.call(&one, "system", "motd", &none).await;
            assert_eq!(rule(late), Some(Rule::StaleSession));
            // By ours, while the gateway's stands.
            let one = house.enter(kind).await;
            house.hand.advance(life - second);
            house.room.sweep();
            house.call(&one, "system", "motd", &none).await.unwrap();
            house.hand.advance(second);
            house.room.sweep();
            assert_eq!(house.room.state(&one).owner.state, OwnerState::Free);
            let late = house.call(&one, "system", "motd", &none).await;
            assert_eq!(rule(late), Some(Rule::StaleSession));
            house.room.shutdown().await;
        }
        let log = house.log().await;
        for why in ["expired", "logout"] {
            for who in ["kay", "guest", "anonymous"] {
                let line = format!("{who} ended: {why}");
                assert!(log.contains(&line), "{line}: {log:?}");
            }
        }
    }
}

#[tokio::test]
async fn op_r6_expiry_and_revoke_on_the_gateway_free_the_slot() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let ada = house.as_ada().await;
        house.gateway.advance(defaults::OPERATOR_LIFE);
        house.until_free().await;
        let caps = house.room.caps(&ada, "r").await;
        assert_eq!(rule(caps), Some(Rule::StaleSession));
        let again = house.as_ada().await;
        house.server.as_ref().unwrap().revoke("ada").await;
        house.until_free().await;
        let call = house.call(&again, "system", "motd", &json!({})).await;
        assert_eq!(rule(call), Some(Rule::StaleSession));
        let log = house.log().await;
        for why in ["expired", "revoked"] {
            assert!(log.contains(&format!("ada ended: {why}")), "{log:?}");
        }
    }
}

#[tokio::test]
async fn op_a5_unknown_accounts_and_wrong_passwords_are_denied_alike() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let one = house.session();
        for (account, password) in [
            ("ada", "wrong"),
            ("nobody", "right"),
            ("kay", "right"),
            ("", ""),
        ] {
            let denied = house
                .login(&one, AuthKind::Password, account, Some(password))
                .await;
            assert_eq!(rule(denied), Some(Rule::AuthenticationDenied), "{account}");
            house.hand.advance(Duration::from_secs(60));
        }
        let off = house.login(&one, AuthKind::Anonymous, "", None).await;
        assert_eq!(rule(off), Some(Rule::DisabledAuthMethod));
        // That was nobody's guess.
        let guest = house.login(&one, AuthKind::Guest, "", None).await;
        assert_eq!(guest.unwrap(), Came::ToASession);
    }
}

#[tokio::test]
async fn op_a4_the_same_work_is_done_for_each_password_whoever_it_is_for() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let one = house.session();
        let mut evaluated = 0;
        for (account, password) in [
            ("ada", "wrong"),
            ("ada", ""),
            ("nobody", "wrong"),
            ("nobody", "right"),
            ("kay", "wrong"),
            ("", ""),
        ] {
            let denied = house.login(&one, AuthKind::Password, account, Some(password));
            assert_eq!(rule(denied.await), Some(Rule::AuthenticationDenied));
            evaluated += 1;
            let counted = house.faults.checked.load(Ordering::SeqCst);
            assert_eq!(counted, evaluated, "{account:?} {password:?}");
            house.hand.advance(Duration::from_secs(60));
        }
        house.enter(AuthKind::Password).await;
        assert_eq!(house.faults.checked.load(Ordering::SeqCst), evaluated + 1);
    }
}

#[tokio::test]
async fn op_a5_a_challenge_is_signed_by_the_accounts_key_and_good_once() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let one = house.session();
        // Whether there is such an account, the challenge does not tell.
        for (account, right) in [("kay", false), ("nobody", true), ("ada", true)] {
            let came = house.login(&one, AuthKind::PublicKey, account, None).await;
            assert_eq!(came.unwrap(), Came::ToAStep);
            let mut challenge = house.challenge(&one);
            assert_eq!(challenge.len(), 32);
            if !right {
                challenge[0] ^= 1;
            }
            let signature = STANDARD.encode(house.key.sign(&challenge));
            let came = house.room.answer(&one, "r", Proof::new(signature)).await;
            assert_eq!(rule(came), Some(Rule::AuthenticationDenied), "{account}");
            house.hand.advance(Duration::from_secs(60));
        }
        // Signed too late.
        let came = house.login(&one, AuthKind::PublicKey, "kay", None).await;
        assert_eq!(came.unwrap(), Came::ToAStep);
        let signature = STANDARD.encode(house.key.sign(&house.challenge(&one)));
        house.gateway.advance(defaults::CHALLENGE);
        let came = house.room.answer(&one, "r", Proof::new(signature)).await;
        assert_eq!(rule(came), Some(Rule::AuthenticationDenied));
        house.hand.advance(Duration::from_secs(60));
        house.enter(AuthKind::PublicKey).await;
    }
}

#[tokio::test]
async fn op_r6_more_time_takes_the_password_again_and_no_more_than_a_sessions_life() {
    for over in Over::BOTH {
        let house = House::open(over, "").await;
        let ada = house.as_ada().await;
        let before = house.room.state(&ada).session.unwrap().expires_at;
        let half = defaults::OPERATOR_LIFE / 2;
        house.hand.advance(half);
        house.gateway.advance(half);
        let day = 12 * 60 * 60;
        let without = house.room.renew(&ada, "r", more(day, None)).await;
        assert_eq!(rule(without), Some(Rule::BadRequest));
        let wrong = house.room.renew(&ada, "r", more(day, Some("wrong"))).await;
        assert_eq!(rule(wrong), Some(Rule::AuthenticationDenied));
        // It counts as a failed sign-in.
        let hasty = house.room.renew(&ada, "r", more(day, Some("right"))).await;
        assert_eq!(rule(hasty), Some(Rule::LockedOut));
        assert_eq!(house.room.state(&ada).session.unwrap().expires_at, before);
        house.hand.advance(Duration::from_secs(1));
        let renewed = house.room.renew(&ada, "r", more(day, Some("right"))).await;
        renewed.unwrap();
        // Another life, not the day that was asked for.
        let until = house.clock.now().plus(defaults::OPERATOR_LIFE);
        let after = house.room.state(&ada).session.unwrap().expires_at;
        assert_eq!(after, Some(house.clock.rfc3339(until)));
        house.gateway.advance(defaults::OPERATOR_LIFE);
        house.until_free().await;
    }
}
