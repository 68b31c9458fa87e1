//! Sambee's protocol, as far as it is arithmetic and spelling: what its pages
//! send to a companion on its fixed port, so that they work unchanged.
//!
//! It is weaker than everything else here, and good on its own listener alone. A
//! [`stamp`] covers the time and nothing else, so one that is seen is good for
//! thirty seconds, for any request. What may be done with it is bounded as
//! everywhere: by the folders that are shared, and by what the person approved.

mod drive;
mod id;
mod info;
mod origin;
mod path;
mod stamp;

pub use drive::{connection_of, drive_id, drive_of, drive_type};
pub use id::{code_of, pairing_id, read_nonce, read_pairing_id};
pub use info::{FileInfo, FileType};
pub use origin::normalise;
pub use path::{NoPath, read_path};
pub use stamp::{Presented, Secrets, StampRefusal, secret_text, stamp};
