//! What was told of a folder, as far back as is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::change::Change;
use crate::defaults;

/// Why a page has to list a folder again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Lost {
    /// It is further behind than what is kept.
    Behind,
    /// What it says it has heard is of another run, or of a watch that has ended
    /// since.
    Restarted,
    /// The system lost count of what happened.
    Overflow,
    /// More changed at once than is told one by one.
    TooMany,
}

/// Changes that are told as one: a list, written down once for all who hear it.
#[derive(Clone, Debug)]
pub struct Changes(Arc<RawValue>);

/// The numbered past of one folder.
#[derive(Debug)]
pub(super) struct History {
    sequence: u64,
    /// Who is behind this has lost something, and why.
    floor: u64,
    why: Lost,
    kept: VecDeque<Changes>,
    bytes: usize,
}

/// What is next for who has heard everything up to a number.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Nothing,
    Changed(u64, Changes),
    Resync(u64, Lost),
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            sequence: 0,
            floor: 0,
            why: Lost::Behind,
            kept: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The number of what was told last.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether who has heard everything up to `sequence` can hear the rest.
    pub(super) fn reaches(&self, sequence: u64) -> bool {
        (self.floor..=self.sequence).contains(&sequence)
    }

    pub(super) fn tell(&mut self, changes: &[Change]) {
        for changes in Changes::written(changes) {
            self.sequence += 1;
            self.bytes += changes.size();
            self.kept.push_back(changes);
        }
        while self.kept.len() > defaults::WATCH_KEPT || self.bytes > defaults::WATCH_KEPT_BYTES {
            let oldest = self.kept.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.size());
            self.floor += 1;
            self.why = Lost::Behind;
        }
    }

    /// Something happened, and nobody knows what.
    pub(super) fn lose(&mut self, why: Lost) {
        self.sequence += 1;
        self.floor = self.sequence;
        self.why = why;
        self.kept.clear();
        self.bytes = 0;
    }

    pub(super) fn after(&self, heard: u64) -> Next {
        if heard >= self.sequence {
            return Next::Nothing;
        }
        let behind = heard.checked_sub(self.floor);
        let at = behind.and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| self.kept.get(at)) {
            Some(changes) => Next::Changed(heard + 1, changes.clone()),
            None => Next::Resync(self.sequence, self.why),
        }
    }
}

// === impl Changes ===

impl Changes {
    /// As few lists as [`defaults::WATCH_TOLD`] allows.
    fn written(changes: &[Change]) -> Vec<Self> {
        let mut lists = Vec::new();
        let mut list = String::new();
        for change in changes {
            let text = serde_json::to_string(change).unwrap_or_default();
            if !list.is_empty() && list.len() + text.len() + 2 > defaults::WATCH_TOLD {
                lists.push(std::mem::take(&mut list));
            }
            list.push(if list.is_empty() { '[' } else { ',' });
            list.push_str(&text);
        }
        lists.push(list);
        let closed = lists.into_iter().map(|list| list + "]");
        closed
            .filter_map(|list| RawValue::from_string(list).ok())
            .map(|list| Self(list.into()))
            .collect()
    }

    fn size(&self) -> usize {
        self.0.get().len()
    }
}

impl Serialize for Changes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::What;

    fn change(name: &str) -> Change {
        Change {
            name: name.to_owned(),
            what: What::Created,
            from: None,
        }
    }

    /// What is heard from `heard` on: names, or the number of a resync.
    fn hear(history: &History, mut heard: u64) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match history.after(heard) {
                Next::Nothing => return all,
                Next::Changed(sequence, changes) => {
                    assert_eq!(sequence, heard + 1);
                    all.push(changes.0.get().to_owned());
                    heard = sequence;
                }
                Next::Resync(sequence, why) => {
                    all.push(format!("{why:?} {sequence}"));
                    heard = sequence;
                }
            }
        }
    }

    #[test]
    fn who_was_away_hears_the_rest_in_order() {
        let mut history = History::new();
        history.tell(&[change("a")]);
        history.tell(&[change("b")]);
        let b = r#"[{"name":"b","what":"created"}]"#;
        assert_eq!(hear(&history, 1), [b]);
        assert_eq!(hear(&history, 0).len(), 2);
        assert!(hear(&history, 2).is_empty());
        assert!(history.reaches(0) && history.reaches(2) && !history.reaches(3));
    }

    #[test]
    fn what_is_kept_is_bounded_and_who_is_further_behind_is_told() {
        let mut history = History::new();
        for number in 0..defaults::WATCH_KEPT + 3 {
            history.tell(&[change(&number.to_string())]);
        }
        let last = history.sequence();
        assert_eq!(hear(&history, 2), [format!("Behind {last}")]);
        assert_eq!(hear(&history, 3).len(), defaults::WATCH_KEPT);
        let long = "x".repeat(defaults::WATCH_TOLD / 4);
        for _ in 0..40 {
            history.tell(&[change(&long), change(&long)]);
        }
        assert!(history.bytes <= defaults::WATCH_KEPT_BYTES);
        assert_eq!(
            history.bytes,
            history.kept.iter().map(Changes::size).sum::<usize>()
        );
    }

    #[test]
    fn a_loss_is_heard_by_all_who_had_not_heard_what_came_before() {
        let mut history = History::new();
        history.tell(&[change("a")]);
        history.lose(Lost::Overflow);
        history.tell(&[change("b")]);
        for heard in [0, 1] {
            assert_eq!(hear(&history, heard), ["Overflow 3"]);
        }
        assert_eq!(hear(&history, 2).len(), 1);
    }

    #[test]
    fn a_long_list_is_told_in_parts_that_fit() {
        let name = "\u{7}".repeat(255);
        let many: Vec<_> = (0..100).map(|_| change(&name)).collect();
        let mut history = History::new();
        history.tell(&many);
        assert!(history.sequence() > 1);
        let parts = hear(&history, 0);
        assert!(parts.iter().all(|part| part.len() <= defaults::WATCH_TOLD));
        let told = parts.iter().map(|part| part.matches("created").count());
        assert_eq!(told.sum::<usize>(), many.len());
    }
}
