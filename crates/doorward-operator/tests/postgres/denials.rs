//! What a call can come to besides a result.

use std::sync::Arc;
use std::time::Duration;

use doorward_guard::Rule;
use doorward_operator::actor::Actor;
use doorward_operator::declared::Outline;
use doorward_operator::gateway::{Effect, Value};
use doorward_operator::postgres::{Database, PostgresGateway, Statement};
use doorward_operator::room::LaunchRequest;
use doorward_operator::vm::{HealthState, OwnerState};
use doorward_operator::{Denial, Place, defaults};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::common::{
    House, by_key, by_password, cells, dialer, invoke, invoke_as, logout, sign_in, text,
};
use super::server::{DATABASE, PASSWORD, Postgres, ROLE};
use super::{database, field, gateway, look, statement};

const STATEMENTS: &str = "statements";

/// Waits until `calling` waits for the lock that `admin` holds.
pub(crate) async fn waited_for<T>(admin: &Client, calling: &JoinHandle<T>) {
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    while admin
        .query_one(waiting, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        == 0
    {
        assert!(!calling.is_finished());
    }
}

async fn running(admin: &Client) -> i64 {
    let running = "select count(*) from pg_stat_activity \
                   where application_name = 'doorward' and state <> 'idle'";
    admin.query_one(running, &[]).await.unwrap().get(0)
}

fn brief(name: &str, sql: &str) -> Statement {
    let outline = Outline::new(name, "", Effect::Read, vec![]).unwrap();
    let outline = outline.within(Duration::from_secs(1)).unwrap();
    Statement::new(outline, sql).unwrap()
}

#[tokio::test]
async fn op_m1_a_call_that_fits_nothing_is_denied_by_its_kind() {
    let server = Postgres::start().await;
    let statements = || {
        vec![
            look("number", &["n"], "select $1::int4"),
            look("hidden", &[], "select n from hidden"),
            look("change", &[], "update canary set n = n + 10"),
            look(
                "sneak",
                &[],
                "with x as (delete from canary returning n) select n from x",
            ),
            look("writes", &[], "select nextval('none')"),
            look("nowhere", &[], "select 1 from nowhere"),
            look("two", &[], "select 1; drop table canary"),
            look("wrong", &[], "selec"),
            look("shape", &[], "select point(1, 2)"),
            look("fields", &["a"], "select 'no parameter: $1'"),
            statement(
                "add",
                Effect::Write,
                vec![field("n", super::LINE)],
                "insert into canary (n) values ($1::text::int)",
            ),
            brief("slow", "select pg_sleep(60)"),
        ]
    };
    let gateway = || gateway(&server, statements());
    let early = Actor::connect(gateway()).await.unwrap();
    let before = invoke(&early, STATEMENTS, "hidden", vec![]).await;
    assert_eq!(before.unwrap_err(), Denial::Unauthenticated);
    let actor = sign_in(gateway(), by_password(ROLE, PASSWORD))
        .await
        .unwrap();
    let call = async |operation: &str, value: Option<(&str, &str)>| {
        let arguments = value.map(|(name, value)| text(name, value));
        invoke(
            &actor,
            STATEMENTS,
            operation,
            arguments.into_iter().collect(),
        )
        .await
    };
    for (operation, value, denial) in [
        ("number", Some(("n", "x")), Denial::BadRequest),
        ("number", Some(("n", "99999999999")), Denial::BadRequest),
        ("hidden", None, Denial::MethodDenied),
        ("change", None, Denial::MethodDenied),
        ("sneak", None, Denial::MethodDenied),
        ("nowhere", None, Denial::ServiceUnavailable),
        ("writes", None, Denial::ServiceUnavailable),
        ("two", None, Denial::ServiceUnavailable),
        ("wrong", None, Denial::ServiceUnavailable),
        ("shape", None, Denial::ServiceUnavailable),
        ("fields", Some(("a", "x")), Denial::ServiceUnavailable),
        ("add", Some(("n", "1")), Denial::BadRequest),
        ("add", Some(("n", "one")), Denial::BadRequest),
        ("slow", None, Denial::UpstreamTimeout),
        ("none", None, Denial::MethodDenied),
    ] {
        assert_eq!(
            call(operation, value).await.unwrap_err(),
            denial,
            "{operation}"
        );
        // Each leaves the session as it was.
        call("number", Some(("n", "7"))).await.unwrap();
    }
    for (names, denial) in [
        (("other", STATEMENTS), Denial::UnknownCap),
        ((STATEMENTS, "other"), Denial::InterfaceMismatch),
    ] {
        let denied = invoke_as(&actor, names, "hidden", vec![]).await;
        assert_eq!(denied.unwrap_err(), denial);
    }
    let renewed = actor
        .ask(defaults::CALL, |link| {
            Box::pin(async move { link.renew(None, Duration::from_secs(60)).await })
        })
        .await;
    assert_eq!(renewed.unwrap_err().denial, Denial::MethodDenied);
    logout(&actor).await;
    assert_eq!(
        call("number", Some(("n", "7"))).await.unwrap_err(),
        Denial::StaleSession
    );
    let admin = server.admin(DATABASE).await;
    let count = admin.query_one("select count(*) from canary where n < 10", &[]);
    assert_eq!(count.await.unwrap().get::<_, i64>(0), 2);
    let absent = Arc::new(Database::new("absent", vec![]).unwrap());
    let absent = Arc::new(PostgresGateway::new(server.place(), &dialer(), absent));
    let denied = sign_in(absent, by_password(ROLE, PASSWORD)).await;
    assert_eq!(denied.unwrap_err(), Denial::ServiceUnavailable);
    let key = sign_in(gateway(), by_key(ROLE)).await;
    assert_eq!(key.unwrap_err(), Denial::DisabledAuthMethod);
}

#[tokio::test]
async fn op_m2_results_over_the_limit_are_not_shown_and_their_changes_not_made() {
    let server = Postgres::start().await;
    let house = House::new(gateway(
        &server,
        vec![
            look("many", &[], "select generate_series(1, 10000000)"),
            look(
                "wide",
                &[],
                "select repeat('x', 200000), repeat('y', 200000)",
            ),
            look("huge", &[], "select repeat('x', 3000000)"),
            look(
                "empty",
                &[],
                &format!(
                    "select {} from generate_series(1, 2000)",
                    vec!["null"; 1_600].join(", ")
                ),
            ),
            look("fits", &["a"], "select length($1)"),
            statement(
                "change",
                Effect::Write,
                vec![],
                "update canary set word = 'gone' returning repeat('x', 300000)",
            ),
            statement(
                "change-huge",
                Effect::Write,
                vec![],
                "update canary set word = 'gone' returning repeat('x', 3000000)",
            ),
        ],
    ));
    house.login(by_password(ROLE, PASSWORD)).await.unwrap();
    let many = house.call("many", json!({})).await.unwrap();
    assert!(many.truncated);
    assert_eq!(many.rows.len(), defaults::ROWS);
    for operation in ["wide", "huge", "empty", "change", "change-huge"] {
        let large = house.call(operation, json!({})).await;
        assert_eq!(large.unwrap_err(), Rule::ResultTooLarge, "{operation}");
    }
    let fits = house
        .call("fits", json!({ "a": "x".repeat(60 * 1024) }))
        .await;
    assert_eq!(fits.unwrap().rows, [[Some((60 * 1024).to_string())]]);
    let long = house
        .call("fits", json!({ "a": "x".repeat(65 * 1024) }))
        .await;
    assert_eq!(long.unwrap_err(), Rule::BadRequest);
    let admin = server.admin(DATABASE).await;
    let gone = admin.query_one("select count(*) from canary where word = 'gone'", &[]);
    assert_eq!(gone.await.unwrap().get::<_, i64>(0), 0);
    let health = house.room.health(&house.me).await.unwrap();
    assert_eq!(health.state, HealthState::Up);
}

#[tokio::test]
async fn op_f4_a_connection_that_is_cut_in_the_middle_of_a_call_frees_the_gateway() {
    let server = Postgres::start().await;
    let wait = look("wait", &[], "select pg_advisory_lock(7)");
    let house = Arc::new(House::new(gateway(&server, vec![wait])));
    let admin = server.admin(DATABASE).await;
    admin
        .batch_execute("select pg_advisory_lock(7)")
        .await
        .unwrap();
    for end in ["terminated", "crashed"] {
        house.login(by_password(ROLE, PASSWORD)).await.unwrap();
        let calling = tokio::spawn({
            let house = Arc::clone(&house);
            async move { house.call("wait", json!({})).await }
        });
        waited_for(&admin, &calling).await;
        if end == "terminated" {
            let ended = "select pg_terminate_backend(pid) from pg_stat_activity \
                         where application_name = 'doorward'";
            admin.batch_execute(ended).await.unwrap();
        } else {
            server.stop();
        }
        let cut = calling.await.unwrap().unwrap_err();
        assert_eq!(cut, Rule::UpstreamDisconnected, "{end}");
        let stale = house.call("wait", json!({})).await;
        assert_eq!(stale.unwrap_err(), Rule::StaleSession, "{end}");
        let other = house.another();
        assert_eq!(house.room.state(&other).owner.state, OwnerState::Free);
    }
    let nobody = house.login(by_password(ROLE, PASSWORD)).await;
    assert_eq!(nobody.unwrap_err(), Rule::UpstreamDisconnected);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled_before_the_next_begins() {
    let server = Postgres::start().await;
    let statements = vec![
        look("wait", &[], "select pg_advisory_lock(7)"),
        look("one", &[], "select 1"),
    ];
    let house = Arc::new(House::new(gateway(&server, statements)));
    let admin = server.admin(DATABASE).await;
    admin
        .batch_execute("select pg_advisory_lock(7)")
        .await
        .unwrap();
    house.login(by_password(ROLE, PASSWORD)).await.unwrap();
    let leaving = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.call("wait", json!({})).await }
    });
    waited_for(&admin, &leaving).await;
    // What comes after waits for its turn, and gets it.
    let next = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.call("one", json!({})).await }
    });
    leaving.abort();
    assert!(leaving.await.is_err());
    assert_eq!(cells(&next.await.unwrap().unwrap()), [[Some("1")]]);
    // What the last one left is being taken back.
    while running(&admin).await > 0 {
        tokio::task::yield_now().await;
    }
    assert!(
        server
            .log()
            .contains("canceling statement due to user request")
    );
}

