//! The hostile corpus over real sockets, each case on a fresh house with a
//! pipelined canary behind it.

use doorward_testkit::corpus::{Case, Listener, hostile};
use doorward_testkit::house::{Reply, TestHouse};

const FILE: &str = "a.txt";

#[tokio::test]
async fn the_hostile_corpus_over_real_sockets() {
    let mut failures = Vec::new();
    for case in hostile() {
        let house = TestHouse::open(&[(FILE, b"0123456789")]).await;
        let values = house.values(case.listener, FILE).await;
        let mut bytes = case.bytes(&values);
        bytes.extend(case.canary(&values));
        // Answers to earlier requests, the case's own, and the canary's.
        // HTTP/1.0 closes after one answer without being refused.
        let last = case.closes || bytes.windows(11).any(|window| window == b" HTTP/1.0\r\n");
        let expected = case.after + if last { 1 } else { 2 };
        let wait_for = if last { usize::MAX } else { expected };
        let replies = house.send(case.listener, &bytes, wait_for).await;
        if let Err(why) = judge(&case, &replies, expected) {
            failures.push(format!("{}: {why}", case.name));
        }
        house.serving.shutdown().await;
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn judge(case: &Case, replies: &[Reply], expected: usize) -> Result<(), String> {
    let seen: Vec<_> = replies
        .iter()
        .map(|reply| (reply.status, reply.denial()))
        .collect();
    let Some(reply) = replies.get(case.after) else {
        return Err(format!("{expected} answers expected, seen {seen:?}"));
    };
    if (reply.status, reply.denial()) != (case.status, case.denial.clone()) {
        return Err(format!(
            "{} {:?} expected, seen {seen:?}",
            case.status, case.denial
        ));
    }
    if case.closes && replies.len() > expected {
        return Err(format!("the canary was answered: {seen:?}"));
    }
    if replies
        .get(expected - 1)
        .is_none_or(|canary| expected > case.after + 1 && canary.status != 200)
    {
        return Err(format!("the canary was not answered: {seen:?}"));
    }
    for name in ["x-content-type-options", "referrer-policy", "cache-control"] {
        if reply.header(name).is_none() {
            return Err(format!("not sealed: {name} is missing"));
        }
    }
    if case.listener == Listener::Control
        && reply
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("access-control-"))
    {
        return Err("the control listener spoke CORS".to_owned());
    }
    Ok(())
}
