//! Names and numbers of Sambee's pairing.

use std::fmt::Write as _;

use crate::pairing::Pid;
use crate::pairing::keys::Code;

/// Where a UUID has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A pairing's id as a UUID of version 4, and what that reads as: six of its bits say
/// that it is one.
#[must_use]
pub fn pairing_id(pid: &Pid) -> (String, Pid) {
    let mut bytes = *pid.bytes();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for byte in bytes {
        if HYPHENS.contains(&text.len()) {
            text.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    (text, Pid::from_bytes(bytes))
}

/// Reads what [`pairing_id`] wrote; `None` for another spelling.
#[must_use]
pub fn read_pairing_id(text: &str) -> Option<Pid> {
    let hyphens = text.match_indices('-').map(|(at, _)| at);
    if text.len() != 36 || !hyphens.eq(HYPHENS) {
        return None;
    }
    let bytes = from_hex::<16>(&text.replace('-', ""))?;
    Some(Pid::from_bytes(bytes))
}

/// The nonce of a page.
///
/// # Errors
///
/// What is wrong with it, in Sambee's words.
pub fn read_nonce(text: &str) -> Result<[u8; 32], &'static str> {
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return Err("Invalid hex encoding for nonce_browser");
    }
    from_hex(&text.to_ascii_lowercase()).ok_or("nonce_browser must be 32 bytes (64 hex chars)")
}

/// The code that both sides show for two nonces.
#[must_use]
pub fn code_of(page: &[u8; 32], ours: &[u8; 32]) -> Code {
    Code::of_nonces(page, ours)
}

/// Exactly `N` bytes in small letters.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let small = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != N * 2 || !text.bytes().all(small) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// `bytes` in small letters.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_and_reads_as_what_was_kept() {
        let (text, pid) = pairing_id(&Pid::random());
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes()[14], b'4');
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_eq!(read_pairing_id(&text).unwrap(), pid);
        for wrong in [
            "",
            &text[1..],
            &text.to_uppercase().replace('4', "A"),
            &text.replace('-', "0"),
        ] {
            assert_eq!(read_pairing_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nonces_are_64_digits_in_any_case() {
        assert_eq!(read_nonce(&"aB".repeat(32)), Ok([0xab; 32]));
        for odd in ["x", "abc", "zz"] {
            assert!(read_nonce(odd).unwrap_err().starts_with("Invalid hex"));
        }
        for short in ["", "ab", &"ab".repeat(33)] {
            assert!(read_nonce(short).unwrap_err().contains("32 bytes"));
        }
    }
}
