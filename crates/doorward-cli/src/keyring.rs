//! Secrets of sources and of pairings, in the keyring of this user.
//!
//! The Secret Service of the desktop (GNOME Keyring, KWallet, KeePassXC), by
//! D-Bus. Where there is none, the keyring that the kernel keeps for this user,
//! which forgets at the next start of the machine. A secret is found by the name of
//! what it belongs to; that of a source is read when the source is asked first, not
//! before.

use std::fmt;
use std::time::Duration;

use doorward::guard::Clock;
use doorward::media::MediaError;
use doorward::media::source::{Credentials, Dialect, Issued, Provide, Providing, ServiceAccount};
use zeroize::Zeroizing;

use crate::failure::{Code, Failure};

/// For a person who types the keyring's password.
const UNLOCKED_WITHIN: Duration = Duration::from_secs(45);

/// Which keyring has a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "not every build knows keyrings")]
pub(crate) enum Kept {
    /// The desktop's: until it is removed.
    Desktop,
    /// The kernel's: until the machine starts again.
    Kernel,
}

/// Why a secret cannot be had, or kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "a build knows keyrings, or that it knows none")]
pub(crate) enum Trouble {
    /// There is no keyring to ask.
    Absent,
    /// It is locked, and nobody unlocked it.
    Locked,
    /// It has no secret under this name.
    Missing,
    /// It failed.
    Failed,
    /// This build knows no keyring.
    NotInThisBuild,
}

/// What the secret of the source `id` is called.
pub(crate) fn of_source(id: &str) -> String {
    format!("source:{id}")
}

/// What the keys of a pairing are called.
pub(crate) fn of_pairing(key_id: &str) -> String {
    format!("pairing:{key_id}")
}

/// The secret of one source, read whenever the store asks for it.
pub(crate) struct InKeyring {
    pub(crate) id: String,
    pub(crate) dialect: Dialect,
    /// The public half of an access key, or the account of an Azure store.
    pub(crate) key_id: Option<String>,
    pub(crate) clock: Clock,
}

/// Asks the keyring without waiting for it longer than [`UNLOCKED_WITHIN`]: a
/// prompt that nobody sees is never answered, and its program may be gone.
///
/// # Errors
///
/// What `work` says; [`Trouble::Locked`] if it says nothing.
pub(crate) async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    within(UNLOCKED_WITHIN, work).await
}

async fn within<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let (tell, told) = tokio::sync::oneshot::channel();
    // Not one of the runtime's threads: those are waited for at the end.
    std::thread::Builder::new()
        .name("doorward-keyring".to_owned())
        .spawn(move || {
            let _ = tell.send(work());
        })
        .map_err(|_| Trouble::Failed)?;
    match tokio::time::timeout(time, told).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Trouble::Failed),
        Err(_) => Err(Trouble::Locked),
    }
}

// === impl Trouble ===

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::Absent => "keyringAbsent",
            Self::Locked => "keyringLocked",
            Self::Missing => "secretMissing",
            Self::Failed => "keyringFailed",
            Self::NotInThisBuild => "notInThisBuild",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Absent => {
                "No keyring has this secret: no Secret Service answers on this session's D-Bus, and the kernel keeps none. Sign in to a desktop session, run `doorward source add`, or name environment variables in [source.credentials]."
            }
            Self::Locked => "The keyring is locked. Unlock it, then try again.",
            Self::Missing => {
                "The keyring has no secret for this source. `doorward source add` asks for it and keeps it there."
            }
            Self::Failed => {
                "The keyring does not work. Look at it with its own program, such as seahorse or kwalletmanager."
            }
            Self::NotInThisBuild => {
                "This doorward knows no keyring: use one for Linux that is built with the feature keyring, or name environment variables in [source.credentials]."
            }
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let code = match trouble {
            Trouble::Locked => Code::Refused,
            Trouble::Missing => Code::Config,
            Trouble::Absent | Trouble::Failed | Trouble::NotInThisBuild => Code::Failed,
        };
        Self::new(code, trouble.name(), trouble.sentence())
    }
}

impl From<Trouble> for MediaError {
    fn from(trouble: Trouble) -> Self {
        Self::CredentialsUnavailable(trouble.sentence(), trouble.name().to_owned())
    }
}

// === impl InKeyring ===

impl InKeyring {
    async fn issue(&self) -> Result<Issued, MediaError> {
        let name = of_source(&self.id);
        let secret = in_thread(move || read(&name)).await?;
        self.credentials(&secret).await
    }

    /// What a secret is, is told by the store that it is for, and by itself.
    async fn credentials(&self, secret: &str) -> Result<Issued, MediaError> {
        let credentials = match (self.dialect, &self.key_id) {
            (Dialect::Azure, _) if secret.contains("sig=") => Credentials::signature(secret)?,
            (Dialect::S3 | Dialect::Azure | Dialect::Gcs, Some(id)) => {
                Credentials::keys(id, secret, None)
            }
            (Dialect::Gcs, None) if secret.trim_start().starts_with('{') => {
                return ServiceAccount::parse(secret, &self.clock)?.provide().await;
            }
            _ => Credentials::bearer(secret)?,
        };
        Ok(Issued {
            credentials,
            expires: None,
            region: None,
        })
    }
}

