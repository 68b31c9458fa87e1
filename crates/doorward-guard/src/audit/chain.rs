//! Records, and the chain that makes a missing or changed one visible.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Event;
use crate::clock;

/// What the first record of a chain follows.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One event as it is written: a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Counts up without gaps.
    pub seq: u64,
    /// RFC 3339.
    pub time: String,
    /// The dotted name of the kind.
    pub kind: String,
    /// The surface.
    pub surface: String,
    /// `allowed` or `refused`.
    pub outcome: String,
    /// The name of the denial.
    pub denial: Option<String>,
    /// The public id of a session or grant.
    pub subject: Option<String>,
    /// How many it stands for.
    pub count: u64,
    /// What else there is to say.
    pub detail: String,
    /// Which request it came with.
    pub request_id: Option<String>,
    /// The hash of the record before.
    pub prev: String,
    /// SHA-256 of this record as JSON with an empty `hash`.
    pub hash: String,
}

/// The end of a chain, where the next record goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    next: u64,
    last: String,
}

/// Where a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit chain breaks at record {seq}: {why}")]
pub struct Broken {
    /// The record that does not fit.
    pub seq: u64,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks that `records` follow each other. The first one may follow anything:
/// what was rotated away is not there to check.
///
/// # Errors
///
/// The first record that does not fit.
pub fn verify<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Option<Chain>, Broken> {
    let mut chain: Option<Chain> = None;
    for record in records {
        let broken = |why| {
            Err(Broken {
                seq: record.seq,
                why,
            })
        };
        if record.hash != record.digest() {
            return broken("its content was changed");
        }
        match &chain {
            Some(chain) if record.prev != chain.last => {
                return broken("the record before it is missing or was changed");
            }
            Some(chain) if record.seq != chain.next => return broken("its number is out of order"),
            _ => {}
        }
        chain = Some(Chain::after(record));
    }
    Ok(chain)
}

impl Chain {
    /// A new chain.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next: 1,
            last: GENESIS.to_owned(),
        }
    }

    /// The chain that goes on after `record`.
    #[must_use]
    pub fn after(record: &Record) -> Self {
        Self {
            next: record.seq.saturating_add(1),
            last: record.hash.clone(),
        }
    }

    /// Makes the next record.
    pub fn append(&mut self, event: Event, at: SystemTime) -> Record {
        let mut record = Record {
            seq: self.next,
            time: clock::rfc3339(at),
            kind: event.kind.name().to_owned(),
            surface: event.surface.to_owned(),
            outcome: if event.denial.is_some() {
                "refused"
            } else {
                "allowed"
            }
            .to_owned(),
            denial: event.denial.map(|rule| rule.name().to_owned()),
            subject: event.subject,
            count: event.count,
            detail: event.detail,
            request_id: event.request_id,
            prev: std::mem::take(&mut self.last),
            hash: String::new(),
        };
        record.hash = record.digest();
        self.last.clone_from(&record.hash);
        self.next = self.next.saturating_add(1);
        record
    }
}

impl Record {
    fn digest(&self) -> String {
        let bare = Self {
            hash: String::new(),
            ..self.clone()
        };
        let text = serde_json::to_vec(&bare).unwrap_or_default();
        Sha256::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

// === impl Chain ===

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Kind;

    fn records(count: u64) -> Vec<Record> {
        let mut chain = Chain::new();
        let at = SystemTime::UNIX_EPOCH;
        (0..count)
            .map(|number| {
                let event = Event::allowed(Kind::GrantMinted, "media").count(number);
                chain.append(event, at)
            })
            .collect()
    }

    #[test]
    fn a_whole_chain_holds_and_goes_on() {
        let records = records(5);
        assert_eq!(
            records.first().map(|record| record.prev.as_str()),
            Some(GENESIS)
        );
        let chain = verify(&records).unwrap().unwrap();
        assert_eq!(chain, Chain::after(records.last().unwrap()));
        assert_eq!(chain.next, 6);
        assert_eq!(
            verify(&records[2..]).unwrap(),
            Some(chain),
            "the rest of a rotated chain"
        );
        assert_eq!(verify([]).unwrap(), None);
    }

    #[test]
    fn what_was_changed_or_taken_out_is_found() {
        let mut changed = records(5);
        changed[2].count = 99;
        assert_eq!(verify(&changed).unwrap_err().seq, 3);
        let mut missing = records(5);
        missing.remove(2);
        assert_eq!(verify(&missing).unwrap_err().seq, 4);
        let mut swapped = records(5);
        swapped.swap(2, 3);
        assert_eq!(verify(&swapped).unwrap_err().seq, 4);
        let mut forged = records(5);
        forged[2].count = 99;
        forged[2].hash = forged[2].digest();
        assert_eq!(
            verify(&forged).unwrap_err().seq,
            4,
            "the next record gives it away"
        );
    }
}
