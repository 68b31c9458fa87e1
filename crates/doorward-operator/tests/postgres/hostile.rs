//! Whoever stands in the place of the server: what they learn, and what they cost.

use doorward_operator::{Denial, defaults};

use super::common::{by_password, invoke, sign_in};
use super::fake::{
    CHALLENGE, SASL, SIGNED_IN, Table, Talk, VOUCHES, message, on_a_port, on_a_socket,
};
use super::server::{PASSWORD, ROLE};

/// Types that every client knows: `"char"`, `name`, `oid`, `numeric`, `text`.
const CHAR: u32 = 18;
const NAME: u32 = 19;
const OID: u32 = 26;
const NUMERIC: u32 = 1700;
const TEXT: u32 = 25;

/// What the one statement comes to on a server that answers as `table` says.
async fn called(table: impl FnMut(&str) -> Table + Send + 'static) -> Denial {
    let (gateway, _folder) = on_a_socket(|talk| talk.serve(table));
    let actor = sign_in(gateway, by_password(ROLE, PASSWORD)).await.unwrap();
    let answer = invoke(&actor, "statements", "one", vec![]).await;
    answer.unwrap_err()
}

#[tokio::test]
async fn types_without_end_end_the_session_and_not_the_process() {
    // Each type is a domain over the next one,
    let mut ty = 100_000;
    let domains = called(move |sql| {
        if !sql.contains("pg_catalog.pg_type") {
            return Table {
                columns: vec![ty],
                ..Table::default()
            };
        }
        ty += 1;
        Table {
            parameters: vec![OID],
            columns: vec![NAME, CHAR, OID, OID, OID, NAME, OID],
            row: [
                &b"x"[..],
                b"b",
                &ty.to_be_bytes(),
                &[0; 4],
                &ty.to_be_bytes(),
                b"s",
                &[0; 4],
            ]
            .map(|cell| Some(cell.to_vec()))
            .to_vec(),
            times: 1,
        }
    });
    assert_eq!(domains.await, Denial::UpstreamDisconnected);
    // and the very question for types takes a type that has to be asked for.
    let mut ty = 100_000;
    let questions = called(move |_| {
        ty += 1;
        Table {
            parameters: vec![ty],
            ..Table::default()
        }
    });
    assert_eq!(questions.await, Denial::UpstreamDisconnected);
}

#[tokio::test]
async fn op_m2_rows_and_cells_are_counted_by_us() {
    let more_than_asked = called(|_| Table {
        columns: vec![TEXT],
        row: vec![Some(Vec::new())],
        times: 50_000,
        ..Table::default()
    });
    assert_eq!(more_than_asked.await, Denial::UpstreamDisconnected);
    // No digits, and a hundred thousand zeros behind them.
    let long = [0u16, 32_767, 0, 0].map(u16::to_be_bytes).concat();
    for columns in [defaults::COLUMNS, 20_000] {
        let long = long.clone();
        let few_bytes = called(move |_| Table {
            columns: vec![NUMERIC; columns],
            row: vec![Some(long.clone()); columns],
            times: 1,
            ..Table::default()
        });
        assert_eq!(few_bytes.await, Denial::ResultTooLarge, "{columns}");
    }
}

#[tokio::test]
async fn whoever_has_the_port_proves_to_know_the_password() {
    let (gateway, serving) = on_a_port(|mut talk: Talk| async move {
        talk.asks(SIGNED_IN, b"").await;
        talk.say(&message(b'Z', b"I")).await;
        assert!(talk.heard().await.is_none());
    })
    .await;
    let believed = sign_in(gateway, by_password(ROLE, PASSWORD)).await;
    assert_eq!(believed.unwrap_err(), Denial::HostKeyMismatch);
    serving.await.unwrap();
}

/// Asks by SCRAM with this many rounds. Whether it got a proof.
async fn asks_by_scram(talk: &mut Talk, rounds: u32) -> bool {
    talk.asks(SASL, b"SCRAM-SHA-256\0\0").await;
    let (_, first) = talk.heard().await.unwrap();
    let first = String::from_utf8(first).unwrap_or_default();
    let nonce = first.rsplit("r=").next().unwrap_or_default();
    let challenge = format!("r={nonce}x,s=c2FsdA==,i={rounds}");
    talk.asks(CHALLENGE, challenge.as_bytes()).await;
    talk.heard().await.is_some()
}

#[tokio::test]
async fn a_proof_that_is_quickly_guessed_from_is_not_given() {
    for (rounds, given, denial) in [
        (1, false, Denial::DisabledAuthMethod),
        (4_095, false, Denial::DisabledAuthMethod),
        // It has the proof, and says nothing.
        (4_096, true, Denial::AuthenticationDenied),
    ] {
        let (gateway, serving) = on_a_port(move |mut talk: Talk| async move {
            assert_eq!(asks_by_scram(&mut talk, rounds).await, given, "{rounds}");
        })
        .await;
        let denied = sign_in(gateway, by_password(ROLE, PASSWORD)).await;
        assert_eq!(denied.unwrap_err(), denial, "{rounds}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn what_the_server_says_of_a_proof_is_checked_and_counted() {
    for (said, denial) in [
        // It does not know the password,
        (&b"v=AAAA"[..], Denial::HostKeyMismatch),
        // or says that we do not.
        (b"e=invalid-proof", Denial::AuthenticationDenied),
    ] {
        let (gateway, serving) = on_a_port(move |mut talk: Talk| async move {
            assert!(asks_by_scram(&mut talk, 4_096).await);
            talk.asks(VOUCHES, said).await;
            talk.asks(SIGNED_IN, b"").await;
            assert!(talk.heard().await.is_none());
        })
        .await;
        let denied = sign_in(gateway, by_password(ROLE, PASSWORD)).await;
        assert_eq!(denied.unwrap_err(), denial, "{said:?}");
        serving.await.unwrap();
    }
}
