//! The wire format of protocol buffers, as far as it takes to change one field
//! and leave every other byte as it was: unknown fields, their order, and lengths
//! that are written longer than they need to be.
//!
//! Numbers are read as loosely as the most tolerant readers do (the upper bits of
//! a tag or a length do not count), so that no field hides from us that another
//! reader sees.

/// A message that no reader of the format can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Groups within groups; deeper ones are malformed. Nobody has written groups for
/// fifteen years.
const GROUPS: usize = 16;

/// One field as it lies in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Which one it is.
    pub number: u32,
    /// All of it.
    pub whole: &'a [u8],
    /// Its tag, as it is written.
    pub tag: &'a [u8],
    /// Behind the length, if it has one: a string, bytes or a message.
    pub inside: Option<&'a [u8]>,
}

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It stays, byte for byte.
    Kept,
    /// It is taken out.
    Dropped,
    /// The same field with this inside.
    Replaced(Vec<u8>),
}

/// Shows every field of `message` to `look`. `None` if all of them stay.
///
/// # Errors
///
/// [`Malformed`] for what cannot be read, whichever of `look`'s or the message's.
pub fn edit(
    message: &[u8],
    mut look: impl FnMut(&Field<'_>) -> Result<Edit, Malformed>,
) -> Result<Option<Vec<u8>>, Malformed> {
    let mut rest = message;
    let mut edited: Option<Vec<u8>> = None;
    while !rest.is_empty() {
        let before = message.len() - rest.len();
        let (field, behind) = split_field(rest)?;
        rest = behind;
        let verdict = look(&field)?;
        if let (Edit::Kept, None) = (&verdict, &edited) {
            continue;
        }
        let text = edited.get_or_insert_with(|| message.get(..before).unwrap_or_default().to_vec());
        match verdict {
            Edit::Kept => text.extend_from_slice(field.whole),
            Edit::Dropped => {}
            Edit::Replaced(inside) => {
                text.extend_from_slice(field.tag);
                put_length(text, inside.len());
                text.extend_from_slice(&inside);
            }
        }
    }
    Ok(edited)
}

/// An edit of the message inside of `field`.
///
/// # Errors
///
/// [`Malformed`], also if there is no length and so no message: readers that go
/// by the schema alone would read one all the same.
pub fn within(
    field: &Field<'_>,
    look: impl FnMut(&Field<'_>) -> Result<Edit, Malformed>,
) -> Result<Edit, Malformed> {
    let inside = field.inside.ok_or(Malformed)?;
    Ok(edit(inside, look)?.map_or(Edit::Kept, Edit::Replaced))
}

/// The text inside of `field`.
///
/// # Errors
///
/// [`Malformed`] if it is none.
pub fn text<'a>(field: &Field<'a>) -> Result<&'a str, Malformed> {
    let inside = field.inside.ok_or(Malformed)?;
    std::str::from_utf8(inside).map_err(|_| Malformed)
}

/// The first field of `bytes`, and what lies behind it.
fn split_field(bytes: &[u8]) -> Result<(Field<'_>, &[u8]), Malformed> {
    let (key, after_tag) = varint(bytes)?;
    let tag = between(bytes, after_tag);
    let number = key >> 3;
    if number == 0 {
        return Err(Malformed);
    }
    let (inside, rest) = match key & 7 {
        2 => {
            let (length, rest) = varint(after_tag)?;
            let length = usize::try_from(length).map_err(|_| Malformed)?;
            let (inside, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
            (Some(inside), rest)
        }
        kind => (None, skip(kind, number, after_tag)?),
    };
    let field = Field {
        number,
        whole: between(bytes, rest),
        tag,
        inside,
    };
    Ok((field, rest))
}

/// What lies behind a value of `kind`.
fn skip(kind: u32, number: u32, bytes: &[u8]) -> Result<&[u8], Malformed> {
    let mut open = Vec::new();
    let (mut kind, mut number, mut rest) = (kind, number, bytes);
    loop {
        rest = match kind {
            0 => varint(rest)?.1,
            1 => rest.get(8..).ok_or(Malformed)?,
            2 => {
                let (length, behind) = varint(rest)?;
                let length = usize::try_from(length).map_err(|_| Malformed)?;
                behind.get(length..).ok_or(Malformed)?
            }
            3 if open.len() < GROUPS => {
                open.push(number);
                rest
            }
            4 if open.pop() == Some(number) => rest,
            5 => rest.get(4..).ok_or(Malformed)?,
            _ => return Err(Malformed),
        };
        if open.is_empty() {
            return Ok(rest);
        }
        let key;
        (key, rest) = varint(rest)?;
        (kind, number) = (key & 7, key >> 3);
        if number == 0 {
            return Err(Malformed);
        }
    }
}

/// The low half of a number of at most ten bytes, and what lies behind it.
fn varint(bytes: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let mut value = 0_u32;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(at * 7).unwrap_or(u32::MAX);
        value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok((value, bytes.get(at + 1..).unwrap_or_default()));
        }
    }
    Err(Malformed)
}

