use std::time::Duration;

use super::*;

const EARLIER: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const SAME: &str = "Fri, 01 Jan 2010 00:00:00 GMT";
const LATER: &str = "Wed, 01 Jan 2020 00:00:00 GMT";

/// The verdict for an object tagged "a", modified within the second of SAME.
fn verdict(fields: &[(HeaderName, &str)]) -> Verdict {
    verdict_of(fields, "\"a\"")
}

fn verdict_of(fields: &[(HeaderName, &str)], etag: &str) -> Verdict {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value.parse().unwrap());
    }
    let modified = httpdate::parse_http_date(SAME).unwrap() + Duration::from_millis(700);
    let etag = EntityTag::parse(etag.as_bytes()).unwrap();
    judge(
        &headers,
        Validators {
            etag: Some(&etag),
            modified: Some(modified),
        },
    )
}

#[test]
fn m16_if_range_wants_the_strong_tag() {
    use Verdict::{Proceed, ProceedWhole};
    assert_eq!(verdict(&[]), Proceed);
    assert_eq!(verdict(&[(IF_RANGE, "\"a\"")]), Proceed);
    for other in [
        "\"b\"",
        "W/\"a\"",
        SAME,
        LATER,
        "a",
        "*",
        "\"a\", \"b\"",
        "",
    ] {
        assert_eq!(verdict(&[(IF_RANGE, other)]), ProceedWhole, "{other:?}");
    }
    assert_eq!(
        verdict_of(&[(IF_RANGE, "W/\"a\"")], "W/\"a\""),
        ProceedWhole
    );
    assert_eq!(
        verdict(&[(IF_RANGE, "\"a\""), (IF_RANGE, "\"a\"")]),
        ProceedWhole
    );
}

#[test]
fn m17_if_none_match_compares_weakly() {
    for same in [
        "\"a\"",
        "W/\"a\"",
        "*",
        "\"b\", \"a\"",
        "\"b\",,\t\"a\"",
        "\"x,y\", W/\"a\"",
    ] {
        assert_eq!(
            verdict(&[(IF_NONE_MATCH, same)]),
            Verdict::NotModified,
            "{same:?}"
        );
    }
    for other in ["\"b\"", "a", "\"A\"", "\"b\" \"a\"", "", "\"a", "w/\"a\""] {
        assert_eq!(
            verdict(&[(IF_NONE_MATCH, other)]),
            Verdict::Proceed,
            "{other:?}"
        );
    }
    let two = [(IF_NONE_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")];
    assert_eq!(verdict(&two), Verdict::NotModified);
}

#[test]
fn m17_if_match_compares_strongly() {
    for same in ["\"a\"", "*", "\"b\", \"a\""] {
        assert_eq!(verdict(&[(IF_MATCH, same)]), Verdict::Proceed, "{same:?}");
    }
    for other in ["\"b\"", "W/\"a\"", "a", ""] {
        assert_eq!(
            verdict(&[(IF_MATCH, other)]),
            Verdict::PreconditionFailed,
            "{other:?}"
        );
    }
    assert_eq!(
        verdict_of(&[(IF_MATCH, "\"a\"")], "W/\"a\""),
        Verdict::PreconditionFailed
    );
}

#[test]
fn dates_count_in_whole_seconds() {
    let since = |value| verdict(&[(IF_MODIFIED_SINCE, value)]);
    assert_eq!(since(EARLIER), Verdict::Proceed);
    assert_eq!(since(SAME), Verdict::NotModified);
    assert_eq!(since(LATER), Verdict::NotModified);
    assert_eq!(since("yesterday"), Verdict::Proceed);
    let until = |value| verdict(&[(IF_UNMODIFIED_SINCE, value)]);
    assert_eq!(until(EARLIER), Verdict::PreconditionFailed);
    assert_eq!(until(SAME), Verdict::Proceed);
    assert_eq!(until(LATER), Verdict::Proceed);
    assert_eq!(until("yesterday"), Verdict::Proceed);
}

#[test]
fn tags_outrank_dates_and_if_match_comes_first() {
    let cases: &[(&[(HeaderName, &str)], Verdict)] = &[
        (
            &[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, EARLIER)],
            Verdict::Proceed,
        ),
        (
            &[(IF_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")],
            Verdict::PreconditionFailed,
        ),
        (
            &[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "\"a\"")],
            Verdict::NotModified,
        ),
        (
            &[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, LATER)],
            Verdict::Proceed,
        ),
        (
            &[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, EARLIER)],
            Verdict::NotModified,
        ),
        (
            &[(IF_UNMODIFIED_SINCE, EARLIER), (IF_NONE_MATCH, "\"a\"")],
            Verdict::PreconditionFailed,
        ),
        (
            &[(IF_NONE_MATCH, "\"a\""), (IF_RANGE, "\"b\"")],
            Verdict::NotModified,
        ),
        (
            &[(IF_MATCH, "\"a\""), (IF_RANGE, "\"b\"")],
            Verdict::ProceedWhole,
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(verdict(fields), *expected, "{fields:?}");
    }
}

#[test]
fn an_object_without_validators_matches_only_the_star() {
    let bare = Validators {
        etag: None,
        modified: None,
    };
    let with = |name: HeaderName, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        judge(&headers, bare)
    };
    assert_eq!(with(IF_MATCH, "*"), Verdict::Proceed);
    assert_eq!(with(IF_MATCH, "\"a\""), Verdict::PreconditionFailed);
    assert_eq!(with(IF_NONE_MATCH, "*"), Verdict::NotModified);
    assert_eq!(with(IF_NONE_MATCH, "\"a\""), Verdict::Proceed);
    assert_eq!(with(IF_MODIFIED_SINCE, LATER), Verdict::Proceed);
    assert_eq!(with(IF_UNMODIFIED_SINCE, EARLIER), Verdict::Proceed);
    assert_eq!(with(IF_RANGE, "\"a\""), Verdict::ProceedWhole);
}

#[test]
fn dates_beyond_what_http_can_write_are_left_out() {
    assert!(http_date(UNIX_EPOCH).is_some());
    assert!(http_date(UNIX_EPOCH - Duration::from_secs(1)).is_none());
    assert!(http_date(UNIX_EPOCH + Duration::from_secs(253_402_300_800)).is_none());
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(value in proptest::collection::vec(0x20_u8..0x7f, 0..48)) {
        let value = String::from_utf8(value).unwrap();
        for name in [IF_MATCH, IF_NONE_MATCH, IF_RANGE, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
            verdict(&[(name, &value)]);
        }
    }
}