impl Provide for InKeyring {
    fn provide(&self) -> Providing<'_> {
        Box::pin(self.issue())
    }
}

impl fmt::Debug for InKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InKeyring({})", self.id)
    }
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
pub(crate) use linux::{read, read_all, remove, write};

#[cfg(not(all(feature = "keyring", target_os = "linux")))]
pub(crate) use nowhere::{read, read_all, remove, write};

#[cfg(all(feature = "keyring", target_os = "linux"))]
mod linux;
#[cfg(not(all(feature = "keyring", target_os = "linux")))]
mod nowhere {
    use zeroize::Zeroizing;

    use super::{Kept, Trouble};

    pub(crate) fn read(_: &str) -> Result<Zeroizing<String>, Trouble> {
        Err(Trouble::NotInThisBuild)
    }

    pub(crate) fn read_all(_: &[String]) -> Result<Vec<Option<Zeroizing<String>>>, Trouble> {
        Err(Trouble::NotInThisBuild)
    }

    pub(crate) fn write(_: &str, _: &str) -> Result<Kept, Trouble> {
        Err(Trouble::NotInThisBuild)
    }

    pub(crate) fn remove(_: &str) -> Result<bool, Trouble> {
        Err(Trouble::NotInThisBuild)
    }
}

/// A secret that a person types, unseen, or that a program writes to stdin.
/// Never a word of the command line: those are seen by every process.
pub(crate) fn ask(what: &str) -> Result<Zeroizing<String>, Failure> {
    use std::io::{IsTerminal as _, Read as _};
    let failure = |why: &dyn fmt::Display| {
        Failure::new(Code::Failed, "noSecret", "cannot read the secret")
            .why(why)
            .next("Type it where it is asked for, or pipe it to stdin.")
    };
    let secret = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{what}: ")).map_err(|error| failure(&error))?
    } else {
        let mut text = Zeroizing::new(String::new());
        // Longer than any secret that a store knows.
        let mut input = std::io::stdin().lock().take(64 * 1024);
        input
            .read_to_string(&mut text)
            .map_err(|error| failure(&error))?;
        std::mem::take(&mut *text)
    };
    let secret = Zeroizing::new(secret);
    let trimmed = secret.trim();
    if trimmed.is_empty() {
        return Err(failure(&"it is empty"));
    }
    Ok(Zeroizing::new(trimmed.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dialect: Dialect, key_id: Option<&str>) -> InKeyring {
        InKeyring {
            id: "films".to_owned(),
            dialect,
            key_id: key_id.map(str::to_owned),
            clock: Clock::system(),
        }
    }

    #[tokio::test]
    async fn a_prompt_that_nobody_answers_is_a_locked_keyring() {
        let (keep, never) = std::sync::mpsc::sync_channel::<()>(0);
        let work = move || never.recv().map_err(|_| Trouble::Failed);
        let short = Duration::from_millis(20);
        assert_eq!(within(short, work).await, Err(Trouble::Locked));
        drop(keep);
        assert_eq!(in_thread(|| Ok(7)).await, Ok(7));
        assert_eq!(
            in_thread(|| -> Result<(), _> { panic!("it broke") }).await,
            Err(Trouble::Failed)
        );
    }

    #[tokio::test]
    async fn a_secret_is_what_its_store_takes() {
        for (dialect, id, secret, expected) in [
            (Dialect::S3, Some("AK"), "hush", "Keys"),
            (Dialect::Gcs, Some("AK"), "hush", "Keys"),
            (Dialect::Gcs, None, "ya29.hush", "Bearer"),
            (Dialect::Azure, Some("account"), "aHVzaA==", "Keys"),
            (
                Dialect::Azure,
                Some("account"),
                "?sv=1&sig=hush",
                "Signature",
            ),
            (Dialect::Web, None, "hush", "Bearer"),
        ] {
            let issued = of(dialect, id).credentials(secret).await.unwrap();
            let told = format!("{issued:?}");
            assert!(told.contains(expected) && !told.contains("hush"), "{told}");
        }
        let broken = of(Dialect::Gcs, None)
            .credentials("{\"type\":\"hush\"}")
            .await;
        assert!(!format!("{broken:?}").contains("hush"));
    }

    #[test]
    fn every_trouble_has_a_name_and_a_sentence() {
        let all = [
            Trouble::Absent,
            Trouble::Locked,
            Trouble::Missing,
            Trouble::Failed,
            Trouble::NotInThisBuild,
        ];
        let names: std::collections::HashSet<_> =
            all.iter().map(|trouble| trouble.name()).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|trouble| trouble.sentence().ends_with('.')));
    }
}
