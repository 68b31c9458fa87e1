//! Paths as Sambee's pages write them.

use crate::drives::RelPath;

/// Why something is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPath {
    /// It has a `..`.
    Climbs,
    /// It names another drive by its letter.
    OtherDrive {
        /// The one that it names.
        named: char,
        /// The one that was asked for.
        meant: char,
    },
    /// It has no spelling in a folder.
    Unsound,
}

/// Reads a path on the drive with the id `drive`: backslashes are separators, leading
/// and doubled ones do not count, and a drive with a letter may be named by it.
///
/// # Errors
///
/// [`NoPath`].
pub fn read_path(text: &str, drive: &str) -> Result<RelPath, NoPath> {
    let text = text.replace('\\', "/");
    let mut rest = text.as_str();
    let mut letters = drive.chars();
    if let (Some(meant), None) = (letters.next(), letters.next()) {
        let mut start = text.chars();
        if let (Some(named), Some(':')) = (start.next(), start.next()) {
            if !named.eq_ignore_ascii_case(&meant) {
                return Err(NoPath::OtherDrive { named, meant });
            }
            rest = start.as_str();
        }
    }
    if rest.split('/').any(|name| name == "..") {
        return Err(NoPath::Climbs);
    }
    let names = rest.split('/').filter(|name| !matches!(*name, "" | "."));
    let names: Vec<_> = names.collect();
    RelPath::parse(&names.join("/")).map_err(|_| NoPath::Unsound)
}

impl NoPath {
    /// What Sambee says of it.
    #[must_use]
    pub fn detail(self) -> Option<String> {
        match self {
            Self::Climbs => Some("Path traversal not allowed".to_owned()),
            Self::OtherDrive { named, meant } => {
                let named = named.to_ascii_lowercase();
                Some(format!("Path targets drive {named}, not drive {meant}"))
            }
            Self::Unsound => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t56_paths_are_read_as_sambee_reads_them_and_none_climbs() {
        for (written, drive, meant) in [
            ("", "photos", ""),
            ("/", "photos", ""),
            ("a/b.txt", "photos", "a/b.txt"),
            ("//a\\b", "photos", "a/b"),
            ("a//b/./c/", "photos", "a/b/c"),
            ("C:\\x", "c", "x"),
            ("c:/x", "c", "x"),
            ("a..b/...", "photos", "a..b/..."),
            (".hidden", "photos", ".hidden"),
        ] {
            assert_eq!(
                read_path(written, drive).unwrap().as_str(),
                meant,
                "{written}"
            );
        }
        for climbs in ["..", "../x", "a/../b", "a\\..\\..\\b", "/..", "c:\\.."] {
            let drive = if climbs.starts_with("c:") {
                "c"
            } else {
                "photos"
            };
            assert_eq!(read_path(climbs, drive), Err(NoPath::Climbs), "{climbs}");
        }
        let other = read_path("C:/x", "d").unwrap_err();
        assert_eq!(other.detail().unwrap(), "Path targets drive c, not drive d");
        for unsound in ["a\0b", "a\nb", ".doorward-x", &"x".repeat(5_000)] {
            assert_eq!(read_path(unsound, "photos"), Err(NoPath::Unsound));
        }
    }
}
