//! No policy comes by itself.

use doorward_guard::{Policy, Session};

fn main() {
    let _: Policy<Session> = Default::default();
}
