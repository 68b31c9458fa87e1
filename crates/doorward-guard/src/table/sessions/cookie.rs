//! The session's cookie, and the one switch between its two forms.

use std::time::Duration;

use crate::secret::Token;

/// What carries the cookie between the browser and this listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieTransport {
    /// HTTP on loopback. No `Secure`: WebKitGTK drops such cookies there.
    #[default]
    Plain,
    /// TLS, or a scheme that browsers hold to be as good. `Secure`, and a name that
    /// begins with `__Host-`: browsers then take it for this very host alone.
    Secure,
}

/// The cookie's name and attributes. Setting and clearing differ in the value and
/// `Max-Age` alone, or a browser would keep what it is told to drop.
#[derive(Debug)]
pub(super) struct SessionCookie {
    name: String,
    attributes: &'static str,
}

impl SessionCookie {
    /// For the listener on `port`: it is part of the name, because cookies are not
    /// kept apart by port.
    pub(super) fn new(port: u16, transport: CookieTransport) -> Self {
        let (prefix, attributes) = match transport {
            CookieTransport::Plain => ("", "HttpOnly; SameSite=Strict; Path=/"),
            CookieTransport::Secure => ("__Host-", "HttpOnly; SameSite=Strict; Path=/; Secure"),
        };
        Self {
            name: format!("{prefix}doorward_{port}"),
            attributes,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn set(&self, id: &Token, life: Duration) -> String {
        self.line(&id.reveal(), life.as_secs())
    }

    pub(super) fn clear(&self) -> String {
        self.line("", 0)
    }

    fn line(&self, value: &str, max_age: u64) -> String {
        let Self { name, attributes } = self;
        format!("{name}={value}; {attributes}; Max-Age={max_age}")
    }
}
