//! Files that are opened in the native application.
//!
//! Deny by default: only types that are looked at or listened to, by their ending and
//! by their first bytes. Whatever could run is not opened, nor what a browser would
//! run code from.

use std::io::Read as _;
use std::path::PathBuf;

use cap_std::fs::Dir;

use super::error::DriveError;
use super::folders::Folder;
use super::handle::{self, Identity};
use super::path::RelPath;

/// Endings of documents, pictures, sound, films and books.
const OPENED: &[&str] = &[
    "aac", "avi", "avif", "bmp", "cbz", "csv", "doc", "docx", "epub", "flac", "gif", "heic",
    "heif", "ics", "jpeg", "jpg", "jxl", "key", "log", "m4a", "m4v", "md", "mkv", "mov", "mp3",
    "mp4", "mpeg", "mpg", "numbers", "odg", "odp", "ods", "odt", "oga", "ogg", "ogv", "opus",
    "pages", "pdf", "png", "ppt", "pptx", "rtf", "tif", "tiff", "tsv", "txt", "vcf", "wav", "webm",
    "webp", "wma", "wmv", "xls", "xlsx",
];

/// First bytes of what could run: scripts, ELF, Windows, macOS, Java.
const RUNS: &[&[u8]] = &[
    b"#!",
    b"\x7fELF",
    b"MZ",
    b"\xfe\xed\xfa",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"[Desktop Entry]",
];

/// Where the file at `path` is, if it may be opened.
pub(super) fn openable(folder: &Folder, root: &Dir, path: &RelPath) -> Result<PathBuf, DriveError> {
    let ending = path
        .as_str()
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let known = ending.is_some_and(|ending| OPENED.contains(&ending.as_str()));
    if !known {
        // It has to be there all the same, or its absence is what is told.
        handle::file(root, path)?;
        return Err(DriveError::OpenRefused);
    }
    let file = handle::file(root, path)?;
    let mut head = Vec::with_capacity(16);
    (&file).take(16).read_to_end(&mut head)?;
    if RUNS.iter().any(|start| head.starts_with(start)) {
        return Err(DriveError::OpenRefused);
    }
    // Applications take paths. This one led to the open file a moment ago.
    let place = std::fs::canonicalize(folder.path().join(path.native()))?;
    let there = cap_std::fs::Metadata::from_just_metadata(std::fs::metadata(&place)?);
    match Identity::of(&there) == Identity::of_file(&file)? {
        true if has_ending(&place) => Ok(place),
        true => Err(DriveError::OpenRefused),
        false => Err(DriveError::ChangedMeanwhile),
    }
}

/// A link does not lend its ending to what it leads to.
fn has_ending(path: &std::path::Path) -> bool {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| OPENED.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_sorted_and_none_of_them_runs() {
        assert!(OPENED.is_sorted());
        for runs in [
            "exe", "sh", "desktop", "html", "svg", "jar", "docm", "lnk", "appimage", "py", "url",
        ] {
            assert!(!OPENED.contains(&runs), "{runs}");
        }
    }
}
