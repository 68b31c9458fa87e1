//! The arithmetic of the pairing: commitment, transcript, six digits, keys.
//!
//! X25519 (RFC 7748) and HKDF-SHA256 (RFC 5869). Every hash input is a list of
//! fields, each after its length, and begins with a label. Checked by the vectors
//! in `tests/vectors/pairing.json`, here and by WebCrypto.

use std::fmt;

use doorward_guard::{Origin, Secret};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::encoding::{fields, hash, mac, url64};

const PROTOCOL: &[u8] = b"doorward-pair-1";
const COMMITMENT: &[u8] = b"doorward-pair-1 commit";
const SAS: &[u8] = b"doorward-pair-1 sas";
const CONFIRM_PAGE: &[u8] = b"doorward-pair-1 confirm page";
const CONFIRM_DAEMON: &[u8] = b"doorward-pair-1 confirm daemon";
const REQUEST: &[u8] = b"doorward-pair-1 request";
const RESPONSE: &[u8] = b"doorward-pair-1 response";
const KEY_ID: &[u8] = b"doorward-pair-1 key id";

/// What a page commits to before it sees anything of ours.
#[must_use]
pub fn commitment(public: &[u8; 32], nonce: &[u8; 32], origin: &Origin) -> [u8; 32] {
    hash(&[COMMITMENT, public, nonce, origin.as_str().as_bytes()])
}

/// Everything that was said, byte for byte, by whom and where.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The page's start message.
    pub start: &'a [u8],
    /// The companion's answer.
    pub offer: &'a [u8],
    /// The page's reveal message.
    pub reveal: &'a [u8],
    /// The page's origin: by its own account there, by the browser's here.
    pub origin: &'a Origin,
    /// The companion's address, such as `127.0.0.1:7319`.
    pub listen: &'a str,
}

impl Said<'_> {
    /// The transcript hash.
    #[must_use]
    pub fn transcript(&self) -> [u8; 32] {
        hash(&[
            PROTOCOL,
            self.start,
            self.offer,
            self.reveal,
            self.origin.as_str().as_bytes(),
            self.listen.as_bytes(),
        ])
    }
}

/// A key pair for one attempt.
#[derive(Clone)]
pub struct Ephemeral(StaticSecret);

impl Ephemeral {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self::from_secret(&Secret::random())
    }

    /// The pair of a given secret: for vectors.
    #[must_use]
    pub fn from_secret(secret: &Secret<32>) -> Self {
        Self(StaticSecret::from(*secret.bytes()))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }

    /// The secret shared with the owner of `theirs`. `None` if that is a point of
    /// small order, or not in its one canonical form.
    #[must_use]
    pub fn agree(&self, theirs: &[u8; 32]) -> Option<Secret<32>> {
        if !is_canonical(theirs) {
            return None;
        }
        let shared = self.0.diffie_hellman(&PublicKey::from(*theirs));
        shared
            .was_contributory()
            .then(|| Secret::from_bytes(shared.to_bytes()))
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ephemeral(..)")
    }
}

/// Everything that both sides derive from one pairing.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The transcript hash.
    pub transcript: [u8; 32],
    /// What the person compares.
    pub code: Code,
    /// The public name of the pairing: 22 characters of base64url.
    pub key_id: String,
    /// Signs the page's requests.
    pub request: Secret<32>,
    /// Signs our answers.
    pub response: Secret<32>,
    confirm_page: Secret<32>,
    confirm_daemon: Secret<32>,
}

impl Keys {
    /// Derives them from the shared secret and the transcript hash.
    #[must_use]
    pub fn derive(shared: &Secret<32>, transcript: [u8; 32]) -> Option<Self> {
        let hkdf = Hkdf::<Sha256>::new(Some(&transcript), shared.bytes());
        Some(Self {
            transcript,
            code: Code::of(&expand(&hkdf, SAS, &transcript)?),
            key_id: url64(expand::<16>(&hkdf, KEY_ID, &transcript)?.bytes()),
            request: expand(&hkdf, REQUEST, &transcript)?,
            response: expand(&hkdf, RESPONSE, &transcript)?,
            confirm_page: expand(&hkdf, CONFIRM_PAGE, &transcript)?,
            confirm_daemon: expand(&hkdf, CONFIRM_DAEMON, &transcript)?,
        })
    }

    /// Of Sambee's way: nothing is derived but the code, and what the page gets
    /// is drawn.
    #[must_use]
    pub fn plain(page_nonce: &[u8; 32], our_nonce: &[u8; 32]) -> Self {
        Self {
            transcript: [0; 32],
            code: Code::of_nonces(page_nonce, our_nonce),
            key_id: Secret::<16>::random().reveal().to_string(),
            request: Secret::random(),
            response: Secret::random(),
            confirm_page: Secret::random(),
            confirm_daemon: Secret::random(),
        }
    }

