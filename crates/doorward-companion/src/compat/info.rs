//! Files in Sambee's shape.

use serde::Serialize;
use serde_json::Value;

use crate::drives::{Entry, EntryKind};

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    /// Its name.
    pub name: String,
    /// Where it is on its drive.
    pub path: String,
    /// What it is. There are only two.
    #[serde(rename = "type")]
    pub kind: FileType,
    /// Bytes of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// By its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<String>,
    /// Always: what cannot be read is told when it is.
    pub is_readable: bool,
    /// Whether its name begins with a dot.
    pub is_hidden: bool,
}

/// See [`FileInfo::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileType {
    /// Anything but a folder.
    File,
    /// A folder.
    Directory,
}

impl FileInfo {
    /// As it is listed: a link is a file without a size, whatever it leads to.
    #[must_use]
    pub fn listed(entry: &Entry) -> Self {
        Self::shown(entry, entry.kind)
    }

    /// As it is looked at: a link is what it leads to.
    #[must_use]
    pub fn looked_at(entry: &Entry) -> Self {
        Self::shown(entry, entry.leads_to.unwrap_or(entry.kind))
    }

    /// What stands in the way, or is to come, of a conflict: an entry as JSON.
    #[must_use]
    pub fn of_conflict(told: &Value) -> Option<Self> {
        let text = |key: &str| told.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = text("name")?;
        Some(Self {
            path: text("path")?,
            kind: match told.get("kind").and_then(Value::as_str)? {
                "directory" => FileType::Directory,
                _ => FileType::File,
            },
            size: told.get("size").and_then(Value::as_u64),
            mime_type: text("mediaType"),
            created_at: text("createdAt"),
            modified_at: text("modifiedAt"),
            is_readable: true,
            is_hidden: name.starts_with('.'),
            name,
        })
    }

    fn shown(entry: &Entry, kind: EntryKind) -> Self {
        let is_file = kind == EntryKind::File;
        Self {
            name: entry.name.clone(),
            path: entry.path.clone(),
            kind: match kind {
                EntryKind::Directory => FileType::Directory,
                EntryKind::File | EntryKind::Symlink | EntryKind::Other => FileType::File,
            },
            size: entry.size.filter(|_| is_file),
            mime_type: entry.media_type.clone().filter(|_| is_file),
            created_at: entry.created_at.clone(),
            modified_at: entry.modified_at.clone(),
            is_readable: true,
            is_hidden: entry.name.starts_with('.'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out_and_links_are_files() {
        let link = Entry {
            name: ".l".to_owned(),
            path: "a/.l".to_owned(),
            kind: EntryKind::Symlink,
            leads_to: Some(EntryKind::Directory),
            size: None,
            modified_at: None,
            created_at: None,
            hidden: true,
            read_only: false,
            media_type: None,
            etag: None,
        };
        let told = |info: &FileInfo| serde_json::to_string(info).unwrap();
        assert_eq!(
            told(&FileInfo::listed(&link)),
            r#"{"name":".l","path":"a/.l","type":"file","is_readable":true,"is_hidden":true}"#
        );
        assert_eq!(FileInfo::looked_at(&link).kind, FileType::Directory);
        let file = Entry {
            kind: EntryKind::File,
            leads_to: None,
            size: Some(3),
            media_type: Some("text/plain".to_owned()),
            ..link
        };
        let conflict = FileInfo::of_conflict(&serde_json::to_value(&file).unwrap());
        assert_eq!(conflict.unwrap(), FileInfo::listed(&file));
        assert_eq!(FileInfo::of_conflict(&Value::Null), None);
    }
}
