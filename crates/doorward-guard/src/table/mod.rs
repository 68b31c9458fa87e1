//! What the guard remembers: bounded tables with expiry. Each keeps hashes of
//! tokens, never tokens, and is swept by its owner once a second.

pub mod attempts;
pub mod grants;
pub mod sessions;
