//! Whether a chain of records is whole.

use super::kind::Kind;
use super::record::{Link, Record};

/// Where a chain is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Broken {
    /// Which of the lines that were given, counted from one.
    pub line: u64,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// It is no record, or not written as we write one.
    #[error("this is not a record of the audit")]
    NotARecord,
    /// Its hash does not match what it says.
    #[error("the record was altered: its hash does not match")]
    Altered,
    /// It is bound to another record than the one before it.
    #[error("the record before this one was removed, added or altered")]
    Unbound,
    /// Numbers do not count up by one.
    #[error("expected record {expected}, found {found}")]
    OutOfOrder {
        /// The number that follows.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// The first line is neither record 1 nor the head of a file.
    #[error("the beginning is missing")]
    NoStart,
}

/// A whole chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// How the chain begins.
    pub start: Start,
    /// The last record. Records missing behind it cannot be told from here:
    /// compare with what the daemon reports.
    pub end: Link,
}

/// How a chain begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first record of all, or behind the link that was given.
    Whole,
    /// With the head of a file; older files are no longer kept.
    Rotated,
}

/// Reads `lines` (without line ends) as one chain. With `start`, the first line
/// must follow that link; without, it must be record 1 or the head of a file.
///
/// # Errors
///
/// The first line that is not a record, was altered, or does not follow the one
/// before it.
pub fn verify<I>(lines: I, start: Option<&Link>) -> Result<Verified, Broken>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut verified = Verified {
        records: 0,
        start: Start::Whole,
        end: start.cloned().unwrap_or_default(),
    };
    let mut known = start.is_some();
    for line in lines {
        let at = verified.records.saturating_add(1);
        let broken = |why| Broken { line: at, why };
        let record = Record::read(line.as_ref()).map_err(broken)?;
        if !known && record.seq != 1 {
            if record.kind != Kind::AuditFile.name() {
                return Err(broken(Why::NoStart));
            }
            verified.start = Start::Rotated;
            verified.end = Link {
                seq: record.seq.saturating_sub(1),
                hash: record.prev.clone(),
            };
        }
        known = true;
        let expected = verified.end.seq.saturating_add(1);
        if record.seq != expected {
            return Err(broken(Why::OutOfOrder {
                expected,
                found: record.seq,
            }));
        }
        if record.prev != verified.end.hash {
            return Err(broken(Why::Unbound));
        }
        verified.records = at;
        verified.end = record.link();
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Chain, Event};

    fn lines(count: u64) -> Vec<String> {
        let mut chain = Chain::new();
        (1..=count)
            .map(|number| {
                let kind = if number == 4 {
                    Kind::AuditFile
                } else {
                    Kind::GrantMinted
                };
                chain
                    .seal(&Event::allowed(kind, "grants").count(number), "t")
                    .line()
            })
            .collect()
    }

    #[test]
    fn a_chain_as_it_was_written_is_whole() {
        let lines = lines(9);
        let whole = verify(&lines, None).unwrap();
        assert_eq!(
            (whole.records, whole.start, whole.end.seq),
            (9, Start::Whole, 9)
        );
        let (older, newer) = lines.split_at(5);
        let middle = verify(older, None).unwrap().end;
        assert_eq!(verify(newer, Some(&middle)).unwrap().end, whole.end);
        let rotated = verify(&lines[3..], None).unwrap();
        assert_eq!(
            (rotated.records, rotated.start, rotated.end),
            (6, Start::Rotated, whole.end)
        );
        assert_eq!(verify(Vec::<String>::new(), None).unwrap().records, 0);
    }

    #[test]
    fn every_single_byte_counts() {
        let lines = lines(5);
        let victim = &lines[2];
        for at in 0..victim.len() {
            for new in ["0", "x", " ", "\"", ""] {
                let mut changed = victim.clone();
                changed.replace_range(at..=at, new);
                if changed == *victim {
                    continue;
                }
                let mut tampered = lines.clone();
                tampered[2] = changed;
                let broken = verify(&tampered, None).unwrap_err();
                assert_eq!(broken.line, 3, "{}", tampered[2]);
            }
        }
    }

    #[test]
    fn removed_added_swapped_and_resealed_lines_are_found() {
        let lines = lines(9);
        let tampered = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = lines.clone();
            change(&mut lines);
            verify(&lines, None).unwrap_err()
        };
        let order = |expected, found| Why::OutOfOrder { expected, found };
        let removed = tampered(&|lines| drop(lines.remove(4)));
        assert_eq!(
            removed,
            Broken {
                line: 5,
                why: order(5, 6)
            }
        );
        let doubled = tampered(&|lines| lines.insert(4, lines[3].clone()));
        assert_eq!(
            doubled,
            Broken {
                line: 5,
                why: order(5, 4)
            }
        );
        let swapped = tampered(&|lines| lines.swap(4, 5));
        assert_eq!(
            swapped,
            Broken {
                line: 5,
                why: order(5, 6)
            }
        );
        let beheaded = tampered(&|lines| drop(lines.remove(0)));
        assert_eq!(
            beheaded,
            Broken {
                line: 1,
                why: Why::NoStart
            }
        );
        let blank = tampered(&|lines| lines.insert(2, String::new()));
        assert_eq!(
            blank,
            Broken {
                line: 3,
                why: Why::NotARecord
            }
        );
        // A record sealed anew is whole by itself; the next one tells.
        let resealed = tampered(&|lines| {
            let before = Record::read(&lines[3]).unwrap().link();
            let event = Event::allowed(Kind::GrantMinted, "forged");
            lines[4] = Chain::resume(before).seal(&event, "t").line();
        });
        assert_eq!(
            resealed,
            Broken {
                line: 6,
                why: Why::Unbound
            }
        );
    }
}
