//! Which bytes may stand where in a head: one look into a table for each.

/// Where a byte may stand; a set of bits.
#[derive(Clone, Copy)]
pub(super) struct Class(u8);

static TABLE: [u8; 256] = table();

impl Class {
    /// `tchar`, RFC 9110 §5.6.2.
    pub(super) const TOKEN: Self = Self(1);
    /// As it is in a path and in a query (RFC 3986 §3.3, §3.4), or between them. The
    /// first question mark divides; what follows one is no other.
    pub(super) const UNCODED: Self = Self(2);
    /// In a header's value: no control byte but the tab, and nothing above 0x7E.
    pub(super) const VALUE: Self = Self(4);
    /// In the value of `Cookie`, where other apps write what they like.
    pub(super) const COOKIE: Self = Self(8);
    /// In a host's name or address, and its port.
    pub(super) const HOST: Self = Self(16);

    pub(super) fn has(self, byte: u8) -> bool {
        self.of(byte) != 0
    }

    fn of(self, byte: u8) -> u8 {
        TABLE.get(usize::from(byte)).map_or(0, |bits| bits & self.0)
    }
}

/// Whether all of them may stand there.
pub(super) fn all(bytes: &[u8], class: Class) -> bool {
    bytes
        .iter()
        .fold(class.0, |left, byte| left & class.of(*byte))
        != 0
}

/// [`Class::VALUE`] for all of them, eight at a time: most of a head is values.
pub(super) fn is_plain(value: &[u8]) -> bool {
    let (words, rest) = value.as_chunks();
    words
        .iter()
        .all(|word| is_printable(*word) || all(word, Class::VALUE))
        && all(rest, Class::VALUE)
}

/// Whether each lies from 0x20 to 0x7E: none is below it, and adding one takes none
/// into the highest bit. Bytes that have it are caught by it.
fn is_printable(bytes: [u8; 8]) -> bool {
    let word = u64::from_ne_bytes(bytes);
    let each = |byte: u8| u64::from_ne_bytes([byte; 8]);
    let low = word.wrapping_sub(each(0x20));
    let high = word.wrapping_add(each(1));
    (low | high | word) & each(0x80) == 0
}

const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = u8::MAX;
    loop {
        #[expect(clippy::indexing_slicing, reason = "there are 256 of either")]
        {
            table[byte as usize] = bits(byte);
        }
        let Some(next) = byte.checked_sub(1) else {
            return table;
        };
        byte = next;
    }
}

const fn bits(byte: u8) -> u8 {
    let is_alphanumeric = byte.is_ascii_alphanumeric();
    let mut bits = 0;
    if is_alphanumeric
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^'..=b'`' | b'|' | b'~')
    {
        bits |= Class::TOKEN.0;
    }
    if is_alphanumeric
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b'/')
        || matches!(byte, b':' | b';' | b'=' | b'@' | b'?' | b'%')
    {
        bits |= Class::UNCODED.0;
    }
    if matches!(byte, b'\t' | b' '..=b'~') {
        bits |= Class::VALUE.0;
    }
    if matches!(byte, b'\t' | b' '..=b'~' | 0x80..) {
        bits |= Class::COOKIE.0;
    }
    if is_alphanumeric || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']') {
        bits |= Class::HOST.0;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_stands_where_its_rfc_lets_it() {
        for byte in 0..=u8::MAX {
            let among = |marks: &[u8]| byte.is_ascii_alphanumeric() || marks.contains(&byte);
            let plain = byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
            assert_eq!(Class::TOKEN.has(byte), among(b"!#$%&'*+-.^_`|~"), "{byte}");
            assert_eq!(
                Class::UNCODED.has(byte),
                among(b"-._~!$&'()*+,;=:@/?%"),
                "{byte}"
            );
            assert_eq!(Class::HOST.has(byte), among(b"-._~:[]"), "{byte}");
            assert_eq!(Class::VALUE.has(byte), plain, "{byte}");
            assert_eq!(Class::COOKIE.has(byte), plain || byte >= 0x80, "{byte}");
        }
    }

    /// In every place of a word, and of what is left of one, with every neighbour.
    #[test]
    fn eight_at_a_time_find_what_one_at_a_time_finds() {
        for length in [1, 7, 8, 9, 17] {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    for around in [0x1F, b' ', b'~', 0x7F, 0x80, 0xFF] {
                        let mut value = vec![around; length];
                        value[at] = byte;
                        let each = value.iter().all(|byte| Class::VALUE.has(*byte));
                        assert_eq!(is_plain(&value), each, "{value:?}");
                    }
                }
            }
        }
    }
}