#[tokio::test]
async fn op_m2_calls_at_once_are_transactions_one_after_the_other() {
    let server = Postgres::start().await;
    let count = statement(
        "count",
        Effect::Write,
        vec![],
        "update canary set n = n + 100 where word = 'two' returning n, pg_sleep(0.01)",
    );
    let actor = sign_in(gateway(&server, vec![count]), by_password(ROLE, PASSWORD))
        .await
        .unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..defaults::IN_FLIGHT {
        let actor = Arc::clone(&actor);
        calls.spawn(async move { invoke(&actor, STATEMENTS, "count", vec![]).await });
    }
    let mut seen = Vec::new();
    while let Some(call) = calls.join_next().await {
        let Value::Table { rows, .. } = call.unwrap().unwrap().value else {
            panic!("no table")
        };
        seen.push(rows[0][0].as_ref().unwrap().parse::<i32>().unwrap());
    }
    seen.sort_unstable();
    let expected: Vec<_> = (1..=8).map(|turn| 2 + turn * 100).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn op_r6_a_session_ends_when_its_time_is_over() {
    let server = Postgres::start().await;
    let short = || {
        let database = (*database(vec![look("one", &[], "select 1")])).clone();
        let database = database.session(Duration::from_secs(1));
        Arc::new(PostgresGateway::new(
            server.place(),
            &dialer(),
            Arc::new(database),
        ))
    };
    let house = House::new(short());
    house.login(by_password(ROLE, PASSWORD)).await.unwrap();
    let actor = sign_in(short(), by_password(ROLE, PASSWORD)).await.unwrap();
    assert_eq!(actor.ended().await.denial, Denial::StaleSession);
    let stale = invoke(&actor, STATEMENTS, "one", vec![]).await;
    assert_eq!(stale.unwrap_err(), Denial::StaleSession);
    let late = house.call("one", json!({})).await;
    assert_eq!(late.unwrap_err(), Rule::StaleSession);
    let other = house.another();
    assert_eq!(house.room.state(&other).owner.state, OwnerState::Free);
}

#[tokio::test]
async fn op_m2_a_change_whose_rows_are_cut_is_not_made() {
    let server = Postgres::start().await;
    let admin = server.admin(DATABASE).await;
    let archive = "CREATE TABLE archived (n int);
        GRANT INSERT ON archived TO ada;
        CREATE FUNCTION archive(n int) RETURNS int VOLATILE LANGUAGE sql
        AS 'INSERT INTO archived VALUES (n); SELECT n';";
    admin.batch_execute(archive).await.unwrap();
    let archive = |name: &str, count: usize| {
        let sql = format!("select archive(n) from generate_series(1, {count}) as n");
        statement(name, Effect::Write, vec![], &sql)
    };
    let statements = vec![
        archive("many", defaults::ROWS + 1_000),
        archive("some", defaults::ROWS),
    ];
    let actor = sign_in(gateway(&server, statements), by_password(ROLE, PASSWORD))
        .await
        .unwrap();
    let archived = async || {
        let count = admin.query_one("select count(*) from archived", &[]);
        count.await.unwrap().get::<_, i64>(0)
    };
    let many = invoke(&actor, STATEMENTS, "many", vec![]).await;
    assert_eq!(many.unwrap_err(), Denial::ResultTooLarge);
    assert_eq!(archived().await, 0);
    invoke(&actor, STATEMENTS, "some", vec![]).await.unwrap();
    assert_eq!(archived().await, 2_000);
}

#[tokio::test]
async fn nothing_outlasts_the_turn_of_its_statement() {
    let server = Postgres::start().await;
    let statements = vec![
        look(
            "leave",
            &[],
            "select pg_advisory_lock(9), set_config('work_mem', '7MB', false)",
        ),
        look("look", &[], "select current_setting('work_mem')"),
    ];
    let actor = sign_in(gateway(&server, statements), by_password(ROLE, PASSWORD))
        .await
        .unwrap();
    let left = invoke(&actor, STATEMENTS, "leave", vec![]).await.unwrap();
    assert!(format!("{left:?}").contains("7MB"), "{left:?}");
    let found = invoke(&actor, STATEMENTS, "look", vec![]).await.unwrap();
    assert!(!format!("{found:?}").contains("7MB"), "{found:?}");
    let admin = server.admin(DATABASE).await;
    let locked = admin.query_one("select pg_try_advisory_lock(9)", &[]);
    assert!(locked.await.unwrap().get::<_, bool>(0));
}

/// Whoever of us is connected.
async fn connected(admin: &Client) -> i64 {
    let connected = "select count(*) from pg_stat_activity where application_name = 'doorward'";
    admin.query_one(connected, &[]).await.unwrap().get(0)
}

/// A write that waits for the lock that `admin` takes here.
async fn waiting_write(admin: &Client) -> Statement {
    let lock = "select pg_advisory_lock(7)";
    admin.batch_execute(lock).await.unwrap();
    let late = "with waits as (select pg_advisory_lock(7)) \
                insert into canary (n, word) select 9, 'late' from waits";
    statement("late", Effect::Write, vec![], late)
}

#[tokio::test]
async fn op_r3_signing_out_in_the_middle_of_a_write_undoes_it() {
    let server = Postgres::start().await;
    let admin = server.admin(DATABASE).await;
    let late = waiting_write(&admin).await;
    for hangs in [false, true] {
        let place = match hangs {
            false => server.place(),
            // Where nobody can be told to give up what they do.
            true => one_way(server.address()).await,
        };
        let database = database(vec![late.clone()]);
        let gateway = Arc::new(PostgresGateway::new(place, &dialer(), database));
        let house = Arc::new(House::new(gateway));
        house.login(by_password(ROLE, PASSWORD)).await.unwrap();
        let calling = tokio::spawn({
            let house = Arc::clone(&house);
            async move { house.call("late", json!({})).await }
        });
        waited_for(&admin, &calling).await;
        assert!(house.room.logout(&house.me));
        let stale = calling.await.unwrap().unwrap_err();
        assert_eq!(stale, Rule::StaleSession, "{hangs}");
        if hangs {
            // The server goes on with what nobody took from it, as far as the commit.
            let unlock = "select pg_advisory_unlock(7)";
            admin.batch_execute(unlock).await.unwrap();
        }
        while connected(&admin).await > 0 {
            tokio::task::yield_now().await;
        }
        let count = admin.query_one("select count(*) from canary where word = 'late'", &[]);
        assert_eq!(count.await.unwrap().get::<_, i64>(0), 0, "{hangs}");
    }
}

/// A way to `address` that takes one connection, and leaves all others waiting.
async fn one_way(address: String) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    tokio::spawn(async move {
        let (mut ours, _) = listener.accept().await.unwrap();
        let mut theirs = TcpStream::connect(address).await.unwrap();
        tokio::spawn(async move {
            // Either may have gone.
            let _ = copy_bidirectional(&mut ours, &mut theirs).await;
        });
        let mut waiting = Vec::new();
        loop {
            waiting.push(listener.accept().await.unwrap());
        }
    });
    place
}

