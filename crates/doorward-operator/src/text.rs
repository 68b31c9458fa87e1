//! Text from a gateway, made fit to be shown.
//!
//! Control characters, bidi controls and the Unicode line separators are shown as
//! `\u{1b}`; what stands for a secret (an address, an id, a key) is replaced. Line
//! breaks and tabs stay where text has several lines.

use std::borrow::Cow;
use std::fmt::Write as _;

use doorward_guard::audit;

/// Stands where something must not be shown.
const HIDDEN: &str = "[hidden]";
/// Stands where a text was cut.
const CUT: &str = "…";
/// Shorter words would hide half of every text.
const LEAST: usize = 4;

/// Words that must not be shown, whoever says them.
#[derive(Clone, Default)]
pub struct Veil(Vec<String>);

impl Veil {
    /// Hides `words`, in any case.
    #[must_use]
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        let words = words.into_iter().map(|word| word.to_ascii_lowercase());
        let mut words: Vec<_> = words.filter(|word| word.len() >= LEAST).collect();
        // The longest first: one may stand within another.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words.dedup();
        Self(words)
    }

    /// One line of at most `most` bytes.
    #[must_use]
    pub fn line(&self, text: &str, most: usize) -> String {
        cut(shown(&self.hide(text), false), most)
    }

    /// Text with its line breaks and tabs.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        shown(&self.hide(text), true).into_owned()
    }

    fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = pem_hidden(audit::redact(text));
        for word in &self.0 {
            let plain = text.to_ascii_lowercase();
            if !plain.contains(word.as_str()) {
                continue;
            }
            let mut rest = text.as_ref();
            let mut hidden = String::with_capacity(text.len());
            // Lower case in ASCII moves no byte.
            for (at, _) in plain.match_indices(word.as_str()) {
                let from = text.len() - rest.len();
                hidden.push_str(text.get(from..at).unwrap_or_default());
                hidden.push_str(HIDDEN);
                rest = text.get(at + word.len()..).unwrap_or_default();
            }
            hidden.push_str(rest);
            text = Cow::Owned(hidden);
        }
        text
    }
}

/// The body of a key in PEM, down to its end or the text's.
fn pem_hidden(text: Cow<'_, str>) -> Cow<'_, str> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    if !text.contains(BEGIN) {
        return text;
    }
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, after)) = rest.split_once(BEGIN) {
        hidden.push_str(before);
        hidden.push_str(HIDDEN);
        rest = match after.split_once(END) {
            Some((_, after)) => after.split_once('\n').map_or("", |(_, after)| after),
            None => "",
        };
    }
    hidden.push_str(rest);
    Cow::Owned(hidden)
}

fn shown(text: &str, lines: bool) -> Cow<'_, str> {
    let stays = |c: char| !is_escaped(c) || (lines && matches!(c, '\n' | '\t'));
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if stays(c) {
            shown.push(c);
        } else if lines && c == '\r' && chars.peek() == Some(&'\n') {
            // The line break of other systems.
        } else {
            // Writing to a String does not fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        }
    }
    Cow::Owned(shown)
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

fn cut(text: Cow<'_, str>, most: usize) -> String {
    if text.len() <= most {
        return text.into_owned();
    }
    let mut end = most.saturating_sub(CUT.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut text = text.get(..end).unwrap_or_default().to_owned();
    text.push_str(CUT);
    text
}

// === impl Veil ===

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Veil(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn op_l1_what_moves_a_terminal_is_shown_escaped() {
        let veil = Veil::default();
        let hostile = "a\r\nb\u{1b}[31m\u{9b}1m\u{7f}\u{202e}c\u{2028}\td";
        let line = veil.line(hostile, 512);
        assert_eq!(
            line,
            "a\\u{d}\\u{a}b\\u{1b}[31m\\u{9b}1m\\u{7f}\\u{202e}c\\u{2028}\\u{9}d"
        );
        let text = veil.text(hostile);
        assert_eq!(
            text,
            "a\nb\\u{1b}[31m\\u{9b}1m\\u{7f}\\u{202e}c\\u{2028}\td"
        );
    }

    #[test]
    fn op_d2_what_is_hidden_is_hidden_in_any_case_and_wherever_it_stands() {
        let veil = Veil::new([
            "127.0.0.1:2327".to_owned(),
            "0xfbbdc602980cb986".to_owned(),
            "fbbdc602980cb986".to_owned(),
            "no".to_owned(),
        ]);
        assert_eq!(
            veil.line(
                "no: 127.0.0.1:2327, 0xFBBDC602980CB986 and fbbdc602980cb986!",
                512
            ),
            "no: [hidden], [hidden] and [hidden]!"
        );
        let key = "key:\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\nrest";
        assert_eq!(veil.text(key), "key:\n[hidden]rest");
        assert_eq!(veil.text("-----BEGIN X-----\nabc"), "[hidden]");
        let token = doorward_guard::Token::random().reveal().to_string();
        assert!(!veil.text(&format!("token {token}")).contains(&token));
    }

    proptest! {
        #[test]
        fn op_l2_a_line_is_one_line_within_its_bound(text in "\\PC*|(.|\n|\r|\u{1b}|\u{202e}){0,80}", most in 3usize..80) {
            let line = Veil::new(["abc".to_owned(), "a b c d".to_owned()]).line(&text, most);
            prop_assert!(line.len() <= most);
            prop_assert!(!line.chars().any(is_escaped));
            let text = Veil::default().text(&text);
            prop_assert!(!text.chars().any(|c| is_escaped(c) && c != '\n' && c != '\t'));
        }
    }
}
