//! Text that may come from anywhere, made fit for a log and a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::defaults;
use crate::secret::TOKEN_CHARS;

/// Stands where a text was cut.
const CUT: &str = "…";
/// Stands where a secret was.
const REDACTED: &str = "[redacted]";

/// `text` as one line that changes nothing around it: control characters (C0,
/// C1, DEL), bidi controls and the Unicode line separators are shown as
/// `\u{202e}`, and what is longer than [`defaults::LOG_FIELD`] bytes is cut
/// between characters and marked with `…`. All other Unicode stays as it is.
#[must_use]
pub fn sanitise(text: &str) -> Cow<'_, str> {
    if text.len() <= defaults::LOG_FIELD && !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len().min(defaults::LOG_FIELD));
    // The longest prefix that leaves room for the mark.
    let mut fits = 0;
    for c in text.chars() {
        if is_escaped(c) {
            // Writing to a String does not fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
        if shown.len() > defaults::LOG_FIELD {
            shown.truncate(fits);
            shown.push_str(CUT);
            break;
        }
        if shown.len() <= defaults::LOG_FIELD - CUT.len() {
            fits = shown.len();
        }
    }
    Cow::Owned(shown)
}

/// `text` without anything that could be one of our tokens: runs of at least
/// [`TOKEN_CHARS`] base64url characters. The last line of defence, in case a
/// launch URL or a cookie ends up in a text for the log.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let runs = || text.split(|c: char| !is_token_char(c));
    if runs().all(|run| run.len() < TOKEN_CHARS) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    for run in runs() {
        let (_, after) = rest.split_at_checked(run.len()).unwrap_or((rest, ""));
        shown.push_str(if run.len() < TOKEN_CHARS {
            run
        } else {
            REDACTED
        });
        let mut chars = after.chars();
        shown.extend(chars.next());
        rest = chars.as_str();
    }
    Cow::Owned(shown)
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Token;

    #[test]
    fn t92_what_would_move_a_terminal_is_shown_escaped() {
        let hostile =
            "a\r\nb\u{1b}[2Jc\u{7}\u{7f}\u{85}\u{9b}31m\u{202e}\u{2066}\u{2028}\u{2029}\0d";
        let shown = sanitise(hostile);
        assert_eq!(
            shown,
            "a\\u{d}\\u{a}b\\u{1b}[2Jc\\u{7}\\u{7f}\\u{85}\\u{9b}31m\\u{202e}\\u{2066}\\u{2028}\\u{2029}\\u{0}d"
        );
        for code in 0..=0x10ffff_u32 {
            let Some(c) = char::from_u32(code) else {
                continue;
            };
            let text = c.to_string();
            let shown = sanitise(&text);
            assert!(!shown.chars().any(is_escaped), "{code:x}");
            assert!(
                shown == text || shown == format!("\\u{{{code:x}}}"),
                "{code:x}"
            );
        }
    }

    #[test]
    fn ordinary_unicode_is_borrowed_as_it_is() {
        for text in [
            "",
            "Größe 大きさ 👩‍👩‍👧 مرحبا",
            "a\\b \"c\" 'd'",
            &"x".repeat(512),
        ] {
            assert!(matches!(sanitise(text), Cow::Borrowed(same) if same == text));
            assert!(matches!(
                redact(text.get(..30).unwrap_or(text)),
                Cow::Borrowed(_)
            ));
        }
    }

    #[test]
    fn t92_a_megabyte_is_cut_between_characters() {
        for unit in ["x", "ß", "大", "👩", "\u{1b}", "a\u{202e}"] {
            let shown = sanitise(&unit.repeat(1_000_000)).into_owned();
            assert!(
                shown.len() <= defaults::LOG_FIELD,
                "{unit:?} {}",
                shown.len()
            );
            assert!(
                shown.len() > defaults::LOG_FIELD - 16,
                "{unit:?} {}",
                shown.len()
            );
            let kept = shown.strip_suffix(CUT).unwrap();
            let whole = sanitise(unit);
            assert!(whole.repeat(600).starts_with(kept));
            assert!(!kept.ends_with('\\') && !kept.ends_with("\\u"), "{kept}");
            assert_eq!(kept.matches("\\u{").count(), kept.matches('}').count());
        }
        // Exactly full, and one over.
        assert_eq!(sanitise(&"x".repeat(512)).len(), 512);
        assert_eq!(
            sanitise(&"x".repeat(513)),
            format!("{}{CUT}", "x".repeat(509))
        );
    }

    #[test]
    fn t91_tokens_are_redacted_wherever_they_stand() {
        let token = Token::random().reveal().to_string();
        for text in [
            token.clone(),
            format!("http://127.0.0.1:1/#ticket={token}"),
            format!("cookie doorward_1={token}; other=1"),
            format!("ü{token}ü/m/{token}"),
        ] {
            let shown = redact(&text);
            assert!(!shown.contains(&token), "{shown}");
            assert_eq!(shown, text.replace(&token, REDACTED));
        }
        assert_eq!(
            redact("ordinary words, s_abcdefghijk, ü"),
            "ordinary words, s_abcdefghijk, ü"
        );
    }
}
