//! What happened to names, and many happenings as few.
//!
//! Changes are kept so that a page may have listed the folder at any moment between
//! them: applied in their order, each by looking at the name anew, they lead from
//! any state of the folder in this time to the last one. So what was created and
//! removed is told as removed, and not left out.

use std::collections::HashMap;

use serde::Serialize;

use crate::defaults;

/// What became of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It is there, and was not.
    Created,
    /// It is another than it was. Who does not know it takes it as created.
    Changed,
    /// It is there no more.
    Removed,
    /// It was called otherwise, and that name is there no more. Look at it anew.
    Renamed,
}

/// A change of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As the drives spell it.
    pub name: String,
    /// What became of it.
    pub what: What,
    /// How it was called before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What was not told yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: Vec<Option<Change>>,
    /// Where each name was spoken of last.
    last: HashMap<String, usize>,
    too_many: bool,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drained {
    Nothing,
    Changes(Vec<Change>),
    /// More than [`defaults::WATCH_PENDING`].
    TooMany,
}

impl Pending {
    pub(super) fn created(&mut self, name: String) {
        match self.own(&name) {
            Some(what @ What::Removed) => *what = What::Changed,
            Some(What::Created | What::Changed) => {}
            _ => self.push(name, What::Created, None),
        }
    }

    pub(super) fn changed(&mut self, name: String) {
        match self.own(&name) {
            Some(what @ What::Removed) => *what = What::Changed,
            Some(What::Created | What::Changed) => {}
            _ => self.push(name, What::Changed, None),
        }
    }

    pub(super) fn removed(&mut self, name: String) {
        match self.own(&name) {
            Some(what @ (What::Created | What::Changed)) => *what = What::Removed,
            Some(What::Removed) => {}
            _ => self.push(name, What::Removed, None),
        }
    }

    pub(super) fn renamed(&mut self, from: String, name: String) {
        if let Some(What::Created | What::Changed) = self.own(&from) {
            // The new name is looked at anew, and the old one is gone.
            let before = self.last.get(&from).copied();
            if let Some(slot) = before.and_then(|at| self.changes.get_mut(at)) {
                *slot = None;
            }
        }
        self.push(name, What::Renamed, Some(from));
    }

    pub(super) fn drain(&mut self) -> Drained {
        let Self {
            changes, too_many, ..
        } = std::mem::take(self);
        let changes: Vec<_> = changes.into_iter().flatten().collect();
        match (too_many, changes.is_empty()) {
            (true, _) => Drained::TooMany,
            (false, true) => Drained::Nothing,
            (false, false) => Drained::Changes(changes),
        }
    }

    /// What was said of `name` last, if that was of it alone.
    fn own(&mut self, name: &str) -> Option<&mut What> {
        let at = *self.last.get(name)?;
        let change = self.changes.get_mut(at)?.as_mut()?;
        (change.from.is_none()).then_some(&mut change.what)
    }

    fn push(&mut self, name: String, what: What, from: Option<String>) {
        if self.too_many || self.changes.len() >= defaults::WATCH_PENDING {
            (self.changes, self.last) = Default::default();
            self.too_many = true;
            return;
        }
        let at = self.changes.len();
        for name in from.iter().chain([&name]) {
            self.last.insert(name.clone(), at);
        }
        self.changes.push(Some(Change { name, what, from }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Folder = BTreeMap<u8, u32>;

    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Write(u8),
        Remove(u8),
        Rename(u8, u8),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let name = 0..4_u8;
        let deed = prop_oneof![
            name.clone().prop_map(Deed::Write),
            name.clone().prop_map(Deed::Remove),
            (name.clone(), name).prop_map(|(from, to)| Deed::Rename(from, to)),
        ];
        proptest::collection::vec(deed, 0..14)
    }

    /// Does it, and notes it as the system tells it.
    fn act(folder: &mut Folder, deed: Deed, version: u32, pending: &mut Pending) {
        match deed {
            Deed::Write(name) => match folder.insert(name, version) {
                None => pending.created(name.to_string()),
                Some(_) => pending.changed(name.to_string()),
            },
            Deed::Remove(name) => {
                if folder.remove(&name).is_some() {
                    pending.removed(name.to_string());
                }
            }
            Deed::Rename(from, to) if from != to => {
                if let Some(file) = folder.remove(&from) {
                    folder.insert(to, file);
                    pending.renamed(from.to_string(), to.to_string());
                }
            }
            Deed::Rename(..) => {}
        }
    }

    /// What a page makes of it that listed `seen`, and looks names up in `now`.
    fn apply(seen: &Folder, changes: &[Change], now: &Folder) -> Folder {
        let mut seen = seen.clone();
        for change in changes {
            if let Some(gone) = &change.from {
                seen.remove(&gone.parse().unwrap());
            }
            let name = change.name.parse().unwrap();
            match (change.what, now.get(&name)) {
                (What::Removed, _) | (_, None) => seen.remove(&name),
                (_, Some(&version)) => seen.insert(name, version),
            };
        }
        seen
    }

    proptest! {
        #[test]
        fn whenever_a_page_listed_the_folder_the_changes_lead_to_what_it_is(deeds in deeds()) {
            let mut pending = Pending::default();
            let mut folder = Folder::from([(0, 0), (1, 1)]);
            let mut states = vec![folder.clone()];
            for (version, &deed) in (10..).zip(&deeds) {
                act(&mut folder, deed, version, &mut pending);
                states.push(folder.clone());
            }
            let changes = match pending.drain() {
                Drained::Changes(changes) => changes,
                Drained::Nothing => Vec::new(),
                Drained::TooMany => unreachable!("fourteen are not too many"),
            };
            prop_assert!(changes.len() <= deeds.len());
            for seen in &states {
                prop_assert_eq!(&apply(seen, &changes, &folder), &folder);
            }
        }
    }

    fn told(note: impl Fn(&mut Pending)) -> Vec<(What, String)> {
        let mut pending = Pending::default();
        note(&mut pending);
        match pending.drain() {
            Drained::Changes(changes) => changes
                .into_iter()
                .map(|change| (change.what, change.name))
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_file_that_grows_is_told_once_and_one_that_is_saved_by_renaming_too() {
        let grown = told(|pending| {
            pending.created("a".to_owned());
            for _ in 0..10_000 {
                pending.changed("a".to_owned());
            }
        });
        assert_eq!(grown, [(What::Created, "a".to_owned())]);
        let saved = told(|pending| {
            pending.created("a.tmp".to_owned());
            pending.changed("a.tmp".to_owned());
            pending.renamed("a.tmp".to_owned(), "a".to_owned());
        });
        assert_eq!(saved, [(What::Renamed, "a".to_owned())]);
    }

    #[test]
    fn too_many_changes_are_said_to_be_too_many() {
        let mut pending = Pending::default();
        for number in 0..=defaults::WATCH_PENDING {
            pending.created(number.to_string());
        }
        pending.created("more".to_owned());
        assert!(pending.changes.is_empty());
        assert_eq!(pending.drain(), Drained::TooMany);
        pending.created("then".to_owned());
        assert!(matches!(pending.drain(), Drained::Changes(changes) if changes.len() == 1));
    }
}
