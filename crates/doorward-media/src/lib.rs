//! Capability URLs for bytes.
//!
//! A [`Grant`](doorward_guard::Grant) opens one object of one [`source`] under an
//! unguessable URL, `/m/<token>`. It answers `GET` and `HEAD` with exact byte
//! ranges, is pinned to the version that it saw first, and ends running streams
//! when it is revoked or its time is over.
//!
//! | phase | where |
//! |---|---|
//! | what a name may be | [`name`] |
//! | where bytes come from | [`source`] |
//! | between a store and a stream | `fetch` |
//! | what a request asks for | [`range`], [`validator`] |
//! | what the object is | [`content_type`], [`disposition`] |
//! | what is answered | `play`, [`stream`], `multipart` |
//! | who may | [`grant`], [`media`] |
//! | routes | `surface`, `api_surface` |

pub mod api;
mod api_surface;
pub mod content_type;
pub mod defaults;
pub mod disposition;
pub mod error;
mod fetch;
pub mod grant;
pub mod media;
mod multipart;
pub mod name;
mod play;
pub mod range;
pub mod shelf;
pub mod source;
pub mod stream;
mod surface;
pub mod validator;

pub use error::MediaError;
pub use fetch::{FetchStats, MediaTuning};
pub use grant::{Cap, Caps, Disposition, MediaGrant};
pub use media::{About, Media, MediaEvent, MediaOptions, Minted, Totals};
pub use shelf::Location;
pub use source::{Addressing, Credentials, Dialect, Source, StoreConfig};
