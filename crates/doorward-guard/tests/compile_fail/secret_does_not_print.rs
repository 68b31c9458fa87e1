//! A secret has no way into a message.

use doorward_guard::Token;

fn main() {
    println!("{}", Token::random());
}
