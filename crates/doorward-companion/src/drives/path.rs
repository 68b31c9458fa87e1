//! Paths inside of a folder, parsed at the edge: they cannot be absolute, climb
//! out, or have a second spelling.
//!
//! A path is text: names with `/` between them. Names that are not text stay
//! addressable: each byte that is not UTF-8, each control character and each
//! backslash is written `\xHH`, and nothing else is. So each file has one spelling,
//! and a backslash never means a separator. Unicode forms are kept as they are: a
//! file system may take two of them for one file, which is why sameness is judged by
//! what is open and never by spelling.
//!
//! What is there already stays readable under whatever name it has. Names for new
//! files ([`NewName`]) must mean the same on every system.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::error::DriveError;
use crate::defaults;

/// A path below a folder; the folder itself is the empty one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RelPath(Box<str>);

/// A name that a new file may have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NewName(Box<str>);

/// What the names of our own unfinished files begin with. No page sees or names them.
pub(super) const OURS: &str = ".doorward-";

impl RelPath {
    /// The folder itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path.
    ///
    /// # Errors
    ///
    /// [`DriveError::PathRefused`] if it is absolute, longer than
    /// [`defaults::PATH`], has an empty, `.` or `..` name, a control character, an
    /// escape that is not needed or a name of ours; on Windows also a colon.
    pub fn parse(text: &str) -> Result<Self, DriveError> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        let sound = text.len() <= defaults::PATH && text.split('/').all(is_sound);
        match sound {
            true => Ok(Self(text.into())),
            false => Err(DriveError::PathRefused),
        }
    }

    /// Whether it is the folder itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is spelled.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `name` in this one; `None` if it cannot be addressed: it would be
    /// too long, is one of ours, or has no spelling on this system.
    #[must_use]
    pub fn join(&self, name: &OsStr) -> Option<Self> {
        let name = spell(name)?;
        let text = match self.is_root() {
            true => name,
            false => format!("{}/{name}", self.0),
        };
        Self::parse(&text).ok()
    }

    /// The folder that it is in, and its name there; `None` for the folder itself.
    #[must_use]
    pub fn split(&self) -> Option<(Self, OsString)> {
        if self.is_root() {
            return None;
        }
        let (parent, name) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        Some((Self(parent.into()), unspell(name)?))
    }

    /// As the system takes it, below an open folder.
    #[must_use]
    pub fn native(&self) -> PathBuf {
        if self.is_root() {
            return PathBuf::from(".");
        }
        let names = self.0.split('/');
        names
            .map(|name| unspell(name).unwrap_or_default())
            .collect()
    }

    /// How many names it has.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self.is_root() {
            true => 0,
            false => self.0.split('/').count(),
        }
    }
}

impl NewName {
    /// Reads a name for a new file.
    ///
    /// # Errors
    ///
    /// [`DriveError::NameRefused`] if it is no name, is longer than
    /// [`defaults::NAME`], ends with a dot or space, begins with a space, is a device
    /// of Windows, has a character that no system or not every system takes, or one
    /// that turns the reading direction.
    pub fn parse(text: &str) -> Result<Self, DriveError> {
        let sound = is_sound(text)
            && text.len() <= defaults::NAME
            && !text.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
            && !text.ends_with(['.', ' '])
            && !text.starts_with(' ')
            && !text.chars().any(misleads)
            && !is_device(text);
        match sound {
            true => Ok(Self(text.into())),
            false => Err(DriveError::NameRefused),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, as the system takes it.
    #[must_use]
    pub fn as_os(&self) -> &OsStr {
        OsStr::new(&*self.0)
    }
}

/// A name as it is spelled; `None` if it has no spelling on this system.
pub(super) fn spell(name: &OsStr) -> Option<String> {
    if name
        .as_encoded_bytes()
        .iter()
        .any(|byte| matches!(byte, b'/' | 0))
    {
        return None;
    }
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter == '\\' || letter.is_control() {
                true if cfg!(windows) => return None,
                true => {
                    let mut bytes = [0; 4];
                    escape(&mut text, letter.encode_utf8(&mut bytes).as_bytes());
                }
                false => text.push(letter),
            }
        }
        if cfg!(windows) && !chunk.invalid().is_empty() {
            return None;
        }
        escape(&mut text, chunk.invalid());
    }
    Some(text)
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// The name that is spelled so; `None` if `text` is not how it is spelled.
#[cfg(unix)]
fn unspell(text: &str) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt as _;
    let mut parts = text.split('\\');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.strip_prefix('x')?.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    let name = OsString::from_vec(bytes);
    (spell(&name)? == text).then_some(name)
}

/// Elsewhere every name that can be addressed is text.
#[cfg(not(unix))]
fn unspell(text: &str) -> Option<OsString> {
    (!text.contains('\\')).then(|| OsString::from(text))
}

