//! One event, clean from the moment it is made.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::text::{redact, sanitise};
use crate::refusal::{Refusal, Rule};

/// Something that was decided. Every text that enters is redacted, escaped and
/// cut to [`defaults::LOG_FIELD`](crate::defaults::LOG_FIELD) bytes; there is no
/// other way to fill the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    kind: Kind,
    surface: Cow<'static, str>,
    denial: Option<Rule>,
    subject: Option<String>,
    count: u64,
    detail: String,
    request: Option<String>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It was done.
    Allowed,
    /// It was not.
    Refused,
}

impl Event {
    /// Something was done on the surface, or by the part, called `surface`.
    #[must_use]
    pub fn allowed(kind: Kind, surface: impl Into<Cow<'static, str>>) -> Self {
        let surface = match surface.into() {
            Cow::Borrowed(name) => sanitise(name),
            Cow::Owned(name) => Cow::Owned(clean(&name)),
        };
        Self {
            kind,
            surface,
            denial: None,
            subject: None,
            count: 1,
            detail: String::new(),
            request: None,
        }
    }

    /// A request was refused. The refusal's note becomes the detail.
    #[must_use]
    pub fn refused(
        surface: impl Into<Cow<'static, str>>,
        refusal: &Refusal,
        request_id: &str,
    ) -> Self {
        Self::allowed(Kind::Refused, surface)
            .denied(refusal.rule())
            .request(request_id)
            .detail(refusal.note.as_deref().unwrap_or_default())
    }

    /// Turns it into something that was not done, because of `rule`.
    #[must_use]
    pub fn denied(mut self, rule: Rule) -> Self {
        self.denial = Some(rule);
        self
    }

    /// Whose doing it was: the public name or lineage of a session or key, never
    /// a credential. Events without one come from callers that proved nothing.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = Some(clean(subject));
        self
    }

    /// How many of the same it stands for; one unless said otherwise.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// What else is worth telling: not names of objects, and no secrets.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        self.detail = clean(detail);
        self
    }

    /// The request that it belongs to.
    #[must_use]
    pub fn request(mut self, id: &str) -> Self {
        self.request = Some(clean(id));
        self
    }

    /// Adds `other` to this one: counts are summed, the latest request is named.
    pub(super) fn absorb(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.detail = other.detail;
        self.request = other.request;
    }

    pub(super) fn at_surface(mut self, surface: &'static str) -> Self {
        self.surface = Cow::Borrowed(surface);
        self
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The surface or part.
    #[must_use]
    pub fn surface(&self) -> &str {
        &self.surface
    }

    pub(super) fn surface_cow(&self) -> &Cow<'static, str> {
        &self.surface
    }

    /// What was decided.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.denial.is_none() {
            Outcome::Allowed
        } else {
            Outcome::Refused
        }
    }

    /// The rule that was broken.
    #[must_use]
    pub fn denial(&self) -> Option<Rule> {
        self.denial
    }

    /// Whose doing it was.
    #[must_use]
    pub fn whose(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// How many of the same it stands for.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.count
    }

    /// What else was told.
    #[must_use]
    pub fn details(&self) -> &str {
        &self.detail
    }

    /// The request that it belongs to.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request.as_deref()
    }

    /// Whether anybody can cause any number of these: a refusal of a caller that
    /// proved nothing.
    #[must_use]
    pub fn is_unproven_refusal(&self) -> bool {
        self.kind == Kind::Refused && self.denial.is_some() && self.subject.is_none()
    }
}

fn clean(text: &str) -> String {
    sanitise(&redact(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Token;

    #[test]
    fn t92_every_field_is_clean_on_entry() {
        let hostile = "a\r\n{\"seq\":1}\u{1b}[31m\u{202e}".repeat(100_000);
        let refusal = Refusal::from(Rule::HostNotAllowed).note(hostile.clone());
        let events = [
            Event::refused(hostile.clone(), &refusal, &hostile),
            Event::allowed(Kind::SourceAdded, hostile.clone())
                .subject(&hostile)
                .detail(&hostile),
        ];
        for event in events {
            let fields = [
                event.surface(),
                event.details(),
                event.whose().unwrap_or_default(),
                event.request_id().unwrap_or_default(),
            ];
            for field in fields {
                assert!(field.len() <= crate::defaults::LOG_FIELD);
                assert!(!field.chars().any(|c| c.is_control() || c == '\u{202e}'));
            }
        }
    }

    #[test]
    fn t91_a_token_in_any_field_is_redacted() {
        let token = Token::random().reveal().to_string();
        let refusal = Refusal::from(Rule::TicketInvalid).note(format!("ticket={token}"));
        let event = Event::refused(format!("/m/{token}"), &refusal, &token).subject(&token);
        assert!(!format!("{event:?}").contains(&token));
        assert!(event.details().contains("ticket=[redacted]"));
    }

    #[test]
    fn outcome_follows_the_denial() {
        let event = Event::allowed(Kind::GrantMinted, "grants").count(3);
        assert_eq!((event.outcome(), event.number()), (Outcome::Allowed, 3));
        assert!(!event.is_unproven_refusal());
        let event = event.denied(Rule::CapacityReached);
        assert_eq!(event.outcome(), Outcome::Refused);
        assert!(!event.is_unproven_refusal(), "a decision, though refused");
        let event = Event::refused("claim", &Rule::TicketInvalid.into(), "r-1");
        assert!(event.is_unproven_refusal());
        assert!(!event.subject("s_1").is_unproven_refusal());
    }
}
