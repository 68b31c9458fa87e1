//! What an object is: its media type, and how the console shows it.
//!
//! Stores often say `application/octet-stream`; then the name's extension
//! decides, and after it the first bytes. A type is *active* when a browser
//! would run code from it, or load it as a document that can. Active objects
//! are answered as plain text unless the grant says otherwise (`play`).

mod known;

use std::borrow::Cow;

use http::HeaderValue;
use serde::Serialize;

use known::{ARCHIVES, EXTENSIONS, magic};

/// A media type: lower-case essence, and a charset where one was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    essence: Cow<'static, str>,
    charset: Option<Box<str>>,
}

/// How the console shows an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum View {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// Sound.
    Audio,
    /// A PDF document.
    Pdf,
    /// Text and data as text.
    Text,
    /// Markdown.
    Markdown,
    /// HTML, SVG, XML, scripts: shown as text unless isolated.
    Active,
    /// An archive.
    Archive,
    /// Anything else.
    Other,
    /// A folder.
    Folder,
}

/// Bytes that the first bytes of an object need for [`ContentType::settle`].
pub const SNIFF: u64 = 512;

/// What an object is of which nothing is known.
pub const OCTET_STREAM: &str = "application/octet-stream";

// === impl ContentType ===

impl ContentType {
    /// Reads a declared type. `None` if it is malformed, or one of the types
    /// with which stores and upload forms say that they do not know.
    #[must_use]
    pub fn declared(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        let is_token = |text: &str| {
            let marks = b"!#$&^_.+-";
            !text.is_empty()
                && text.len() <= 127
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
        };
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let unknown = [
            OCTET_STREAM,
            "binary/octet-stream",
            "application/x-www-form-urlencoded",
            "application/unknown",
            "application/x-unknown",
            "application/x-directory",
            "multipart/form-data",
            "unknown/unknown",
        ];
        if unknown.contains(&essence.as_str()) {
            return None;
        }
        let charset = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"');
            let sound = name.trim().eq_ignore_ascii_case("charset")
                && !value.is_empty()
                && value.len() <= 40
                && value
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            sound.then(|| value.into())
        });
        Some(Self {
            essence: essence.into(),
            charset,
        })
    }

    /// The type by the extension of `name`, if it is one that we know.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        let extension = extension.to_ascii_lowercase();
        let found = EXTENSIONS
            .iter()
            .find(|(_, all)| all.contains(&extension.as_str()))?;
        Some(Self::fixed(found.0))
    }

    /// The type by an object's first bytes, if they give it away.
    #[must_use]
    pub fn by_magic(head: &[u8]) -> Option<Self> {
        magic(head).map(Self::fixed)
    }

    /// The type to answer with: declared, else by name, else by `head`.
    #[must_use]
    pub fn settle(declared: Option<&str>, name: &str, head: Option<&[u8]>) -> Self {
        declared
            .and_then(Self::declared)
            .or_else(|| Self::by_name(name))
            .or_else(|| head.and_then(Self::by_magic))
            .unwrap_or_else(|| Self::fixed(OCTET_STREAM))
    }

    /// Whether the first bytes are needed to settle it.
    #[must_use]
    pub fn needs_head(declared: Option<&str>, name: &str) -> bool {
        declared.and_then(Self::declared).is_none() && Self::by_name(name).is_none()
    }

    /// `text/plain; charset=utf-8`: what active objects are answered as.
    #[must_use]
    pub fn plain_text() -> Self {
        Self {
            essence: Cow::Borrowed("text/plain"),
            charset: Some("utf-8".into()),
        }
    }

    /// `type/subtype` in lower case.
    #[must_use]
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Whether a browser would run code from it or load it as such a document:
    /// HTML, every XML (SVG, XHTML, XSLT, MathML, feeds), scripts, WebAssembly,
    /// web archives, Flash.
    #[must_use]
    pub fn is_active(&self) -> bool {
        let essence = self.essence();
        let Some((_, subtype)) = essence.split_once('/') else {
            return true;
        };
        essence.ends_with("+xml")
            || [
                "xml",
                "xml-dtd",
                "xml-external-parsed-entity",
                "xslt",
                "xsl",
            ]
            .contains(&subtype)
            || subtype.ends_with("script") && subtype != "postscript"
            || [
                "html",
                "javascript1.5",
                "x-component",
                "x-server-parsed-html",
            ]
            .contains(&subtype)
            || subtype.contains("html")
            || essence.starts_with("multipart/")
            || [
                "application/wasm",
                "message/rfc822",
                "application/x-mimearchive",
                "application/x-shockwave-flash",
                "application/java-archive",
                "text/cache-manifest",
                "application/manifest+json",
                "text/xsl",
            ]
            .contains(&essence)
    }

    /// How the console shows an object of this type.
    #[must_use]
    pub fn view(&self) -> View {
        if self.is_active() {
            return View::Active;
        }
        match self.essence.split_once('/') {
            Some(("image", _)) => View::Image,
            Some(("video", _)) => View::Video,
            Some(("audio", _)) => View::Audio,
            Some(("text", "markdown" | "x-markdown")) => View::Markdown,
            Some(("text", _)) => View::Text,
            Some(("application", "pdf")) => View::Pdf,
            Some(("application", "ogg")) => View::Audio,
            Some(("application", "json" | "toml" | "yaml" | "x-yaml" | "x-ndjson" | "sql")) => {
                View::Text
            }
            Some(("application", subtype)) if subtype.ends_with("+json") => View::Text,
            Some(("application", subtype)) if ARCHIVES.contains(&subtype) => View::Archive,
            _ => View::Other,
        }
    }

    /// As a field value. Text without a charset is told to be UTF-8: what a
    /// browser would guess instead depends on the reader's language.
    #[must_use]
    pub fn to_value(&self) -> HeaderValue {
        let text = match &self.charset {
            Some(charset) => format!("{}; charset={charset}", self.essence),
            None if self.essence.starts_with("text/") => format!("{}; charset=utf-8", self.essence),
            None => self.essence.to_string(),
        };
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(OCTET_STREAM))
    }

    fn fixed(essence: &'static str) -> Self {
        Self {
            essence: Cow::Borrowed(essence),
            charset: None,
        }
    }
}

#[cfg(test)]
#[path = "content_type_tests.rs"]
mod tests;
