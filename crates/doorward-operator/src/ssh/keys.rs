//! Host keys that are pinned, and the key that doorward signs in with.

use std::path::Path;

use russh::keys::ssh_key::public::KeyData;
use russh::keys::{
    self, Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey, PublicKeyOrCertificate,
};
use zeroize::Zeroizing;

use crate::defaults;
use crate::denial::{Denial, Denied};

/// The keys that a host may show. No others are believed, and nothing is learned.
#[derive(Clone, Debug)]
pub struct HostKeys(Vec<Pin>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pin {
    Key(KeyData),
    /// SHA-256, as `ssh-keygen -l` shows it.
    Fingerprint(String),
}

/// A text that is no host key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?}: write the key as in a .pub file (\"ssh-ed25519 AAAA…\"), or its fingerprint (\"SHA256:…\"); Ed25519 and ECDSA alone"
)]
pub struct NotAHostKey(String);

/// What is in a key's file.
pub(super) enum KeyFile {
    Open(Box<PrivateKey>),
    /// It needs a passphrase.
    Locked(Zeroizing<String>),
}

const SPOKEN: [Algorithm; 4] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
];

// === impl HostKeys ===

impl HostKeys {
    /// Reads keys or fingerprints, at least one.
    ///
    /// # Errors
    ///
    /// Anything else, RSA keys among it.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAHostKey> {
        let pins: Vec<_> = texts
            .into_iter()
            .map(Pin::parse)
            .collect::<Result<_, _>>()?;
        if pins.is_empty() {
            return Err(NotAHostKey(String::new()));
        }
        Ok(Self(pins))
    }

    /// Whether the host's key is pinned. A certificate is not: whoever signed it is.
    pub(super) fn knows(&self, shown: &PublicKeyOrCertificate) -> bool {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            return false;
        };
        self.0.iter().any(|pin| match pin {
            Pin::Key(data) => data == key.key_data(),
            Pin::Fingerprint(text) => key.fingerprint(HashAlg::Sha256).to_string() == *text,
        })
    }

    /// The algorithms of the keys: a host with several shows one that is pinned.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let any = |pin: &Pin| matches!(pin, Pin::Fingerprint(_));
        if self.0.iter().any(any) {
            return SPOKEN.to_vec();
        }
        let pinned = |algorithm: &Algorithm| {
            let mut pins = self.0.iter();
            pins.any(|pin| matches!(pin, Pin::Key(data) if data.algorithm() == *algorithm))
        };
        SPOKEN.into_iter().filter(pinned).collect()
    }
}

impl Pin {
    fn parse(text: &str) -> Result<Self, NotAHostKey> {
        let wrong = || NotAHostKey(text.chars().take(80).collect());
        let text = text.trim();
        if text.starts_with("SHA256:") {
            let print: keys::ssh_key::Fingerprint = text.parse().map_err(|_| wrong())?;
            return Ok(Self::Fingerprint(print.to_string()));
        }
        let key = PublicKey::from_openssh(text).map_err(|_| wrong())?;
        if !SPOKEN.contains(&key.algorithm()) {
            return Err(wrong());
        }
        Ok(Self::Key(key.key_data().clone()))
    }
}

// === impl KeyFile ===

impl KeyFile {
    /// Reads a private key, which only its owner may read.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` for a file that is not there, is another's, may be read
    /// by others, or holds no key that is spoken here.
    pub(super) fn read(path: &Path) -> Result<Self, Denied> {
        use std::io::Read as _;
        let unusable = |why: &dyn std::fmt::Display| {
            Denial::ServiceUnavailable.because(format!("the key cannot be used: {why}"))
        };
        let file = opened(path).map_err(|error| unusable(&error))?;
        let meta = file.metadata().map_err(|error| unusable(&error))?;
        private(&meta).map_err(|why| unusable(&why))?;
        let mut text = Zeroizing::new(String::new());
        file.take(defaults::KEY_FILE)
            .read_to_string(&mut text)
            .map_err(|error| unusable(&error))?;
        match keys::decode_secret_key(&text, None) {
            Ok(key) if SPOKEN.contains(&key.algorithm()) => Ok(Self::Open(Box::new(key))),
            Ok(_) => Err(unusable(&"it is neither Ed25519 nor ECDSA")),
            Err(keys::Error::KeyIsEncrypted) => Ok(Self::Locked(text)),
            Err(error) => Err(unusable(&error)),
        }
    }

    /// Opens the text of a locked key.
    ///
    /// # Errors
    ///
    /// `AuthenticationDenied` for a wrong passphrase.
    pub(super) fn unlock(text: &str, passphrase: &str) -> Result<PrivateKey, Denied> {
        keys::decode_secret_key(text, Some(passphrase))
            .ok()
            .filter(|key| SPOKEN.contains(&key.algorithm()))
            .ok_or_else(|| Denial::AuthenticationDenied.because("the key stays locked"))
    }
}

/// Opened without waiting: a pipe has nobody who writes to it.
#[cfg(unix)]
fn opened(path: &Path) -> std::io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn opened(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

#[cfg(unix)]
fn private(meta: &std::fs::Metadata) -> Result<(), &'static str> {
    use std::os::unix::fs::MetadataExt as _;
    if !meta.is_file() {
        return Err("it is no file");
    }
    let owner = meta.uid();
    if owner != rustix::process::getuid().as_raw() && owner != 0 {
        return Err("it belongs to another user");
    }
    if meta.mode() & 0o077 != 0 {
        return Err("others may read it: chmod 600");
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(meta: &std::fs::Metadata) -> Result<(), &'static str> {
    if !meta.is_file() {
        return Err("it is no file");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn shown(text: &str) -> PublicKeyOrCertificate {
        PublicKey::from_openssh(text).unwrap().into()
    }

    #[test]
    fn a_pin_is_a_key_or_its_fingerprint_and_knows_no_other() {
        let print = PublicKey::from_openssh(KEY)
            .unwrap()
            .fingerprint(HashAlg::Sha256)
            .to_string();
        for pin in [KEY, &format!("{KEY} root@host"), &print] {
            let pins = HostKeys::parse([pin]).unwrap();
            assert!(pins.knows(&shown(KEY)), "{pin}");
            assert!(!pins.knows(&shown(OTHER)), "{pin}");
        }
        assert_eq!(
            HostKeys::parse([KEY]).unwrap().algorithms(),
            [Algorithm::Ed25519]
        );
        assert_eq!(
            HostKeys::parse([print.as_str()]).unwrap().algorithms(),
            SPOKEN
        );
        assert!(HostKeys::parse([KEY, OTHER]).unwrap().knows(&shown(OTHER)));
    }

    #[test]
    fn what_is_no_host_key_is_refused() {
        for wrong in [
            "",
            "x",
            "ssh-ed25519",
            "SHA256:",
            "MD5:00",
            "ssh-ed25519 AAAA",
        ] {
            assert!(HostKeys::parse([wrong]).is_err(), "{wrong}");
        }
        assert!(HostKeys::parse([]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "no key").unwrap();
        for (mode, part) in [(0o640, "others may read it"), (0o600, "cannot be used")] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let denied = KeyFile::read(&path).err().unwrap();
            assert_eq!(denied.denial, Denial::ServiceUnavailable);
            assert!(denied.note.unwrap().contains(part));
        }
        assert!(KeyFile::read(folder.path()).is_err());
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let denied = KeyFile::read(&pipe).err().unwrap();
        assert!(denied.note.unwrap().contains("it is no file"));
        assert!(KeyFile::read(&folder.path().join("none")).is_err());
    }
}
