//! The keeper of the door on 127.0.0.1: one hardened way for a native process to
//! serve a browser or a webview on the same machine.
//!
//! [`Bridge`] puts it together: it binds the listeners, guards them, and mounts
//! the rooms and the console. The daemon `doorward` is built on exactly this.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let bridge = doorward::Bridge::builder().bind().await?.serve();
//! println!("open {}", bridge.launch_url(false)?);
//! bridge.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod audit_log;
pub mod bridge;
mod companion;
pub mod config;
mod console;
mod dispatch;
mod listener;
mod native;
pub mod platform;
mod report;
#[cfg(unix)]
pub mod runtime;
mod wire;

pub use bridge::{Bridge, BridgeBuilder, House, Listener, Serving};
pub use companion::{Companion, CompanionSettings, Keep, Listed, Opener, PairingView, VaultView};
pub use doorward_companion as companion_core;
pub use doorward_egress as egress;
pub use doorward_guard as guard;
pub use doorward_media as media;
pub use doorward_operator as operator;
pub use doorward_relay as relay;
pub use native::NATIVE_HOST;

/// What asks the person whether a page may be paired.
pub mod approve {
    pub use crate::companion::{
        Answer, Approval, Approve, Asked, Asking, Dialog, Hook, Hooked, Hooks, News, NoDialog,
        OnScreen, Outcome, Request,
    };
}