#[tokio::test]
async fn op_m2_a_ninth_call_at_once_is_told_so() {
    let server = Postgres::start().await;
    let admin = server.admin(DATABASE).await;
    let lock = "select pg_advisory_lock(7)";
    admin.batch_execute(lock).await.unwrap();
    let house = House::new(gateway(&server, vec![look("wait", &[], lock)]));
    let house = Arc::new(house);
    house.login(by_password(ROLE, PASSWORD)).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..=defaults::IN_FLIGHT {
        let house = Arc::clone(&house);
        calls.spawn(async move { house.call("wait", json!({})).await });
    }
    // One has its turn, seven wait for theirs, and one has none.
    let first = calls.join_next().await.unwrap().unwrap();
    assert_eq!(first.unwrap_err(), Rule::Busy);
    let unlock = "select pg_advisory_unlock(7)";
    admin.batch_execute(unlock).await.unwrap();
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_says_nothing_is_given_up_in_time() {
    // At first,
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    let silent = Arc::new(PostgresGateway::new(place, &dialer(), database(vec![])));
    let actor = Actor::connect(silent).await.unwrap();
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let denied = actor
        .ask(defaults::CALL, |link| {
            Box::pin(async move { link.begin_auth(by_password(ROLE, PASSWORD)).await })
        })
        .await;
    assert_eq!(denied.unwrap_err().denial, Denial::UpstreamTimeout);
    assert_eq!(before.elapsed().as_secs(), defaults::CALL.as_secs());
    tokio::time::resume();
    // and in the middle of a call, whose time is over here if nobody says so there.
    let server = Postgres::start().await;
    let admin = server.admin(DATABASE).await;
    let lock = "select pg_advisory_lock(7)";
    admin.batch_execute(lock).await.unwrap();
    let wait = look("wait", &[], lock);
    let actor = sign_in(gateway(&server, vec![wait]), by_password(ROLE, PASSWORD))
        .await
        .unwrap();
    let calling = tokio::spawn({
        let actor = Arc::clone(&actor);
        async move { invoke(&actor, STATEMENTS, "wait", vec![]).await }
    });
    waited_for(&admin, &calling).await;
    let pid = "select pid from pg_stat_activity where application_name = 'doorward'";
    let pid: i32 = admin.query_one(pid, &[]).await.unwrap().get(0);
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    tokio::time::pause();
    let stopped = calling.await.unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert_eq!(stopped.unwrap_err(), Denial::UpstreamTimeout);
}

#[tokio::test]
async fn there_is_nothing_to_launch_in_a_database() {
    let server = Postgres::start().await;
    let house = House::new(gateway(&server, vec![look("one", &[], "select 1")]));
    house.login(by_password(ROLE, PASSWORD)).await.unwrap();
    let (room, me) = (&house.room, &house.me);
    let request = LaunchRequest {
        profile: "one".to_owned(),
        grants: Vec::new(),
    };
    for refusal in [
        room.launchers(me, "r").await.unwrap_err(),
        room.probe(me, "r", "one".to_owned()).await.unwrap_err(),
        room.launch(me, "r", request).await.unwrap_err(),
    ] {
        assert_eq!(refusal.rule(), Rule::ServiceUnavailable);
    }
}