/// Whether it is one name, of a file that is there.
fn is_sound(name: &str) -> bool {
    let has_colon = cfg!(windows) && name.contains(':');
    let plain = !matches!(name, "" | "." | "..")
        && !name.contains(['/', '\0'])
        && !name.chars().any(char::is_control)
        && !name.starts_with(OURS)
        && !has_colon
        && !(cfg!(windows) && (is_device(name) || name.ends_with(['.', ' '])));
    plain
        && unspell(name).is_some_and(|name| {
            let bytes = name.as_encoded_bytes();
            bytes != b"." && bytes != b".." && !bytes.contains(&0) && !bytes.contains(&b'/')
        })
}

/// Overrides and isolates of the reading direction, and characters without width:
/// with them a name looks like another.
fn misleads(letter: char) -> bool {
    matches!(letter,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{2060}' | '\u{feff}'
        | '\u{2028}' | '\u{2029}')
}

/// Whether Windows would open a device instead: `CON`, `nul.txt`, `COM1`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is = |device: &&str| stem.eq_ignore_ascii_case(device);
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
        .iter()
        .any(is)
    {
        return true;
    }
    let mut letters = stem.chars();
    let port: String = letters.by_ref().take(3).collect();
    let numbered = matches!(
        (letters.next(), letters.next()),
        (Some('0'..='9' | '¹' | '²' | '³'), None)
    );
    numbered
        && ["COM", "LPT"]
            .iter()
            .any(|name| port.eq_ignore_ascii_case(name))
}

/// Names are private: they do not belong into logs.
impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath(.., {} bytes)", self.0.len())
    }
}

impl fmt::Debug for NewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewName(.., {} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t56_only_paths_that_stay_below_are_read() {
        for sound in [
            "",
            "a",
            "a/b",
            ".hidden",
            "a..b",
            "...",
            "a b/ü+%2e%2e",
            "%2e%2e/x",
            "e\u{301}",
        ] {
            assert!(RelPath::parse(sound).is_ok(), "{sound}");
        }
        let long = "a/".repeat(defaults::PATH);
        for unsound in [
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/..",
            "a/../b",
            ".",
            "./a",
            "a/.",
            "a//b",
            "a/",
            "//server/share",
            "a\\b",
            "..\\x",
            "\\\\?\\C:\\x",
            "a\0b",
            "\0",
            "a\nb",
            "\u{7f}",
            "\\x2e\\x2e",
            "\\x2e./x",
            "a\\x2fb",
            "\\x00",
            "\\x41",
            "\\xFF",
            "\\x5C",
            "\\x",
            "\\xf",
            "a\\x0",
            "\\xc3\\xa9",
            ".doorward-x",
            "a/.doorward-part",
            &long,
        ] {
            assert_eq!(
                RelPath::parse(unsound),
                Err(DriveError::PathRefused),
                "{unsound:?}"
            );
        }
    }

    #[test]
    fn t56_new_names_mean_the_same_everywhere() {
        for plain in [
            "a",
            "CONSOLE",
            "COM",
            "COM10",
            "nul_",
            ".env",
            "x.y",
            "ünï",
            "comma1.txt",
            "日本",
        ] {
            assert!(NewName::parse(plain).is_ok(), "{plain:?}");
        }
        let long = "x".repeat(defaults::NAME + 1);
        for special in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "CON",
            "con",
            "NUL.txt",
            "aux.tar.gz",
            "COM1",
            "lpt9.x",
            "com²",
            "C:",
            "x:stream",
            "x.",
            "x ",
            " x",
            "a?b",
            "a|b",
            "PRN .txt",
            "tab\t",
            "a\0",
            "photo\u{202e}gpj.exe",
            "a\u{200b}",
            ".doorward-x",
            &long,
        ] {
            assert_eq!(
                NewName::parse(special),
                Err(DriveError::NameRefused),
                "{special:?}"
            );
        }
    }

    #[test]
    fn names_are_not_printed() {
        let path = RelPath::parse("private.txt").unwrap();
        assert!(!format!("{path:?}").contains("private"));
    }

    #[cfg(unix)]
    proptest! {
        #[test]
        fn every_name_has_one_spelling(bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
            use std::os::unix::ffi::OsStrExt as _;
            let name = OsStr::from_bytes(&bytes);
            let addressed = RelPath::root().join(name);
            let sound = !bytes.contains(&0)
                && !bytes.contains(&b'/')
                && bytes != b"."
                && bytes != b".."
                && !bytes.starts_with(OURS.as_bytes());
            prop_assert_eq!(addressed.is_some(), sound);
            if let Some(path) = addressed {
                let (parent, back) = path.split().unwrap();
                prop_assert!(parent.is_root());
                prop_assert_eq!(back.as_bytes(), name.as_bytes());
                let native = path.native();
                prop_assert_eq!(native.as_os_str().as_bytes(), name.as_bytes());
            }
        }

        #[test]
        fn what_is_read_is_its_own_spelling(text in "[a./\\\\x0-9\u{1}é]{0,12}") {
            if let Ok(path) = RelPath::parse(&text) {
                let mut again = RelPath::root();
                for name in path.native().iter().filter(|_| !path.is_root()) {
                    again = again.join(name).unwrap();
                }
                prop_assert_eq!(again.as_str(), text.as_str());
                prop_assert!(!path.native().is_absolute());
            }
        }
    }
}
