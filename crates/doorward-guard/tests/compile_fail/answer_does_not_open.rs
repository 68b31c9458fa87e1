//! An answer cannot be turned into a response past the seal.

use doorward_guard::{Answer, Body};

fn main() {
    let _: http::Response<Body> = Answer::text("bare").response;
}
