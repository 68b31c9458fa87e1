//! Records: events in order, each bound to the one before.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::event::{Event, Outcome};
use super::text::sanitise;
use super::verify::Why;

/// Stands before the first record of all.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of the audit.
///
/// `hash` is the SHA-256, in lower-case hexadecimal, of `prev` followed by the
/// line without its `hash` member: `{"seq":…,"prev":"…"}`, UTF-8, no spaces,
/// members in the order below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Counts up from one, over all files.
    pub seq: u64,
    /// When it was written: RFC 3339, UTC.
    pub time: String,
    /// A name of [`Kind`](super::Kind).
    pub kind: Cow<'static, str>,
    /// The surface or part.
    pub surface: Cow<'static, str>,
    /// What was decided.
    pub outcome: Outcome,
    /// The name of the rule that was broken.
    pub denial: Option<Cow<'static, str>>,
    /// Whose doing it was; `null` where the caller proved nothing.
    pub subject: Option<String>,
    /// How many of the same it stands for.
    pub count: u64,
    /// What else was told.
    pub detail: String,
    /// The request that it belongs to: the last one, where `count` is above one.
    pub request_id: Option<String>,
    /// The hash of the record before, over all files.
    pub prev: String,
    /// The hash of this record.
    pub hash: String,
}

/// What the hash covers: [`Record`] without its hash.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Covered<'a> {
    seq: u64,
    time: &'a str,
    kind: &'a str,
    surface: &'a str,
    outcome: Outcome,
    denial: Option<&'a str>,
    subject: Option<&'a str>,
    count: u64,
    detail: &'a str,
    request_id: Option<&'a str>,
    prev: &'a str,
}

/// The end of a chain: what the next record is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number of the last record; zero before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

/// Seals events into records.
#[derive(Clone, Debug)]
pub struct Chain {
    end: Link,
}

impl Chain {
    /// A chain that has no record yet.
    #[must_use]
    pub fn new() -> Self {
        Self::resume(Link::default())
    }

    /// A chain that goes on behind `end`.
    #[must_use]
    pub fn resume(end: Link) -> Self {
        Self { end }
    }

    /// Binds `event` to the records before it. `time` is RFC 3339 in UTC.
    pub fn seal(&mut self, event: &Event, time: impl Into<String>) -> Record {
        let mut record = Record {
            seq: self.end.seq.saturating_add(1),
            time: time.into(),
            kind: Cow::Borrowed(event.kind().name()),
            surface: event.surface_cow().clone(),
            outcome: event.outcome(),
            denial: event.denial().map(|rule| Cow::Borrowed(rule.name())),
            subject: event.whose().map(str::to_owned),
            count: event.number(),
            detail: event.details().to_owned(),
            request_id: event.request_id().map(str::to_owned),
            prev: self.end.hash.clone(),
            hash: String::new(),
        };
        record.hash = record.covered_hash();
        self.end = record.link();
        record
    }

    /// What the next record will be bound to.
    #[must_use]
    pub fn end(&self) -> &Link {
        &self.end
    }
}

impl Record {
    /// Reads one line, without its line end.
    ///
    /// # Errors
    ///
    /// Text that is no record, that is not written exactly as we would write it
    /// (so that what is read back is as fit for a terminal as what was written),
    /// or whose hash is not its own.
    pub fn read(line: &str) -> Result<Self, Why> {
        let record: Self = serde_json::from_str(line).map_err(|_| Why::NotARecord)?;
        if record.line() != line || !record.is_clean() {
            return Err(Why::NotARecord);
        }
        if record.hash != record.covered_hash() {
            return Err(Why::Altered);
        }
        Ok(record)
    }

    /// The record as one line of JSON, without a line end.
    #[must_use]
    pub fn line(&self) -> String {
        json(self)
    }

    /// What the next record is bound to.
    #[must_use]
    pub fn link(&self) -> Link {
        Link {
            seq: self.seq,
            hash: self.hash.clone(),
        }
    }

    fn is_clean(&self) -> bool {
        let optional = [&self.subject, &self.request_id].map(Option::as_deref);
        let texts = [
            &*self.time,
            &self.kind,
            &self.surface,
            &self.detail,
            &self.prev,
            &self.hash,
        ];
        let denial = self.denial.as_deref();
        texts
            .into_iter()
            .chain(optional.into_iter().flatten())
            .chain(denial)
            .all(|text| sanitise(text) == text)
    }

    fn covered_hash(&self) -> String {
        let covered = Covered {
            seq: self.seq,
            time: &self.time,
            kind: &self.kind,
            surface: &self.surface,
            outcome: self.outcome,
            denial: self.denial.as_deref(),
            subject: self.subject.as_deref(),
            count: self.count,
            detail: &self.detail,
            request_id: self.request_id.as_deref(),
            prev: &self.prev,
        };
        let hash = Sha256::new()
            .chain_update(&self.prev)
            .chain_update(json(&covered))
            .finalize();
        hash.iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                text.push_str(&format!("{byte:02x}"));
                text
            })
    }
}

/// Numbers, strings and options of them always have a JSON form.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

// === impl Link ===

impl Default for Link {
    fn default() -> Self {
        Self {
            seq: 0,
            hash: GENESIS.to_owned(),
        }
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
    use crate::refusal::Rule;

    #[test]
    fn the_line_has_the_shape_of_the_api() {
        let event = Event::refused("claim", &Rule::TicketInvalid.into(), "r-1").subject("s_1");
        let record = Chain::new().seal(&event, "2026-11-23T16:14:32.000Z");
        let expected = format!(
            "{{\"seq\":1,\"time\":\"2026-11-23T16:14:32.000Z\",\"kind\":\"refused\",\
             \"surface\":\"claim\",\"outcome\":\"refused\",\"denial\":\"ticketInvalid\",\
             \"subject\":\"s_1\",\"count\":1,\"detail\":\"\",\"requestId\":\"r-1\",\
             \"prev\":\"{GENESIS}\",\"hash\":\"{}\"}}",
            record.hash
        );
        assert_eq!(record.line(), expected);
        assert_eq!(Record::read(&expected), Ok(record));
    }

    #[test]
    fn the_hash_is_reproduced_from_the_line_alone() {
        let record = Chain::new().seal(&Event::allowed(Kind::DaemonStarted, "daemon"), "t");
        let line = record.line();
        let covered = line.replace(&format!(",\"hash\":\"{}\"", record.hash), "");
        let hash = Sha256::digest(format!("{GENESIS}{covered}"));
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(record.hash, hex);
    }

    #[test]
    fn t92_a_forged_record_with_terminal_controls_is_not_read() {
        let event = Event::allowed(Kind::ConfigLoaded, "config");
        let mut record = Chain::new().seal(&event, "t");
        record.detail = "\u{1b}[2J".to_owned();
        record.hash = record.covered_hash();
        assert_eq!(Record::read(&record.line()), Err(Why::NotARecord));
    }

    #[test]
    fn t92_a_record_is_one_line_whatever_is_in_it() {
        let event =
            Event::allowed(Kind::ConfigLoaded, "a\nb".to_owned()).detail("\r\n\u{2028}\u{85}");
        let line = Chain::new().seal(&event, "t").line();
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains(['\r', '\n', '\u{2028}', '\u{85}']));
    }
}
