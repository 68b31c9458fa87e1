//! The types that we know, by extension and by their first bytes.

use super::OCTET_STREAM;

pub(super) const ARCHIVES: &[&str] = &[
    "zip",
    "gzip",
    "x-tar",
    "x-7z-compressed",
    "vnd.rar",
    "x-rar-compressed",
    "x-bzip2",
    "x-xz",
    "zstd",
    "x-gzip",
    "x-zip-compressed",
    "epub+zip",
];

/// Type by extension. Formats that browsers cannot show are here too, so that
/// a download is named rightly.
pub(super) const EXTENSIONS: &[(&str, &[&str])] = &[
    ("image/png", &["png"]),
    ("image/jpeg", &["jpg", "jpeg", "jpe", "jfif"]),
    ("image/gif", &["gif"]),
    ("image/webp", &["webp"]),
    ("image/avif", &["avif"]),
    ("image/apng", &["apng"]),
    ("image/bmp", &["bmp"]),
    ("image/x-icon", &["ico"]),
    ("image/tiff", &["tif", "tiff"]),
    ("image/heic", &["heic", "heif"]),
    ("image/jxl", &["jxl"]),
    ("image/svg+xml", &["svg", "svgz"]),
    ("video/mp4", &["mp4", "m4v"]),
    ("video/webm", &["webm"]),
    ("video/quicktime", &["mov", "qt"]),
    ("video/ogg", &["ogv"]),
    ("video/x-matroska", &["mkv"]),
    ("video/x-msvideo", &["avi"]),
    ("video/mpeg", &["mpg", "mpeg"]),
    ("video/mp2t", &["m2ts"]),
    ("audio/mpeg", &["mp3"]),
    ("audio/mp4", &["m4a", "m4b"]),
    ("audio/aac", &["aac"]),
    ("audio/ogg", &["ogg", "oga", "opus"]),
    ("audio/flac", &["flac"]),
    ("audio/wav", &["wav"]),
    ("audio/midi", &["mid", "midi"]),
    ("application/pdf", &["pdf"]),
    ("text/markdown", &["md", "markdown"]),
    ("text/csv", &["csv"]),
    ("text/vtt", &["vtt"]),
    ("text/css", &["css"]),
    ("application/json", &["json", "map", "ipynb"]),
    ("application/geo+json", &["geojson"]),
    ("application/x-ndjson", &["jsonl", "ndjson"]),
    ("application/yaml", &["yaml", "yml"]),
    ("application/toml", &["toml"]),
    ("application/sql", &["sql"]),
    ("text/html", &["html", "htm", "shtml"]),
    ("application/xhtml+xml", &["xhtml", "xht"]),
    (
        "application/xml",
        &["xml", "xsd", "dtd", "plist", "kml", "gpx"],
    ),
    ("application/xslt+xml", &["xsl", "xslt"]),
    ("application/rss+xml", &["rss"]),
    ("application/atom+xml", &["atom"]),
    ("application/mathml+xml", &["mml", "mathml"]),
    ("text/javascript", &["js", "mjs", "cjs"]),
    ("application/wasm", &["wasm"]),
    ("multipart/related", &["mht", "mhtml"]),
    ("message/rfc822", &["eml"]),
    ("application/x-shockwave-flash", &["swf"]),
    ("application/zip", &["zip"]),
    ("application/gzip", &["gz", "tgz"]),
    ("application/x-tar", &["tar"]),
    ("application/x-7z-compressed", &["7z"]),
    ("application/vnd.rar", &["rar"]),
    ("application/x-bzip2", &["bz2"]),
    ("application/x-xz", &["xz"]),
    ("application/zstd", &["zst"]),
    ("application/epub+zip", &["epub"]),
    ("font/woff2", &["woff2"]),
    ("font/woff", &["woff"]),
    ("font/ttf", &["ttf"]),
    ("font/otf", &["otf"]),
    (
        "text/plain",
        &[
            "txt", "text", "log", "rs", "py", "c", "h", "cc", "cpp", "hpp", "go", "java", "kt",
            "rb", "sh", "bash", "zsh", "fish", "pl", "lua", "swift", "ts", "tsx", "jsx", "ini",
            "cfg", "conf", "env", "lock", "diff", "patch", "srt", "tex", "rst", "adoc", "org",
            "tsv", "cs", "php", "scala", "sbt", "gradle", "cmake", "r", "jl", "nix", "proto",
            "capnp", "graphql", "vue", "svelte", "scss", "sass", "less", "bat", "ps1",
        ],
    ),
    (
        OCTET_STREAM,
        &[
            "bin", "exe", "dll", "so", "dylib", "iso", "img", "dmg", "deb", "rpm", "msi", "dat",
        ],
    ),
];

/// Type by the first bytes.
pub(super) fn magic(head: &[u8]) -> Option<&'static str> {
    const STARTS: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"ID3", "audio/mpeg"),
        (b"%PDF-", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b", "application/gzip"),
        (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
        (b"Rar!\x1a\x07", "application/vnd.rar"),
        (b"\xfd7zXZ\0", "application/x-xz"),
        (b"\x28\xb5\x2f\xfd", "application/zstd"),
        (b"\0asm", "application/wasm"),
        (b"wOF2", "font/woff2"),
    ];
    if let Some((_, essence)) = STARTS.iter().find(|(start, _)| head.starts_with(start)) {
        return Some(essence);
    }
    match (head.get(..4), head.get(4..8), head.get(8..12)) {
        (Some(b"RIFF"), _, Some(b"WEBP")) => return Some("image/webp"),
        (Some(b"RIFF"), _, Some(b"WAVE")) => return Some("audio/wav"),
        (Some(b"RIFF"), _, Some(b"AVI ")) => return Some("video/x-msvideo"),
        (_, Some(b"ftyp"), Some(brand)) => {
            return Some(match brand {
                b"avif" | b"avis" => "image/avif",
                b"heic" | b"heix" | b"mif1" => "image/heic",
                b"qt  " => "video/quicktime",
                b"M4A " | b"M4B " => "audio/mp4",
                _ => "video/mp4",
            });
        }
        _ => {}
    }
    let text = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    let opens = |tag: &[u8]| {
        text.get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    if [
        b"<!doctype html".as_slice(),
        b"<html",
        b"<head",
        b"<body",
        b"<script",
        b"<iframe",
        b"<!--",
    ]
    .iter()
    .any(|tag| opens(tag))
    {
        return Some("text/html");
    }
    if opens(b"<svg") {
        return Some("image/svg+xml");
    }
    if opens(b"<?xml") {
        return Some("application/xml");
    }
    let printable = |byte: &u8| *byte >= 0x20 && *byte != 0x7f || b"\t\n\r\x0c\x1b".contains(byte);
    (!head.is_empty() && head.iter().all(printable) && is_utf8_start(head)).then_some("text/plain")
}

/// Whether these are the first bytes of UTF-8, perhaps cut within a character.
fn is_utf8_start(head: &[u8]) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}
