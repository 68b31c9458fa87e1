//! What changes in a folder, told to pages as it happens.
//!
//! A page subscribes to folders, one by one, not to what is below them. It is told
//! names: what became of each it asks the drives. Each message has a number; a page
//! that was away says its last one and hears the rest, or that it missed some
//! (`resync`), and then lists the folder again. Nothing is lost in silence.
//!
//! | a page says | and hears |
//! |---|---|
//! | `{"action":"subscribe","id","folder","path","since"?:{"epoch","sequence"}}` | `{"kind":"subscribed","id","folder","path","epoch","sequence"}`, then what changes after `sequence` |
//! | `{"action":"unsubscribe","id"}` | `{"kind":"unsubscribed","id"}` |
//! | `{"action":"ping","id"?}` | `{"kind":"pong","id"?}` |
//! | anything else | `{"kind":"refused","id"?,"denial","message"}` |
//!
//! | it hears besides | |
//! |---|---|
//! | `{"kind":"hello","subscriptions"}` | how many it may have |
//! | `{"kind":"changed","id","sequence","changes":[{"name","what","from"?}]}` | see [`Change`] |
//! | `{"kind":"resync","id","sequence","why"}` | see [`Lost`] |
//! | `{"kind":"gone","id","why"}` | the subscription is over, see [`Gone`] |
//!
//! List the folder after `subscribed`, never before. Numbers of a subscription have
//! no gaps but those that a `resync` fills.
//!
//! What is watched is the folder that was opened beneath its root, never a path. As
//! long as it is watched, everything that is told was asked again: whether the page
//! may still read there, and whether the path still leads to that very folder. So
//! neither a swapped link nor a folder that is moved away tells anything of another
//! place. Changes that another machine makes on a network drive are not seen: the
//! system does not tell them.

mod change;
mod history;
mod message;
mod platform;
mod session;
mod table;
#[cfg(test)]
mod tests;
mod watcher;

pub use change::{Change, What};
pub use history::Lost;
pub use message::{Gone, Told};
pub use session::{Open, Opening, Session};
pub use watcher::{Watcher, open_folder};
