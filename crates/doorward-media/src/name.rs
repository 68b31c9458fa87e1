//! Names of objects, parsed at the edge: [`RelPath`] inside of a folder, [`Key`]
//! inside of a bucket.

use std::fmt;

/// The longest name of either kind, in bytes. S3 allows 1,024; Linux paths end
/// at 4,096.
pub const LONGEST: usize = 4_096;

/// A path below a folder, with `/` between its segments. Cannot be absolute,
/// climb out, hide a segment, or mean something else on another platform.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelPath(Box<str>);

/// The name of an object in a bucket: any text that is not empty. `..`, `//`
/// and a leading `/` are ordinary parts of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Box<str>);

// === impl RelPath ===

impl RelPath {
    /// Reads a path. `None` if it is empty, absolute, longer than [`LONGEST`],
    /// has an empty, `.` or `..` segment, a NUL or a backslash; on Windows also
    /// what [`means_something_on_windows`] finds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sound = !text.is_empty()
            && text.len() <= LONGEST
            && !text.contains(['\0', '\\'])
            && text
                .split('/')
                .all(|segment| !matches!(segment, "" | "." | ".."))
            && !(cfg!(windows) && text.split('/').any(means_something_on_windows));
        sound.then(|| Self(text.into()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether Windows would read more into a segment than a name: a drive or an
/// alternate stream (`:`), a device (`CON`, `NUL.txt`), a trailing dot or space
/// that it would drop, a wildcard.
#[must_use]
pub fn means_something_on_windows(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().trim_end();
    let device = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
        .iter()
        .any(|name| stem.eq_ignore_ascii_case(name));
    let mut chars = stem.chars();
    let port: String = chars.by_ref().take(3).collect();
    let numbered = ["COM", "LPT"]
        .iter()
        .any(|name| port.eq_ignore_ascii_case(name))
        && matches!(
            (chars.next(), chars.next()),
            (Some('0'..='9' | '¹' | '²' | '³'), None)
        );
    device
        || numbered
        || segment.ends_with(['.', ' '])
        || segment.contains([':', '*', '?', '"', '<', '>', '|'])
        || segment.chars().any(char::is_control)
}

// === impl Key ===

impl Key {
    /// Any text that is not empty and no longer than [`LONGEST`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= LONGEST).then(|| Self(text.into()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names are private: they do not belong into logs.
impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath(.., {} bytes)", self.0.len())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(.., {} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t56_only_paths_that_stay_below_are_read() {
        for sound in [
            "a",
            "a/b",
            ".hidden",
            "a..b",
            "...",
            "a b/ü+%2e%2e",
            "%2e%2e/x",
            "C:x",
        ] {
            assert_eq!(
                RelPath::parse(sound).is_some(),
                !(cfg!(windows) && sound == "C:x"),
                "{sound}"
            );
        }
        let long = "a/".repeat(LONGEST);
        for unsound in [
            "",
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
            &long,
        ] {
            assert!(RelPath::parse(unsound).is_none(), "{unsound:?}");
        }
    }

    #[test]
    fn t56_windows_names_that_mean_more() {
        for special in [
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
            "a?b",
            "a|b",
            "PRN .txt",
            "tab\t",
        ] {
            assert!(means_something_on_windows(special), "{special:?}");
        }
        for plain in ["CONSOLE", "COM", "COM10", "nul_", "x.y", "lpt", "comma1"] {
            assert!(!means_something_on_windows(plain), "{plain:?}");
        }
    }

    #[test]
    fn m40_names_are_not_printed() {
        assert!(!format!("{:?}", RelPath::parse("private.txt")).contains("private"));
        assert!(!format!("{:?}", Key::parse("private.txt")).contains("private"));
    }
}