fn put_length(to: &mut Vec<u8>, length: usize) {
    let mut left = length;
    while left >= 0x80 {
        to.push(u8::try_from(left & 0x7f).unwrap_or(0) | 0x80);
        left >>= 7;
    }
    to.push(u8::try_from(left).unwrap_or(0));
}

/// What of `bytes` lies before `rest`, which is its end.
fn between<'a>(bytes: &'a [u8], rest: &[u8]) -> &'a [u8] {
    bytes
        .get(..bytes.len().saturating_sub(rest.len()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a length; `padding` more bytes than its tag and length need.
    pub(crate) fn put(number: u32, inside: &[u8], padding: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in [(number << 3) | 2, u32::try_from(inside.len()).unwrap()] {
            let from = bytes.len();
            put_length(&mut bytes, value as usize);
            for _ in 0..padding {
                *bytes.last_mut().unwrap() |= 0x80;
                bytes.push(0);
            }
            assert!(bytes.len() - from <= 10);
        }
        bytes.extend_from_slice(inside);
        bytes
    }

    fn keep(_: &Field<'_>) -> Result<Edit, Malformed> {
        Ok(Edit::Kept)
    }

    #[test]
    fn r26_only_the_field_that_is_meant_changes() {
        let message = [
            &put(9, b"before", 3)[..],
            &[0x50, 0x81, 0x80, 0x00], // field 10, the number 1 in three bytes
            &put(5, b"old", 4),
            &[0x61, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x6d, 1, 2, 3, 4],
            &[0x73, 0x78, 1, 0x74], // a group
            &put(5, b"gone", 0),
            &put(900, b"after", 1),
        ]
        .concat();
        let edited = edit(&message, |field| {
            Ok(match field.inside {
                Some(b"old") => Edit::Replaced(vec![b'n'; 200]),
                Some(b"gone") => Edit::Dropped,
                _ => Edit::Kept,
            })
        })
        .unwrap()
        .unwrap();
        let tag = &put(5, b"", 4)[..5];
        let expected = [
            &put(9, b"before", 3)[..],
            &[0x50, 0x81, 0x80, 0x00],
            tag,
            &[0xc8, 1],
            &[b'n'; 200],
            &[0x61, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x6d, 1, 2, 3, 4],
            &[0x73, 0x78, 1, 0x74],
            &put(900, b"after", 1),
        ]
        .concat();
        assert_eq!(edited, expected);
    }

    #[test]
    fn r26_hostile_lengths_and_tags_are_malformed() {
        for bytes in [
            &[0x0a][..],                           // no length
            &[0x0a, 5, 1],                         // cut short
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], // 4 GiB
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ], // all
            &[0x80; 11],                           // no end
            &[0x00, 0],                            // number 0
            &[0x0e, 0],                            // kinds that are none
            &[0x0f, 0],
            &[0x0b],       // a group without an end
            &[0x0b, 0x14], // another's end
            &[0x0c],
            &[0x0b; 20],
            &[0x09, 1],
            &[0x0d, 1],
        ] {
            assert_eq!(edit(bytes, keep), Err(Malformed), "{bytes:x?}");
        }
        assert_eq!(edit(&[], keep), Ok(None));
    }

    #[test]
    fn r26_a_tag_is_read_as_the_most_tolerant_readers_do() {
        // Field 1 with bits above the 32nd.
        let odd = [0x8a, 0x80, 0x80, 0x80, 0xf0, 0x01, 1, b'x'];
        let mut seen = Vec::new();
        edit(&odd, |field| {
            seen.push((field.number, field.inside.unwrap().to_vec()));
            Ok(Edit::Kept)
        })
        .unwrap();
        assert_eq!(seen, [(1, b"x".to_vec())]);
    }

    proptest::proptest! {
        #[test]
        fn r26_any_bytes_are_read_or_refused_and_what_is_kept_is_the_same(bytes: Vec<u8>) {
            if let Ok(edited) = edit(&bytes, keep) {
                proptest::prop_assert_eq!(edited, None);
                // Rebuilt field by field it is the same too.
                let whole = edit(&bytes, |field| Ok(match field.inside {
                    Some(inside) => Edit::Replaced(inside.to_vec()),
                    None => Edit::Kept,
                })).unwrap().unwrap_or(bytes.clone());
                proptest::prop_assert!(whole.len() <= bytes.len());
                let fields = |bytes: &[u8]| {
                    let mut all = Vec::new();
                    edit(bytes, |field| {
                        all.push((field.number, field.inside.map(<[u8]>::to_vec)));
                        Ok(Edit::Kept)
                    }).map(|_| all)
                };
                proptest::prop_assert_eq!(fields(&whole), fields(&bytes));
            }
        }
    }
}
