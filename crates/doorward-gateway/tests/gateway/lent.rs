//! Leases, and services.

use std::time::Duration;

use doorward_gateway::Accounts;
use doorward_gateway::services::{Grant, Service};
use doorward_guard::{Rule, SessionId};
use doorward_operator::room::LaunchRequest;
use doorward_operator::vm::{CallResultVm, OwnerState};
use serde_json::json;

use crate::house::{House, Over, rule};

fn lend_notes(accounts: &mut Accounts) {
    accounts.lease.insert("notes".to_owned(), 60);
}

#[tokio::test]
async fn op_d4_what_is_lent_no_more_is_unknown_here_and_over_there() {
    for over in Over::BOTH {
        let house = House::open_with(over, "", lend_notes).await;
        let ada = house.as_ada().await;
        let (list, none) = ("list", json!({}));
        house.call(&ada, "notes", list, &none).await.unwrap();
        let state = house.room.state(&ada);
        let notes = state.caps.iter().find(|cap| cap.name == "notes").unwrap();
        assert!(notes.lease_expires_at.is_some());
        // The gateway's clock is ahead: what was fetched before answers no more either.
        house.gateway.advance(Duration::from_secs(60));
        let late = house.call(&ada, "notes", list, &none).await;
        assert_eq!(rule(late), Some(Rule::UnknownCap));
        let caps = house.room.caps(&ada, "r").await.unwrap();
        assert!(!caps.iter().any(|cap| cap.name == "notes"));
        assert_eq!(house.room.state(&ada).owner.state, OwnerState::Mine);
        house.call(&ada, "system", "motd", &none).await.unwrap();
    }
}

#[tokio::test]
async fn op_d4_nothing_is_sent_once_the_lease_is_over_by_our_clock() {
    for over in Over::BOTH {
        let house = House::open_with(over, "", lend_notes).await;
        let ada = house.as_ada().await;
        let state = house.room.state(&ada);
        let notes = state.caps.iter().find(|cap| cap.name == "notes").unwrap();
        let alias = notes.r#ref.clone();
        house.hand.advance(Duration::from_secs(60));
        let shown = house.room.state(&ada).caps;
        assert!(!shown.iter().any(|cap| cap.r#ref == alias));
        let called = house.call_ref(&ada, &alias, "list", &json!({})).await;
        assert_eq!(rule(called), Some(Rule::UnknownCap));
        // The gateway, whose clock stands, would have answered.
        let caps = house.room.caps(&ada, "r").await.unwrap();
        assert!(caps.iter().any(|cap| cap.r#ref == alias));
        house
            .call_ref(&ada, &alias, "list", &json!({}))
            .await
            .unwrap();
    }
}

fn offer_services(accounts: &mut Accounts) {
    let mut service = |name: &str, command: &[&str]| {
        let service = Service {
            label: format!("The {name}"),
            summary: String::new(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            grant: [
                ("tone".to_owned(), grant("TONE", "low", true)),
                ("loud".to_owned(), grant("LOUD", "1", false)),
            ]
            .into(),
        };
        accounts.service.insert(name.to_owned(), service);
    };
    // Two processes: both go when it is stopped.
    let says = "echo tone $TONE loud $LOUD home $HOME; sleep 600 & echo $$ $!; wait";
    service("bell", &["/bin/sh", "-c", says]);
    service("gone", &["/nonexistent/program"]);
}

fn grant(variable: &str, value: &str, required: bool) -> Grant {
    Grant {
        label: variable.to_owned(),
        variable: variable.to_owned(),
        value: value.to_owned(),
        required,
    }
}

fn launch(profile: &str, grants: &[&str]) -> LaunchRequest {
    LaunchRequest {
        profile: profile.to_owned(),
        grants: grants.iter().map(|&grant| grant.to_owned()).collect(),
    }
}

async fn heard(house: &House, session: &SessionId, lines: usize) -> CallResultVm {
    let bell = json!({ "profile": "bell" });
    loop {
        let last = house
            .call(session, "runner", "attach", &bell)
            .await
            .unwrap();
        if last.text.as_ref().unwrap().lines().count() >= lines {
            return last;
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(target_os = "linux")]
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // One that is dead and not yet waited for runs nothing.
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_service_is_probed_started_read_and_stopped_and_all_of_it_ends() {
    for over in Over::BOTH {
        let house = House::open_with(over, "", offer_services).await;
        let ada = house.as_ada().await;
        let listed = house.room.launchers(&ada, "r").await.unwrap();
        let told: Vec<_> = listed
            .iter()
            .map(|one| (one.profile.as_str(), one.status.as_str(), one.supported))
            .collect();
        assert_eq!(
            told,
            [("bell", "stopped", true), ("gone", "missing", false)]
        );
        assert_eq!(listed[0].grants.len(), 2);
        let probed = house
            .room
            .probe(&ada, "r", "bell".to_owned())
            .await
            .unwrap();
        assert!(probed.supported);
        for (request, expected) in [
            (launch("bell", &[]), Rule::BadRequest),
            (launch("bell", &["tone", "PATH"]), Rule::BadRequest),
            (launch("/bin/sh", &["tone"]), Rule::UnknownCap),
        ] {
            let refused = house.room.launch(&ada, "r", request).await;
            assert_eq!(rule(refused), Some(expected));
        }
        let gone = house
            .room
            .launch(&ada, "r", launch("gone", &["tone"]))
            .await;
        assert_eq!(gone.unwrap().status, "missing");

        let started = house
            .room
            .launch(&ada, "r", launch("bell", &["tone"]))
            .await;
        let started = started.unwrap();
        assert_eq!(
            (started.status.as_str(), started.grants.len()),
            ("running", 1)
        );
        let heard = heard(&house, &ada, 2).await.text.unwrap();
        let mut lines = heard.lines();
        assert_eq!(
            lines.next(),
            Some("tone low loud home"),
            "nothing is inherited"
        );
        let processes: Vec<_> = lines.next().unwrap().split(' ').collect();
        assert!(processes.iter().all(|pid| is_running(pid)));
        let twice = house
            .room
            .launch(&ada, "r", launch("bell", &["tone"]))
            .await;
        assert!(!twice.unwrap().supported, "it runs once");
        // It outlives the session that started it.
        assert!(house.room.logout(&ada));
        house.room.shutdown().await;
        let ada = house.as_ada().await;
        let probed = house
            .room
            .probe(&ada, "r", "bell".to_owned())
            .await
            .unwrap();
        assert_eq!(probed.status, "running");
        let bell = json!({ "profile": "bell" });
        house.call(&ada, "runner", "stop", &bell).await.unwrap();
        while processes.iter().any(|pid| is_running(pid)) {
            tokio::task::yield_now().await;
        }
        let again = house.call(&ada, "runner", "stop", &bell).await;
        assert_eq!(rule(again), Some(Rule::ServiceUnavailable));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_runs_ends_with_its_gateway() {
    for over in Over::BOTH {
        let mut house = House::open_with(over, "", offer_services).await;
        let ada = house.as_ada().await;
        let request = launch("bell", &["tone", "loud"]);
        house.room.launch(&ada, "r", request).await.unwrap();
        let text = heard(&house, &ada, 2).await.text.unwrap();
        let processes: Vec<_> = text.lines().nth(1).unwrap().split(' ').collect();
        drop(house.server.take());
        while processes.iter().any(|pid| is_running(pid)) {
            tokio::task::yield_now().await;
        }
    }
}
