//! A surface cannot be made without a policy.

use doorward_guard::{Open, Surface};

fn main() {
    let _: Surface<Open, ()> = Surface::new("bare", "/bare", (), ());
}
