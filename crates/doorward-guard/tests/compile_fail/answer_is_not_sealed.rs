//! What goes out is sealed, and only the guard seals.

use doorward_guard::{Answer, Sealed};

fn send(_: Sealed) {}

fn main() {
    send(Answer::text("bare"));
}
