//! What pages say and hear.

use doorward_guard::rules::json;
use doorward_guard::{Refusal, Rule};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::history::{Changes, Lost};
use crate::defaults;

/// What a page says. Strict: a field too many is refused.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Said {
    Subscribe {
        id: Name,
        folder: String,
        path: String,
        #[serde(default)]
        since: Option<Since>,
    },
    Unsubscribe {
        id: Name,
    },
    Ping {
        #[serde(default)]
        id: Option<Name>,
    },
}

/// What a page has heard of a folder.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    pub(super) epoch: String,
    pub(super) sequence: u64,
}

/// How a page calls its subscription: up to [`defaults::WATCH_ID`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(String);

/// What a page hears.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Told {
    /// The first message.
    #[serde(rename_all = "camelCase")]
    Hello {
        /// How many it may have, over all its sockets.
        subscriptions: usize,
    },
    /// It hears what changes from now on.
    #[serde(rename_all = "camelCase")]
    Subscribed {
        /// As the page called it.
        id: String,
        /// The folder that is shared.
        folder: String,
        /// The path in it.
        path: String,
        /// What the numbers belong to.
        epoch: String,
        /// The number before that of the next message.
        sequence: u64,
    },
    /// Something changed.
    #[serde(rename_all = "camelCase")]
    Changed {
        /// As the page called it.
        id: String,
        /// One more than before.
        sequence: u64,
        /// A list of [`Change`](super::Change)s.
        changes: Changes,
    },
    /// Something changed, and it is not told what: list the folder again.
    #[serde(rename_all = "camelCase")]
    Resync {
        /// As the page called it.
        id: String,
        /// The number before that of the next message.
        sequence: u64,
        /// Why it is not told.
        why: Lost,
    },
    /// The subscription has ended.
    #[serde(rename_all = "camelCase")]
    Gone {
        /// As the page called it.
        id: String,
        /// Why.
        why: Gone,
    },
    /// The page ended it.
    #[serde(rename_all = "camelCase")]
    Unsubscribed {
        /// As the page called it.
        id: String,
    },
    /// What the page said was not done.
    #[serde(rename_all = "camelCase")]
    Refused {
        /// As the page called it, as far as that could be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The rule.
        #[serde(rename = "denial", serialize_with = "name")]
        rule: Rule,
        /// Its sentence.
        message: &'static str,
    },
    /// The answer to a ping.
    #[serde(rename_all = "camelCase")]
    Pong {
        /// As the page called it.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
}

/// Why a subscription ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Gone {
    /// The folder was removed.
    Removed,
    /// The path leads elsewhere now, or nowhere.
    Moved,
    /// Its drive was taken away.
    Unmounted,
    /// The page may not read there any more.
    NotAllowed,
    /// This user may not read there any more.
    Unreadable,
    /// The system watches it no more.
    Failed,
}

impl Said {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// The rule that it breaks, and as much of its id as can be told back.
    pub(super) fn read(text: &str) -> Result<Self, (Option<String>, Rule)> {
        // A list would be taken for an object with its fields in order.
        let read = match text.trim_ascii_start().starts_with('{') {
            true => json::parse(text.as_bytes()),
            false => Err(Rule::InvalidJson.into()),
        };
        read.map_err(|refusal: Refusal| {
            let message = serde_json::from_str(text).ok();
            (message.as_ref().and_then(id_of), refusal.rule())
        })
    }
}

fn id_of(message: &Value) -> Option<String> {
    let id = message.get("id")?.as_str()?;
    (id.len() <= defaults::WATCH_ID).then(|| id.to_owned())
}

impl Told {
    /// What was not done because of `rule`.
    #[must_use]
    pub fn refused(id: Option<String>, rule: Rule) -> Self {
        Self::Refused {
            id,
            rule,
            message: rule.message(),
        }
    }

    /// The message as it is sent.
    #[must_use]
    pub fn text(&self) -> String {
        // Text, numbers and lists that were written before: nothing that fails.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn name<S: serde::Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.name())
}

// === impl Name ===

impl Name {
    pub(super) fn text(&self) -> String {
        self.0.clone()
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match (1..=defaults::WATCH_ID).contains(&text.len()) {
            true => Ok(Self(text)),
            false => Err("an id is empty or too long"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_strictly() {
        let since = r#"{"action":"subscribe","id":"s1","folder":"A","path":"b/c","since":{"epoch":"e","sequence":4}}"#;
        let read = Said::read(since).unwrap();
        assert!(matches!(
            read,
            Said::Subscribe {
                since: Some(Since { sequence: 4, .. }),
                ..
            }
        ));
        assert!(Said::read(r#"{"action":"ping"}"#).is_ok());
        let long = "x".repeat(defaults::WATCH_ID + 1);
        let long = format!(r#"{{"action":"unsubscribe","id":"{long}"}}"#);
        let twice = r#"{"action":"ping","id":"a","id":"b"}"#;
        for (bad, rule) in [
            (r#"{"action":"unsubscribe"}"#, Rule::InvalidJson),
            (r#"{"action":"unsubscribe","id":""}"#, Rule::InvalidJson),
            (r#"{"action":"unsubscribe","id":7}"#, Rule::InvalidJson),
            (r#"{"action":"shout","id":"a"}"#, Rule::InvalidJson),
            (r#"{"id":"a"}"#, Rule::InvalidJson),
            (r#"["ping"]"#, Rule::InvalidJson),
            ("", Rule::InvalidJson),
            (twice, Rule::InvalidJson),
            (&long, Rule::InvalidJson),
            (
                r#"{"action":"ping","id":"a","scope":"all"}"#,
                Rule::AuthorityFieldRejected,
            ),
            (r#"{"action":"ping","id":"a","more":1}"#, Rule::UnknownField),
            (
                r#"{"action":"subscribe","id":"a","folder":"A","path":"","recursive":true}"#,
                Rule::UnknownField,
            ),
            (
                r#"{"action":"subscribe","id":"a","folder":"A","path":"","since":{"epoch":"e","sequence":-1}}"#,
                Rule::InvalidJson,
            ),
        ] {
            assert_eq!(Said::read(bad).unwrap_err().1, rule, "{bad}");
        }
        let (id, _) = Said::read(r#"{"action":"shout","id":"a"}"#).unwrap_err();
        assert_eq!(id.as_deref(), Some("a"));
    }

    #[test]
    fn a_refusal_says_the_rule_by_its_name() {
        let told = Told::refused(Some("a".to_owned()), Rule::CapacityReached).text();
        assert!(
            told.starts_with(r#"{"kind":"refused","id":"a","denial":"capacityReached","message":"#)
        );
    }
}
