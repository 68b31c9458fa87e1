//! `Content-Disposition` (RFC 6266, RFC 8187) that no name can break out of.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// The longest name that is offered, in bytes: what common file systems take.
const LONGEST: usize = 200;

/// Everything but RFC 8187's `attr-char`.
const OUTSIDE_ATTR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `inline` or `attachment`, with the last segment of `key` as the name to save
/// under: as ASCII for old readers, and in full where it is not all ASCII.
/// Control and bidirectional characters are dropped.
#[must_use]
pub fn content_disposition(attachment: bool, key: &str) -> HeaderValue {
    let kind = if attachment { "attachment" } else { "inline" };
    let name = file_name(key);
    let ascii: String = name
        .chars()
        // A percent sign: some readers decode it in the plain form.
        .map(|c| {
            if c.is_ascii() && !matches!(c, '"' | '\\' | '%' | ';') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut text = format!("{kind}; filename=\"{ascii}\"");
    if ascii != name {
        let full = percent_encode(name.as_bytes(), OUTSIDE_ATTR);
        text.push_str(&format!("; filename*=UTF-8''{full}"));
    }
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

/// The last segment of `key`, fit to be shown and saved; `file` if nothing of
/// it is.
#[must_use]
pub fn file_name(key: &str) -> String {
    let last = key
        .rsplit(['/', '\\'])
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let name: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_deceptive(*c))
        .collect();
    let name = name.trim();
    if name.is_empty() || name.chars().all(|c| c == '.') {
        return "file".to_owned();
    }
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    // Cut the stem, keep the extension.
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 16 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let mut end = LONGEST - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", stem.get(..end).unwrap_or_default())
}

/// Characters that change how a name reads without being seen.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attachment(key: &str) -> String {
        content_disposition(true, key).to_str().unwrap().to_owned()
    }

    #[test]
    fn m30_names_are_told_twice_where_ascii_is_not_enough() {
        assert_eq!(
            attachment("a/b/plain.txt"),
            r#"attachment; filename="plain.txt""#
        );
        assert_eq!(
            attachment("grün €.pdf"),
            r#"attachment; filename="gr_n _.pdf"; filename*=UTF-8''gr%C3%BCn%20%E2%82%AC.pdf"#
        );
        assert_eq!(
            content_disposition(false, "x.png").to_str().unwrap(),
            r#"inline; filename="x.png""#
        );
    }

    #[test]
    fn t54_names_cannot_break_out() {
        let quoted = attachment("a\"; filename=\"evil.exe");
        assert_eq!(quoted.split(';').count(), 3, "{quoted}");
        assert!(
            quoted.starts_with("attachment; filename=\"a__ filename=_evil.exe\";"),
            "{quoted}"
        );
        assert_eq!(
            attachment("a\r\nX-Evil: 1"),
            r#"attachment; filename="aX-Evil: 1""#
        );
        assert_eq!(
            attachment("photo\u{202e}gnp.exe"),
            r#"attachment; filename="photognp.exe""#
        );
        assert_eq!(
            attachment("..\\..\\boot.ini"),
            r#"attachment; filename="boot.ini""#
        );
        for nothing in ["", "/", "..", ".", "a/..", "\0", "\u{202e}"] {
            assert_eq!(
                attachment(nothing),
                r#"attachment; filename="file""#,
                "{nothing:?}"
            );
        }
    }

    #[test]
    fn t54_long_names_are_cut_before_the_extension() {
        let name = file_name(&format!("{}.tar", "ü".repeat(2000)));
        assert!(name.len() <= LONGEST && name.ends_with(".tar"));
    }

    proptest! {
        #[test]
        fn m30_every_name_gives_one_sound_field(key: String, attach: bool) {
            let value = content_disposition(attach, &key);
            let text = value.to_str().unwrap();
            prop_assert!(text.is_ascii() && text.bytes().all(|byte| byte >= 0x20));
            prop_assert_eq!(text.matches('"').count(), 2);
            let rest = text.split('"').nth(2).unwrap();
            prop_assert!(rest.is_empty() || rest.starts_with("; filename*=UTF-8''"));
            prop_assert!(!rest[rest.len().min(2)..].contains([';', ' ', ',']));
        }
    }
}
