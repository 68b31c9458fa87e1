//! Only the guard makes permits.

use doorward_guard::{Open, Permit};

fn main() {
    let _ = Permit::<Open>::new((), None, None.unwrap());
}
