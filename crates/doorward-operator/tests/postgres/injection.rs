//! The corpus, each row sent to the server: it arrives as it is, and nothing but the
//! declared statements is ever executed.

use std::collections::BTreeSet;

use doorward_operator::Denial;
use doorward_operator::gateway::{Effect, FieldKind, Value};

use super::common::{by_password, corpus, invoke, sign_in, text};
use super::server::{DATABASE, PASSWORD, Postgres, ROLE};
use super::{LINE, field, gateway, look, statement};

const SHOW: &str = "select $1 as shown";
const FIND: &str = "select count(*) from canary where word = $1";
const KEEP: &str = "update canary set word = $1 where n = 2";

/// What the log says was executed by us.
fn executed(log: &str) -> BTreeSet<String> {
    let ours = log
        .lines()
        .filter(|line| line.contains(&format!(" {DATABASE} LOG:")));
    ours.filter_map(|line| {
        let (_, said) = line.split_once("LOG:  ")?;
        let text = said.strip_prefix("statement: ").or_else(|| {
            let rest = said.strip_prefix("execute ")?;
            Some(rest.split_once(": ")?.1)
        });
        text.map(str::to_owned)
    })
    .collect()
}

#[tokio::test]
async fn no_row_of_the_corpus_is_read_by_the_server() {
    let server = Postgres::start().await;
    let admin = server.admin(DATABASE).await;
    let tables = "select string_agg(relname || relnatts, ',' order by relname) from pg_class \
                  where relnamespace = 'public'::regnamespace";
    let rows = "select string_agg(n || word, ',' order by n) from canary where n <> 2";
    let state = async || {
        let mut state = Vec::new();
        for query in [tables, rows] {
            state.push(
                admin
                    .query_one(query, &[])
                    .await
                    .unwrap()
                    .get::<_, String>(0),
            );
        }
        state
    };
    let before = state().await;
    let logged = server.log().len();
    let many = FieldKind::Text { most: 64 * 1024 };
    let statements = vec![
        look("show", &["a"], SHOW),
        look("find", &["a"], FIND),
        statement("keep", Effect::Write, vec![field("a", many)], KEEP),
        statement(
            "echo",
            Effect::Read,
            vec![field("a", LINE)],
            "select word as echo from canary where n = 2 and $1 <> ''",
        ),
    ];
    let actor = sign_in(gateway(&server, statements), by_password(ROLE, PASSWORD))
        .await
        .unwrap();
    let (mut arrived, mut refused) = (0, 0);
    for row in corpus("canary") {
        let shown = invoke(&actor, "statements", "show", vec![text("a", &row)]).await;
        if row.contains('\0') {
            // The one character that PostgreSQL has no text for.
            assert_eq!(shown.unwrap_err(), Denial::BadRequest, "{row:?}");
            refused += 1;
            continue;
        }
        let expected = Value::Table {
            columns: vec!["shown".to_owned()],
            rows: vec![vec![Some(row.clone())]],
        };
        assert_eq!(shown.unwrap().value, expected);
        let found = invoke(&actor, "statements", "find", vec![text("a", &row)]).await;
        assert!(format!("{found:?}").contains("\"0\""), "{row:?}: {found:?}");
        let kept = invoke(&actor, "statements", "keep", vec![text("a", &row)]).await;
        assert!(format!("{kept:?}").contains("\"1\""), "{row:?}: {kept:?}");
        let echo = invoke(&actor, "statements", "echo", vec![text("a", "x")]).await;
        let Value::Table { rows, .. } = echo.unwrap().value else {
            panic!("{row:?}")
        };
        assert_eq!(rows, [[Some(row.clone())]]);
        arrived += 1;
    }
    assert!(arrived > 400 && refused >= 3, "{arrived} {refused}");
    assert_eq!(state().await, before);
    let log = server.log();
    let mut ours = executed(&log[logged..]);
    for query in [tables, rows] {
        ours.remove(query);
    }
    let declared = [
        SHOW,
        FIND,
        KEEP,
        "select word as echo from canary where n = 2 and $1 <> ''",
        "START TRANSACTION READ ONLY",
        "START TRANSACTION READ WRITE",
        "SET LOCAL statement_timeout = 14000",
        "COMMIT",
        "ROLLBACK",
        "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; \
         SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP",
    ];
    for text in &ours {
        assert!(declared.contains(&text.as_str()), "{text}");
    }
    assert!(
        ours.contains(SHOW) && ours.contains(KEEP) && ours.contains("COMMIT"),
        "{ours:?}"
    );
}
