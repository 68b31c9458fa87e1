//! The hostile corpus, held against the head gate alone.

use std::collections::BTreeMap;

use doorward_guard::gate::HeadLimits;
use doorward_testkit::corpus::{Judge, Listener, Values, hostile};
use doorward_testkit::fuzz_targets::pass;

fn values(listener: Listener) -> Values {
    Values::new(match listener {
        Listener::Native => "doorward",
        _ => "127.0.0.1:7000",
    })
}

fn limits(listener: Listener) -> HeadLimits {
    match listener {
        Listener::Control => HeadLimits::control("doorward_7000"),
        Listener::Content => HeadLimits::content(),
        Listener::Companion => HeadLimits::companion(),
        Listener::Native => HeadLimits::native(),
    }
}

#[test]
fn the_gate_finds_what_is_the_gates_to_find() {
    for case in hostile() {
        let values = values(case.listener);
        let (bytes, canary) = (case.bytes(&values), case.canary(&values));
        let stream = [bytes.as_slice(), &canary].concat();
        let passage = pass(limits(case.listener), &stream, usize::MAX);
        let name = &case.name;
        if case.judge == Judge::Gate {
            let rule = passage.refused.unwrap_or_else(|| panic!("{name} passed"));
            assert_eq!(case.denial.as_deref(), Some(rule.name()), "{name}");
            assert_eq!(passage.heads.len(), case.after, "{name}");
            assert!(case.closes, "{name}");
        } else if !case.closes {
            assert_eq!(passage.refused, None, "{name}");
            assert_eq!(passage.released, stream, "{name}");
        } else {
            assert!(passage.heads.len() > case.after, "{name}");
        }
        assert_eq!(
            pass(limits(case.listener), &stream, 1),
            passage,
            "{name}, byte by byte"
        );
    }
}

#[test]
fn every_listener_and_every_kind_of_judge_is_aimed_at() {
    let mut count = BTreeMap::new();
    for case in hostile() {
        *count
            .entry((case.listener, format!("{:?}", case.judge)))
            .or_insert(0) += 1;
    }
    for listener in [Listener::Control, Listener::Content, Listener::Companion] {
        for judge in ["Gate", "Guard", "Room"] {
            assert!(
                count.contains_key(&(listener, judge.to_owned())),
                "{listener:?} {judge}"
            );
        }
    }
    assert!(count.contains_key(&(Listener::Native, "Gate".to_owned())));
}
