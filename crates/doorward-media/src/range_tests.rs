use proptest::prelude::*;

use super::*;

/// What the vectors expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meant {
    /// 200 with everything.
    All,
    /// 206 with these bytes.
    Part(u64, u64),
    /// 416.
    Nothing,
}

fn meant(value: &[u8], size: u64) -> Meant {
    match Asked::parse(value) {
        Asked::Whole | Asked::Several => Meant::All,
        Asked::One(spec) => match spec.within(size) {
            Ok(Some(range)) => Meant::Part(range.first(), range.last()),
            Ok(None) => Meant::All,
            Err(Unsatisfiable) => Meant::Nothing,
        },
    }
}

#[test]
fn m14_the_range_table() {
    use Meant::{All, Nothing, Part};
    let table: &[(&str, u64, Meant)] = &[
        // Closed.
        ("bytes=0-0", 100, Part(0, 0)),
        ("bytes=0-1", 100, Part(0, 1)),
        ("bytes=0-99", 100, Part(0, 99)),
        ("bytes=10-19", 100, Part(10, 19)),
        ("bytes=99-99", 100, Part(99, 99)),
        ("bytes=0-100", 100, Part(0, 99)),
        ("bytes=50-1000", 100, Part(50, 99)),
        ("bytes=0-0", 1, Part(0, 0)),
        ("bytes=1-1", 1, Nothing),
        ("bytes=100-100", 100, Nothing),
        ("bytes=100-200", 100, Nothing),
        ("bytes=5-2", 100, All),
        ("bytes=1-0", 100, All),
        // Open.
        ("bytes=0-", 100, Part(0, 99)),
        ("bytes=1-", 100, Part(1, 99)),
        ("bytes=99-", 100, Part(99, 99)),
        ("bytes=100-", 100, Nothing),
        ("bytes=1000-", 100, Nothing),
        // Suffix.
        ("bytes=-1", 100, Part(99, 99)),
        ("bytes=-10", 100, Part(90, 99)),
        ("bytes=-99", 100, Part(1, 99)),
        ("bytes=-100", 100, Part(0, 99)),
        ("bytes=-101", 100, Part(0, 99)),
        ("bytes=-0", 100, Nothing),
        ("bytes=-00", 100, Nothing),
        // Empty objects.
        ("bytes=0-", 0, Nothing),
        ("bytes=0-0", 0, Nothing),
        ("bytes=1-2", 0, Nothing),
        ("bytes=-1", 0, All),
        ("bytes=-0", 0, Nothing),
        // Leading zeros.
        ("bytes=000-001", 100, Part(0, 1)),
        (
            "bytes=00000000000000000000000000-0000000000000000000000005",
            100,
            Part(0, 5),
        ),
        ("bytes=-007", 100, Part(93, 99)),
        // Large numbers.
        ("bytes=0-9223372036854775807", 100, Part(0, 99)),
        ("bytes=0-9223372036854775808", 100, Part(0, 99)),
        ("bytes=0-18446744073709551615", 100, Part(0, 99)),
        ("bytes=0-18446744073709551616", 100, Part(0, 99)),
        ("bytes=0-999999999999999999999999999999", 100, Part(0, 99)),
        ("bytes=9223372036854775808-", 100, Nothing),
        ("bytes=18446744073709551615-", 100, Nothing),
        ("bytes=18446744073709551616-", 100, Nothing),
        (
            "bytes=18446744073709551615-18446744073709551616",
            100,
            Nothing,
        ),
        ("bytes=-18446744073709551615", 100, Part(0, 99)),
        ("bytes=-18446744073709551616", 100, Part(0, 99)),
        ("bytes=5-", u64::MAX, Part(5, u64::MAX - 1)),
        ("bytes=-1", u64::MAX, Part(u64::MAX - 1, u64::MAX - 1)),
        // The unit.
        ("Bytes=0-1", 100, Part(0, 1)),
        ("BYTES=0-1", 100, Part(0, 1)),
        ("bytes =0-1", 100, All),
        (" bytes=0-1", 100, All),
        ("byte=0-1", 100, All),
        ("items=0-1", 100, All),
        ("seconds=1-2", 100, All),
        ("=0-1", 100, All),
        // White space and empty members.
        ("bytes= 0-1", 100, Part(0, 1)),
        ("bytes=0-1 ", 100, Part(0, 1)),
        ("bytes=\t0-1\t", 100, Part(0, 1)),
        ("bytes=,0-1", 100, Part(0, 1)),
        ("bytes=0-1,", 100, Part(0, 1)),
        ("bytes=, ,\t,0-1 , ,", 100, Part(0, 1)),
        ("bytes=0 -1", 100, All),
        ("bytes=0- 1", 100, All),
        ("bytes=0 - 1", 100, All),
        ("bytes=- 1", 100, All),
        // Junk.
        ("", 100, All),
        ("bytes", 100, All),
        ("bytes=", 100, All),
        ("bytes=,", 100, All),
        ("bytes=-", 100, All),
        ("bytes=--1", 100, All),
        ("bytes=abc", 100, All),
        ("bytes=a-b", 100, All),
        ("bytes=1", 100, All),
        ("bytes=0x0-0x1", 100, All),
        ("bytes=+0-1", 100, All),
        ("bytes=0-+1", 100, All),
        ("bytes=0-1-2", 100, All),
        ("bytes=0-1;2-3", 100, All),
        ("bytes=1.0-2", 100, All),
        ("bytes=0-1=2", 100, All),
        ("bytes==0-1", 100, All),
        // Several: the whole object for now; one bad member spoils the set.
        ("bytes=0-1,2-3", 100, All),
        ("bytes=0-1,0-1", 100, All),
        ("bytes=0-,-1", 100, All),
        ("bytes=0-1,junk", 100, All),
        ("bytes=junk,0-1", 100, All),
        ("bytes=0-1,5-2", 100, All),
    ];
    assert!(table.len() >= 60);
    for (value, size, expected) in table {
        assert_eq!(
            meant(value.as_bytes(), *size),
            *expected,
            "{value:?} of {size}"
        );
    }
    let thousand = format!("bytes={}", vec!["0-1"; 1000].join(","));
    assert_eq!(Asked::parse(thousand.as_bytes()), Asked::Several);
    assert_eq!(Asked::parse(b"bytes=\xff-1"), Asked::Whole);
    assert_eq!(Asked::parse("bytes=٣-٤".as_bytes()), Asked::Whole);
}

