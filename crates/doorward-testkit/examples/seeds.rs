//! Writes the fuzzers' seeds (`fuzz/seeds/<target>/<case>`) from the hostile corpus.
//! What is there already stays: findings and seeds of other making live there too.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use doorward_testkit::corpus::{Case, Judge, Listener, Values, hostile};

/// Longer ones teach a fuzzer nothing about grammar.
const LONGEST: usize = 512;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let values = Values::new("127.0.0.1:7000");
    let mut seen = HashSet::new();
    for case in hostile() {
        for (target, seed) in seeds(&case, &values) {
            let folder = root.join(target);
            fs::create_dir_all(&folder)?;
            let path = folder.join(&case.name);
            if seed.len() <= LONGEST && seen.insert((target, seed.clone())) && !path.exists() {
                fs::write(path, seed)?;
            }
        }
    }
    Ok(())
}

fn seeds(case: &Case, values: &Values) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = case.bytes(values);
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(bytes.len());
    let (head, behind) = bytes.split_at(end);
    let lines = || {
        head.split(|byte| *byte == b'\n')
            .map(|line| line.trim_ascii_end())
    };
    let mut seeds = Vec::new();
    for (target, field) in [
        ("host", "host: "),
        ("origin", "origin: "),
        ("cookie", "cookie: "),
    ] {
        let value = lines().find_map(|line| {
            let (name, value) = line.split_at_checked(field.len())?;
            name.eq_ignore_ascii_case(field.as_bytes())
                .then(|| value.to_vec())
        });
        seeds.extend(value.map(|value| (target, value)));
    }
    if case.judge == Judge::Room && behind.len() > 4 {
        seeds.push(("json", behind.get(4..).unwrap_or_default().to_vec()));
    }
    let repeated = matches!(case.listener, Listener::Companion | Listener::Native);
    if case.judge == Judge::Gate && !repeated {
        seeds.push(("head", bytes));
    }
    seeds
}