    /// What a page sends once its person confirmed.
    #[must_use]
    pub fn page_proof(&self) -> [u8; 32] {
        mac(&self.confirm_page, &fields(&[b"B", &self.transcript]))
    }

    /// What the page waits for before it keeps anything.
    #[must_use]
    pub fn daemon_proof(&self) -> [u8; 32] {
        mac(&self.confirm_daemon, &fields(&[b"D", &self.transcript]))
    }
}

/// Six digits; in Sambee's way six characters of hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(Spelling);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Digits(u32),
    Hex([u8; 3]),
}

impl Code {
    /// The digits of eight derived bytes: uneven by less than one in 10^13.
    #[must_use]
    fn of(bytes: &Secret<8>) -> Self {
        let number = u64::from_be_bytes(*bytes.bytes()) % 1_000_000;
        Self(Spelling::Digits(u32::try_from(number).unwrap_or_default()))
    }

    /// Sambee's code: the first three bytes of the hash of both nonces.
    #[must_use]
    pub fn of_nonces(page: &[u8; 32], ours: &[u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(page)
            .chain_update(ours)
            .finalize();
        let [first, second, third, ..]: [u8; 32] = digest.into();
        Self(Spelling::Hex([first, second, third]))
    }

    /// Whether a person typed these digits, with or without spaces.
    #[must_use]
    pub fn was_typed(self, text: &str) -> bool {
        let plain = |text: &str| text.replace(' ', "").to_uppercase();
        crate::encoding::same(plain(text).as_bytes(), plain(&self.to_string()).as_bytes())
    }

    /// The number, for tests and vectors.
    #[must_use]
    pub fn number(self) -> u32 {
        match self.0 {
            Spelling::Digits(number) => number,
            Spelling::Hex([first, second, third]) => u32::from_be_bytes([0, first, second, third]),
        }
    }
}

/// `123 456`, or `A1B2C3`, as people read it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Spelling::Digits(number) => write!(f, "{:03} {:03}", number / 1_000, number % 1_000),
            Spelling::Hex([first, second, third]) => {
                write!(f, "{first:02X}{second:02X}{third:02X}")
            }
        }
    }
}

/// Logs are not where the person compares.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

fn expand<const N: usize>(
    hkdf: &Hkdf<Sha256>,
    label: &[u8],
    transcript: &[u8; 32],
) -> Option<Secret<N>> {
    let mut bytes = Zeroizing::new([0; N]);
    hkdf.expand(&fields(&[label, transcript]), bytes.as_mut_slice())
        .ok()?;
    Some(Secret::from_bytes(*bytes))
}

/// Below 2^255 - 19, little-endian. RFC 7748 would take others; no browser sends them.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    let at_the_top = *high == 0x7f && middle.iter().all(|&byte| byte == 0xff);
    *high <= 0x7f && !(at_the_top && *low >= 0xed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t66_points_that_give_no_secret_are_refused() {
        let ours = Ephemeral::random();
        let mut one = [0; 32];
        one[0] = 1;
        // The small orders of RFC 7748 §6.1's curve, and p-1, p, p+1.
        let order_8 = [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ];
        let other_8 = [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
            0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd,
            0xd0, 0x9f, 0x11, 0x57,
        ];
        let near_p = |low: u8| {
            let mut point = [0xff; 32];
            point[0] = low;
            point[31] = 0x7f;
            point
        };
        let (minus, p, plus) = (near_p(0xec), near_p(0xed), near_p(0xee));
        for weak in [[0; 32], one, order_8, other_8, minus, p, plus, near_p(0xff)] {
            assert_eq!(ours.agree(&weak), None, "{weak:02x?}");
        }
        // The top bit, which RFC 7748 masks away.
        let mut stray = Ephemeral::random().public();
        assert!(ours.agree(&stray).is_some());
        stray[31] |= 0x80;
        assert_eq!(ours.agree(&stray), None);
    }

    #[test]
    fn digits_are_typed_with_or_without_a_space() {
        let code = Code(Spelling::Digits(7_042));
        assert_eq!(code.to_string(), "007 042");
        assert!(code.was_typed("007042") && code.was_typed(" 007 042 "));
        for wrong in ["7042", "007043", "", "0070420", "oo7042"] {
            assert!(!code.was_typed(wrong), "{wrong}");
        }
        assert_eq!(format!("{code:?}"), "Code(..)");
    }

    #[test]
    fn the_code_of_two_nonces_is_that_of_sambee() {
        // SHA-256 of 32 bytes of 1, then 32 of 2, by another implementation.
        let code = Code::of_nonces(&[1; 32], &[2; 32]);
        assert_eq!(code.to_string(), "F818AF");
        assert!(code.was_typed("f818af") && code.was_typed(" F818AF "));
        assert!(!code.was_typed("") && !code.was_typed("000000"));
        assert_ne!(code, Code::of_nonces(&[2; 32], &[1; 32]));
    }
}
