//! A policy for open callers does not guard a surface for sessions.

use std::sync::Arc;

use doorward_guard::{Policy, Session, Sessions, Surface};

fn surface(sessions: Arc<Sessions>) -> Surface<Session, ()> {
    Surface::new("api", "/api", Policy::health(), sessions, ())
}

fn main() {
    let _ = surface;
}
