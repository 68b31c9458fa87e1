//! What the server's own log says that it heard.

use doorward_guard::Rule;
use doorward_operator::gateway::{Effect, FieldKind};
use serde_json::json;

use super::common::{House, by_password, cells};
use super::server::{DATABASE, PASSWORD, Postgres, ROLE};
use super::{LINE, field, gateway, statement};

const SHOW: &str = "select length($1), length($2), $3::int, $4::text, length($5)";

#[tokio::test]
async fn op_m2_arguments_out_of_bounds_are_refused_before_the_server_hears_anything() {
    let server = Postgres::start().await;
    let admin = server.admin(DATABASE).await;
    // Each message that parses, binds or executes something is a line.
    let all = "ALTER ROLE ada SET log_min_duration_statement = 0";
    admin.batch_execute(all).await.unwrap();
    let brief = FieldKind::Line { most: 8 };
    let fields = vec![
        field("a", LINE),
        field("b", LINE).optional(),
        field("n", FieldKind::Number { least: -9, most: 9 }).optional(),
        field("word", brief).matching("[a-z]+").unwrap().optional(),
        field("pin", FieldKind::Secret { most: 8 }).optional(),
    ];
    let show = statement("show", Effect::Read, fields, SHOW);
    let house = House::new(gateway(&server, vec![show]));
    house.login(by_password(ROLE, PASSWORD)).await.unwrap();
    // What ours is, and when it last heard something.
    let session = async || {
        let session = "select count(*)::text, max(state_change)::text, max(query) \
                       from pg_stat_activity where application_name = 'doorward'";
        let row = admin.query_one(session, &[]).await.unwrap();
        [0, 1, 2].map(|at| row.get::<_, String>(at))
    };
    let before = session().await;
    assert_eq!(before[0], "1");
    let logged = server.log().len();
    let long = |bytes: usize| "x".repeat(bytes);
    for (fields, rule) in [
        // One over its own bound, and some that are over a call's together.
        (json!({ "a": long(64 * 1024 + 1) }), Rule::BadRequest),
        (
            json!({ "a": long(40 * 1024), "b": long(40 * 1024) }),
            Rule::BodyTooLarge,
        ),
        (
            json!({ "a": "x", "b": long(64 * 1024 - 2) }),
            Rule::BodyTooLarge,
        ),
        (json!({ "a": "x", "n": 10 }), Rule::BadRequest),
        (json!({ "a": "x", "n": 1.5 }), Rule::BadRequest),
        (
            json!({ "a": "x", "word": "toolongaword" }),
            Rule::BadRequest,
        ),
        (json!({ "a": "x", "word": "No" }), Rule::BadRequest),
        (json!({ "a": "x", "pin": "123456789" }), Rule::BadRequest),
        (json!({ "a": "x\ny" }), Rule::BadRequest),
        (json!({ "a": "x", "more": "y" }), Rule::UnknownField),
        (json!({}), Rule::BadRequest),
    ] {
        let names = fields.to_string().chars().take(40).collect::<String>();
        let refused = house.call("show", fields).await;
        assert_eq!(refused.unwrap_err(), rule, "{names}");
    }
    let log = server.log();
    assert_eq!(log[logged..].matches(&format!(" {DATABASE} ")).count(), 0);
    assert_eq!(session().await, before);
    // What fits is heard, once: nothing was on its way.
    let logged = server.log().len();
    let fields = json!({ "a": "x", "b": long(64 * 1024 - 3), "word": "fine" });
    let refused = house.call("show", fields).await;
    assert_eq!(refused.unwrap_err(), Rule::BodyTooLarge);
    let fits = json!({ "a": long(60 * 1024), "n": -9, "word": "fine", "pin": "12345678" });
    let shown = house.call("show", fits).await.unwrap();
    let expected = [Some("61440"), None, Some("-9"), Some("fine"), Some("8")];
    assert_eq!(cells(&shown), [expected]);
    let log = server.log();
    let heard = |what: &str| log[logged..].matches(what).count();
    assert_eq!(
        heard("START TRANSACTION READ ONLY"),
        1,
        "{}",
        &log[logged..]
    );
    // Parsed, bound and executed.
    assert_eq!(heard(SHOW), 3, "{}", &log[logged..]);
}