#[test]
fn m14_two_range_fields_are_none() {
    let mut headers = HeaderMap::new();
    assert_eq!(Asked::of(&headers), Asked::Whole);
    headers.append(RANGE, "bytes=0-1".parse().unwrap());
    assert_ne!(Asked::of(&headers), Asked::Whole);
    headers.append(RANGE, "bytes=0-1".parse().unwrap());
    assert_eq!(Asked::of(&headers), Asked::Whole);
}

#[test]
fn m18_content_ranges_are_read_strictly() {
    let parse = |text: &str| ByteRange::parse_content_range(text.as_bytes());
    let range = |first, last| ByteRange::new(first, last).unwrap();
    assert_eq!(parse("bytes 0-1/10"), Some((range(0, 1), 10)));
    assert_eq!(parse("Bytes 9-9/10"), Some((range(9, 9), 10)));
    for text in [
        "",
        "bytes",
        "bytes 0-1",
        "bytes 0-1/*",
        "bytes */10",
        "bytes 1-0/10",
        "bytes 0-10/10",
        "bytes 0-1/18446744073709551616",
        "items 0-1/10",
        "bytes=0-1/10",
        "bytes -1/10",
        "bytes 0-/10",
        "bytes +0-1/10",
    ] {
        assert_eq!(parse(text), None, "{text:?}");
    }
    assert_eq!(parse_unsatisfied(b"bytes */10"), Some(10));
    for text in [
        "bytes */*",
        "bytes 0-1/10",
        "*/10",
        "bytes */-1",
        "bytes */",
    ] {
        assert_eq!(parse_unsatisfied(text.as_bytes()), None, "{text:?}");
    }
}

/// The same rules again, written the slow way: which bytes of the object does
/// the text select, one by one?
fn reference(text: &str, size: u64) -> Meant {
    let Some(set) = text
        .to_ascii_lowercase()
        .strip_prefix("bytes=")
        .map(str::to_owned)
    else {
        return Meant::All;
    };
    let members: Vec<&str> = set
        .split(',')
        .map(|part| part.trim_matches([' ', '\t']))
        .filter(|s| !s.is_empty())
        .collect();
    let [member] = members.as_slice() else {
        return Meant::All;
    };
    let Some((first, last)) = member.split_once('-') else {
        return Meant::All;
    };
    let number = |text: &str| -> Option<u128> {
        (!text.is_empty() && text.chars().all(|c| c.is_ascii_digit()))
            .then(|| text.parse::<u128>().ok())
            .flatten()
    };
    let selects: Box<dyn Fn(u128) -> bool> = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => {
            Box::new(move |at| (first..=last).contains(&at))
        }
        (Some(first), None) if last.is_empty() => Box::new(move |at| at >= first),
        (None, Some(length)) if first.is_empty() => {
            if length > 0 && size == 0 {
                return Meant::All;
            }
            Box::new(move |at| at + length >= u128::from(size))
        }
        _ => return Meant::All,
    };
    let hit: Vec<u64> = (0..size).filter(|at| selects(u128::from(*at))).collect();
    match (hit.first(), hit.last()) {
        (Some(first), Some(last)) => Meant::Part(*first, *last),
        _ => Meant::Nothing,
    }
}

proptest! {
    #[test]
    fn m14_equals_the_reference_for_well_formed_ranges(
        first in proptest::option::of(0_u64..40), last in proptest::option::of(0_u64..40),
        size in 0_u64..32, pad in "[ \t,]{0,3}", unit in "bytes|BYTES|Bytes|items",
    ) {
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let text = format!("{unit}={pad}{}-{}{pad}", number(first), number(last));
        prop_assert_eq!(meant(text.as_bytes(), size), reference(&text, size), "{}", text);
    }

    #[test]
    fn m14_equals_the_reference_for_anything(text in "bytes=[0-9, \t-]{0,12}", size in 0_u64..200) {
        prop_assert_eq!(meant(text.as_bytes(), size), reference(&text, size), "{}", text);
    }

    #[test]
    fn m14_any_bytes_give_an_answer_within_the_object(
        value in proptest::collection::vec(any::<u8>(), 0..64), size: u64,
    ) {
        if let Meant::Part(first, last) = meant(&value, size) {
            prop_assert!(first <= last && last < size);
        }
    }

    #[test]
    fn m18_content_ranges_survive_a_round_trip(first in 0_u64..1000, more in 0_u64..1000, tail in 1_u64..9) {
        let range = ByteRange::new(first, first + more).unwrap();
        let size = first + more + tail;
        let text = range.content_range(size);
        prop_assert_eq!(ByteRange::parse_content_range(text.as_bytes()), Some((range, size)));
        prop_assert_eq!(range.len(), more + 1);
    }
}
