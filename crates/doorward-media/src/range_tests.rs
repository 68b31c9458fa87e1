use super::*;

/// What the vectors expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// 200 with everything.
    All,
    /// 206 with these bytes.
    Part(u64, u64),
    /// 206 with these parts.
    Several(Vec<(u64, u64)>),
    /// 416.
    Nothing,
}

pub(super) fn meant(value: &[u8], size: u64) -> Meant {
    match Asked::parse(value) {
        Asked::Whole => Meant::All,
        Asked::Several(set) => match set.within(size) {
            Ok(Parts::Whole) => Meant::All,
            Ok(Parts::One(range)) => Meant::Part(range.first(), range.last()),
            Ok(Parts::Several(ranges)) => {
                Meant::Several(ranges.iter().map(|r| (r.first(), r.last())).collect())
            }
            Err(Unsatisfiable) => Meant::Nothing,
        },
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
        // One bad member spoils the set.
        ("bytes=0-1,junk", 100, All),
        ("bytes=junk,0-1", 100, All),
        ("bytes=0-1,5-2", 100, All),
        ("bytes=0-1,-", 100, All),
        // Near, touching and overlapping ranges are one.
        ("bytes=0-1,2-3", 100, Part(0, 3)),
        ("bytes=0-1,0-1", 100, Part(0, 1)),
        ("bytes=0-1,50-51", 100, Part(0, 51)),
        ("bytes=50-51,0-1", 100, Part(0, 51)),
        ("bytes=0-49,50-99", 100, Part(0, 99)),
        ("bytes=0-1,130-131", 1000, Part(0, 131)),
        ("bytes=130-131,0-1", 1000, Part(0, 131)),
        ("BYTES= 0-1 ,, 2-3", 100, Part(0, 3)),
        // Members outside are left out.
        ("bytes=0-1,100-", 100, Part(0, 1)),
        ("bytes=100-,0-1", 100, Part(0, 1)),
        ("bytes=-0,0-1", 100, Part(0, 1)),
        ("bytes=100-,200-300", 100, Nothing),
        ("bytes=-0,-0", 100, Nothing),
        ("bytes=0-,0-", 0, Nothing),
        ("bytes=0-,-1", 0, All),
        // More bytes than there are.
        ("bytes=0-,-1", 100, All),
        ("bytes=0-,0-,0-", 100, All),
        ("bytes=0-60,40-99", 100, All),
        ("bytes=-100,-100", 100, All),
        (
            "bytes=0-18446744073709551615,1-18446744073709551615",
            u64::MAX,
            All,
        ),
    ];
    assert!(table.len() >= 60);
    for (value, size, expected) in table {
        assert_eq!(
            meant(value.as_bytes(), *size),
            expected.clone(),
            "{value:?} of {size}"
        );
    }
    assert_eq!(Asked::parse(b"bytes=\xff-1"), Asked::Whole);
    assert_eq!(Asked::parse("bytes=٣-٤".as_bytes()), Asked::Whole);
}

#[test]
fn m14_the_table_of_several_ranges() {
    type Row = (&'static str, u64, &'static [(u64, u64)]);
    let table: &[Row] = &[
        ("bytes=0-1,131-132", 1000, &[(0, 1), (131, 132)]),
        ("bytes=131-132,0-1", 1000, &[(131, 132), (0, 1)]),
        ("bytes=0-0,-1", 1000, &[(0, 0), (999, 999)]),
        ("bytes=-1,0-0", 1000, &[(999, 999), (0, 0)]),
        ("bytes=900-,0-9", 1000, &[(900, 999), (0, 9)]),
        ("bytes=900-5000,0-9", 1000, &[(900, 999), (0, 9)]),
        ("bytes=0-9,2000-,500-509", 1000, &[(0, 9), (500, 509)]),
        (
            "bytes=500-509,0-9,505-520,900-909",
            1000,
            &[(500, 520), (0, 9), (900, 909)],
        ),
        // The third joins the first two, and stands where the first stood.
        ("bytes=300-301,0-1,100-250", 1000, &[(0, 301)]),
        ("bytes= ,0-0,\t,500-500,", 1000, &[(0, 0), (500, 500)]),
        ("Bytes=000-000,0500-00500", 1000, &[(0, 0), (500, 500)]),
    ];
    for (value, size, expected) in table {
        let expected = match expected {
            [(first, last)] => Meant::Part(*first, *last),
            _ => Meant::Several(expected.to_vec()),
        };
        assert_eq!(meant(value.as_bytes(), *size), expected, "{value:?}");
    }
}

#[test]
fn m14_a_thousand_ranges_cost_no_more_than_the_object() {
    let near = format!("bytes={}", vec!["0-1"; 1000].join(","));
    assert_eq!(meant(near.as_bytes(), 100), Meant::All, "2000 of 100 bytes");
    assert_eq!(meant(near.as_bytes(), 2000), Meant::Part(0, 1));
    let apart = |count: u64| {
        let members: Vec<_> = (0..count).map(|at| format!("{0}-{0}", at * 1000)).collect();
        format!("bytes={}", members.join(","))
    };
    assert_eq!(meant(apart(1000).as_bytes(), 1_000_000), Meant::All);
    assert_eq!(meant(apart(17).as_bytes(), 1_000_000), Meant::All);
    let Meant::Several(parts) = meant(apart(16).as_bytes(), 1_000_000) else {
        panic!("sixteen parts");
    };
    assert_eq!(parts.len(), 16);
    // As many as a header line holds, all of them away from each other.
    let many = format!("bytes={}", vec!["0-,"; 2700].concat());
    assert_eq!(meant(many.as_bytes(), u64::MAX), Meant::All);
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
