//! A locked screen ends the request that is shown: nobody is in front of it any more,
//! and who unlocks it may be somebody else.
//!
//! Told by logind over the system's D-Bus, of the sessions of this user: by desktops
//! that say that they are locked (`LockedHint`), and when a session is told to lock
//! (`Lock`). Where there is no logind, nothing is noticed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use doorward::Companion;
use futures_util::stream::{TryStreamExt as _, select};
use zbus::message::Type;
use zbus::zvariant::{OwnedObjectPath, Value};
use zbus::{Connection, MatchRule, Message, MessageStream, Proxy};

const LOGIND: &str = "org.freedesktop.login1";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A bus that is not there is looked for again after this: it may be restarted.
const AGAIN: Duration = Duration::from_secs(30);

/// Watches for as long as `companion` runs.
pub(crate) fn watch(companion: &Arc<Companion>) {
    let companion = Arc::downgrade(companion);
    tokio::spawn(async move {
        while companion.strong_count() > 0 {
            let lock = || {
                if let Some(companion) = companion.upgrade() {
                    companion.screen_locked();
                }
            };
            if let Err(why) = follow(lock).await {
                tracing::debug!(%why, "a locked screen is not noticed");
            }
            tokio::time::sleep(AGAIN).await;
        }
    });
}

async fn follow(lock: impl Fn()) -> zbus::Result<()> {
    let bus = Connection::system().await?;
    let signal = || MatchRule::builder().msg_type(Type::Signal).sender(LOGIND);
    let told = signal()?.interface(SESSION)?.member("Lock")?.build();
    let changed = signal()?
        .interface(PROPERTIES)?
        .member("PropertiesChanged")?
        .arg(0, SESSION)?
        .build();
    let told = MessageStream::for_match_rule(told, &bus, None).await?;
    let changed = MessageStream::for_match_rule(changed, &bus, None).await?;
    let mut signals = select(told, changed);
    while let Some(signal) = signals.try_next().await? {
        // A session that is gone already was locked all the same.
        if says_locked(&signal) && is_ours(&bus, &signal).await.unwrap_or(true) {
            lock();
        }
    }
    Ok(())
}

fn says_locked(signal: &Message) -> bool {
    let header = signal.header();
    if header.member().is_some_and(|member| member == "Lock") {
        return true;
    }
    let body = signal.body();
    let read = body.deserialize::<(&str, HashMap<&str, Value<'_>>, Vec<&str>)>();
    read.is_ok_and(|(_, changed, _)| changed.get("LockedHint") == Some(&Value::Bool(true)))
}

/// Whether the session that a signal is about is of the user who runs this.
async fn is_ours(bus: &Connection, signal: &Message) -> zbus::Result<bool> {
    let header = signal.header();
    let session = header.path().ok_or(zbus::Error::MissingField)?.to_owned();
    let session = Proxy::new(bus, LOGIND, session, SESSION).await?;
    let (user, _) = session
        .get_property::<(u32, OwnedObjectPath)>("User")
        .await?;
    Ok(user == rustix::process::geteuid().as_raw())
}
