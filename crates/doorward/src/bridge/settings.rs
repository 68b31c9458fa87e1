//! Configuration, in the terms of the listeners and surfaces.

use doorward_guard::Ceiling;
use doorward_guard::gate::HeadLimits;

use crate::config::{Content, Control, Listener};
use crate::listener::Terms;
use crate::platform;
use crate::wire::Patience;

/// What the two listeners are told.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) control: Control,
    pub(super) content: Content,
}

impl Settings {
    pub(super) fn ceiling(&self) -> Ceiling {
        Ceiling {
            body: self.control.api_body,
            body_within: self.control.body_within,
            in_flight: self.control.in_flight,
        }
    }

    pub(super) fn control_terms(&self, cookie: &str) -> Terms {
        let listener = &self.control.listener;
        Terms {
            head: sized(HeadLimits::control(cookie), listener),
            patience: self.patience(listener),
            connections: listener.connections.min(platform::connections_that_fit()),
            check_peers: self.control.peer_check,
            // A page that is closed waits for nothing, and its place is another's.
            half_close: false,
        }
    }

    /// Peers are not looked up here: the token in the URL is the proof.
    pub(super) fn content_terms(&self) -> Terms {
        let listener = &self.content.listener;
        Terms {
            head: sized(HeadLimits::content(), listener),
            patience: self.patience(listener),
            connections: listener.connections.min(platform::connections_that_fit()),
            check_peers: false,
            half_close: true,
        }
    }

    pub(super) fn companion_terms(&self) -> Terms {
        Terms {
            head: sized(HeadLimits::companion(), &self.control.listener),
            ..self.control_terms("")
        }
    }

    pub(super) fn native_terms(&self) -> Terms {
        Terms {
            head: HeadLimits::native(),
            half_close: true,
            ..self.control_terms("")
        }
    }

    fn patience(&self, listener: &Listener) -> Patience {
        Patience {
            head: listener.head_within,
            idle: listener.idle_keep_alive,
            api_drain: self.control.api_drain,
            media_drain: self.content.media_drain,
        }
    }
}

/// The listener's own sizes; the relay's longer request line stays, because it is
/// for one prefix alone.
fn sized(head: HeadLimits, listener: &Listener) -> HeadLimits {
    HeadLimits {
        request_line: listener.request_line,
        header_line: listener.header_line,
        cookie_line: listener.cookie_line,
        header_count: listener.header_count,
        headers_total: listener.headers_total,
        ..head
    }
}
