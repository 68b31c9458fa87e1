//! A handler takes a permit.

use std::sync::Arc;

use doorward_guard::{Answer, Call, Policy, Surface};

async fn handler(_: Arc<()>, _: Call) -> Answer {
    Answer::text("unguarded")
}

fn main() {
    let _ = Surface::new("health", "/healthz", Policy::health(), (), ()).get("/", handler);
}
