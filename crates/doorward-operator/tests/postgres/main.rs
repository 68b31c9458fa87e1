//! The gateway of kind `postgres` before a real server.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

#[path = "../common/mod.rs"]
mod common;
mod denials;
mod fake;
mod hostile;
mod injection;
mod log;
mod names;
mod proofs;
mod server;

use std::sync::Arc;

use doorward_guard::Rule;
use doorward_operator::Gateway;
use doorward_operator::declared::{Outline, Parameter};
use doorward_operator::gateway::{Effect, FieldKind};
use doorward_operator::postgres::{Database, PostgresGateway, Statement};
use doorward_operator::room::Came;
use doorward_operator::vm::{OwnerState, Shape};
use serde_json::json;

use common::{House, by_password, cells, dialer};
use server::{DATABASE, PASSWORD, Postgres, ROLE};

const LINE: FieldKind = FieldKind::Line { most: 64 * 1024 };

fn field(name: &str, kind: FieldKind) -> Parameter {
    Parameter::new(name, "", kind).unwrap()
}

fn statement(name: &str, effect: Effect, fields: Vec<Parameter>, sql: &str) -> Statement {
    let outline = Outline::new(name, "", effect, fields).unwrap();
    Statement::new(outline, sql).unwrap()
}

/// One that looks.
fn look(name: &str, fields: &[&str], sql: &str) -> Statement {
    let fields = fields.iter().map(|name| field(name, LINE)).collect();
    statement(name, Effect::Read, fields, sql)
}

fn database(statements: Vec<Statement>) -> Arc<Database> {
    Arc::new(Database::new(DATABASE, statements).unwrap())
}

fn gateway(server: &Postgres, statements: Vec<Statement>) -> Arc<dyn Gateway> {
    let database = database(statements);
    Arc::new(PostgresGateway::new(server.place(), &dialer(), database))
}

#[tokio::test]
async fn op_r3_a_person_signs_in_lists_calls_and_leaves() {
    let server = Postgres::start().await;
    let least = FieldKind::Number { least: -9, most: 9 };
    let statements = vec![
        statement(
            "rows",
            Effect::Read,
            vec![
                field("least", least.clone()),
                field("like", LINE).optional(),
            ],
            "select n, word, at from canary where n >= $1 and ($2::text is null or word like $2) order by n",
        ),
        look(
            "types",
            &["when", "id"],
            "select true as b, 1.50::numeric as n, 2.5::float8 as f, null::int as nothing, \
             ''::text as empty, 'NULL'::text as word, null::text as none, \
             $1::date as d, $2::uuid as u, '{\"a\": 1}'::jsonb as j, '\\x00ff'::bytea as x, 'A'::\"char\"::text as c",
        ),
        statement(
            "add",
            Effect::Write,
            vec![field("n", least.clone()), field("word", LINE)],
            "insert into canary (n, word) values ($1, $2)",
        ),
        statement(
            "remove",
            Effect::Destructive,
            vec![field("n", least)],
            "delete from canary where n = $1 returning word",
        ),
    ];
    let house = House::new(gateway(&server, statements));
    assert_eq!(
        house.login(by_password(ROLE, PASSWORD)).await,
        Ok(Came::ToASession)
    );
    let state = house.room.state(&house.me);
    let session = state.session.unwrap();
    assert_eq!(
        (session.profile.as_str(), session.principal_label.as_str()),
        (DATABASE, ROLE)
    );
    let names: Vec<_> = state.caps[0]
        .operations
        .iter()
        .map(|one| &one.name)
        .collect();
    assert_eq!(names, ["rows", "types", "add", "remove"]);

    let rows = house.call("rows", json!({ "least": -1 })).await.unwrap();
    assert_eq!(rows.shape, Shape::Table);
    assert_eq!(rows.columns, ["n", "word", "at"]);
    let at = "2020-02-02 02:02:02Z";
    assert_eq!(
        cells(&rows),
        [["1", "one", at], ["2", "two", at]].map(|row| row.map(Some))
    );
    let rows = house
        .call("rows", json!({ "least": 0, "like": "tw%" }))
        .await;
    assert_eq!(rows.unwrap().rows.len(), 1);
    let id = "6d3c1f1e-58a4-4a0e-9d0f-0123456789ab";
    let types = house
        .call("types", json!({ "when": "2024-02-29", "id": id }))
        .await;
    let expected = [
        Some("true"),
        Some("1.50"),
        Some("2.5"),
        // No value is not an empty one, nor the word for it.
        None,
        Some(""),
        Some("NULL"),
        None,
        Some("2024-02-29"),
        Some(id),
        Some("{\"a\": 1}"),
        Some("\\x00ff"),
        Some("A"),
    ];
    assert_eq!(cells(&types.unwrap()), [expected]);

    let added = house
        .call("add", json!({ "n": 3, "word": "three" }))
        .await
        .unwrap();
    assert_eq!(
        (
            added.fields[0].name.as_str(),
            added.fields[0].value.as_str()
        ),
        ("rows", "1")
    );
    let unsure = house.call("remove", json!({ "n": 3 })).await;
    assert_eq!(unsure.unwrap_err(), Rule::ConfirmationNeeded);
    let removed = house.ask("remove", json!({ "n": 3 }), true).await.unwrap();
    assert_eq!(cells(&removed), [[Some("three")]]);

    let launched = house.room.launchers(&house.me, "r").await.unwrap_err();
    assert_eq!(launched.rule(), Rule::ServiceUnavailable);
    assert!(house.room.logout(&house.me));
    let stale = house.call("rows", json!({ "least": 0 })).await;
    assert_eq!(stale.unwrap_err(), Rule::StaleSession);
    assert_eq!(house.room.state(&house.me).owner.state, OwnerState::Free);
    house.room.shutdown().await;
}

#[tokio::test]
async fn op_l1_hostile_text_in_a_result_is_escaped_and_the_address_is_hidden() {
    let server = Postgres::start().await;
    let text =
        "select E'a\\r\\nb\\x1b[31mc\\u202ed\\u2028e\\u009bf' as \"x\u{1b}[1m\", $1::text as y";
    let house = House::new(gateway(&server, vec![look("say", &["a"], text)]));
    house.login(by_password(ROLE, PASSWORD)).await.unwrap();
    let said = house
        .call("say", json!({ "a": server.address() }))
        .await
        .unwrap();
    assert_eq!(said.columns, ["x\\u{1b}[1m", "y"]);
    assert_eq!(
        cells(&said),
        [["a\nb\\u{1b}[31mc\\u{202e}d\\u{2028}e\\u{9b}f", "[hidden]"].map(Some)]
    );
}
