//! A handler takes the permit of its own surface's caller.

use std::sync::Arc;

use doorward_guard::{Answer, Call, Open, Permit, Policy, Sessions, Surface};

async fn handler(_: Arc<()>, _: Permit<Open>, _: Call) -> Answer {
    Answer::text("secret")
}

fn surface(sessions: Arc<Sessions>) {
    let _ = Surface::new("api", "/api", Policy::console_api(), sessions, ()).get("/", handler);
}

fn main() {
    let _ = surface;
}
