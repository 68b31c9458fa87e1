//! The latest records, kept in memory.

use std::collections::VecDeque;

use super::record::Record;

/// The latest records, oldest first; the oldest makes room for a new one.
#[derive(Debug)]
pub struct Ring {
    most: usize,
    records: VecDeque<Record>,
}

/// Which records are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// Only records with a higher number.
    pub after: u64,
    /// At most so many: the latest.
    pub limit: usize,
    /// Only of this kind; `session` is every `session.…`.
    pub kind: Option<String>,
    /// Only of this surface.
    pub surface: Option<String>,
}

impl Ring {
    /// Keeps `most` records.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            records: VecDeque::new(),
        }
    }

    /// Adds the next record.
    pub fn push(&mut self, record: Record) {
        while self.records.len() >= self.most && self.records.pop_front().is_some() {}
        if self.most > 0 {
            self.records.push_back(record);
        }
    }

    /// The latest records that `select` asks for, oldest first.
    #[must_use]
    pub fn select(&self, select: &Select) -> Vec<Record> {
        let mut found: Vec<_> = self
            .records
            .iter()
            .rev()
            .take_while(|record| record.seq > select.after)
            .filter(|record| select.takes(record))
            .take(select.limit)
            .cloned()
            .collect();
        found.reverse();
        found
    }
}

impl Select {
    /// The latest `limit` records with a number above `after`.
    #[must_use]
    pub fn after(after: u64, limit: usize) -> Self {
        Self {
            after,
            limit,
            kind: None,
            surface: None,
        }
    }

    /// Whether `record` is asked for, the limit aside.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        record.seq > self.after
            && self.kind.as_deref().is_none_or(|kind| {
                let rest = record.kind.strip_prefix(kind);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            && self
                .surface
                .as_deref()
                .is_none_or(|surface| record.surface == surface)
    }
}
