//! Shared folders under Sambee's names for drives.

use sha2::{Digest as _, Sha256};

use super::id::hex;
use crate::drives::FolderKind;
use crate::pairing::FolderName;

/// What Sambee's pages put before a drive's id.
const CONNECTION: &str = "local-drive:";

/// The id of the folder called `name`. The name itself if that is one already, else
/// one that is made of it and of its hash: whichever other folders are shared, it
/// never means another.
#[must_use]
pub fn drive_id(name: &FolderName) -> String {
    let name = name.as_str();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.chars().all(is_plain) {
        return name.to_owned();
    }
    let small = name.to_lowercase();
    let slug: String = small
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    let digest = Sha256::digest(name.as_bytes());
    let mark = hex(digest.get(..4).unwrap_or_default());
    format!("{slug}-{mark}")
}

/// What a drive is to Sambee.
#[must_use]
pub fn drive_type(kind: FolderKind) -> &'static str {
    match kind {
        FolderKind::Folder | FolderKind::Fixed => "fixed",
        FolderKind::Removable => "removable",
        FolderKind::Network => "network",
        FolderKind::Virtual => "virtual",
        FolderKind::Unknown => "unknown",
    }
}

/// The id in a connection's name, which may be bare.
#[must_use]
pub fn drive_of(connection: &str) -> &str {
    connection.strip_prefix(CONNECTION).unwrap_or(connection)
}

/// The connection's name of a drive.
#[must_use]
pub fn connection_of(drive: &str) -> String {
    format!("{CONNECTION}{drive}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> String {
        drive_id(&FolderName::parse(name).unwrap())
    }

    #[test]
    fn an_id_stands_for_one_name_whatever_else_is_shared() {
        assert_eq!(id("photos"), "photos");
        assert_eq!(id("mnt-data_1.2"), "mnt-data_1.2");
        let ids = [
            id("Photos"),
            id("PHOTOS"),
            id("pho tos"),
            id("pho-tos"),
            id("Fotos \u{fc}"),
        ];
        let all: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(all.len(), ids.len());
        for id in &ids {
            assert!(
                id.bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'/'),
                "{id}"
            );
        }
        assert!(ids[0].starts_with("photos-"));
        assert_eq!(drive_of("local-drive:photos"), "photos");
        assert_eq!(drive_of("photos"), "photos");
        assert_eq!(connection_of("photos"), "local-drive:photos");
    }
}
