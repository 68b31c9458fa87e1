//! Every seed of the fuzzers, and every hostile request, through the same targets.

use std::fs;
use std::path::Path;

use doorward_testkit::corpus::{Values, hostile};
use doorward_testkit::fuzz_targets::{TARGETS, find};

#[test]
fn t101_every_seed_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (name, target) in TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(folder.join(name)).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "{name} has no seeds");
    }
}

#[test]
fn t15_every_hostile_request_is_survived() {
    let values = Values::new("127.0.0.1:7000");
    let head = find("head").unwrap();
    for case in hostile() {
        head(&case.bytes(&values));
    }
}
