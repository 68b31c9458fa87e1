use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::defaults;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Mint {
    sources: Vec<String>,
    disposition: Option<Disposition>,
    #[serde(default)]
    inner: Option<Box<Mint>>,
    #[serde(default)]
    count: u8,
    #[serde(default)]
    how: How,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Disposition {
    Inline,
    Named { name: String },
    Of(u32),
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
enum How {
    #[default]
    Plain,
    Timed {
        seconds: f64,
    },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Wrapped(u64);

fn rule(body: impl AsRef<[u8]>) -> Rule {
    parse::<Mint>(body.as_ref()).unwrap_err().rule()
}

/// Any JSON at all.
#[derive(Debug)]
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(from).map(|_| Self)
    }
}

fn refused(body: impl AsRef<[u8]>) -> Option<Rule> {
    parse::<Anything>(body.as_ref())
        .err()
        .map(|refusal| refusal.rule())
}

#[test]
#[rustfmt::skip]
fn t101_every_shape_we_use_is_read() {
    let body = r#" {"sources":["a:b\u00e9\ud83d\ude00",""],"disposition":{"named":{"name":"x"}},
        "inner":{"sources":[],"disposition":"inline","count":255},"how":{"kind":"timed","seconds":1}} "#;
    let mint: Mint = parse(body.as_bytes()).unwrap();
    assert_eq!(mint.sources, ["a:bé😀", ""]);
    assert_eq!(mint.disposition, Some(Disposition::Named { name: "x".to_owned() }));
    assert_eq!(mint.how, How::Timed { seconds: 1.0 });
    let inner = mint.inner.unwrap();
    assert_eq!((inner.disposition, inner.count), (Some(Disposition::Inline), 255));
    assert_eq!(parse::<Mint>(br#"{"sources":[],"disposition":null}"#).unwrap().disposition, None);
    let of: Mint = parse(br#"{"sources":[],"disposition":{"of":4}}"#).unwrap();
    assert_eq!(of.disposition, Some(Disposition::Of(4)));
    assert_eq!(parse::<Wrapped>(b"7").unwrap(), Wrapped(7));
    assert_eq!(parse::<(i64, bool)>(b"[-7,true]").unwrap(), (-7, true));
    assert_eq!(parse::<BTreeMap<String, f64>>(br#"{"a":1.5}"#).unwrap().get("a"), Some(&1.5));
}

#[test]
#[rustfmt::skip]
fn t101_wrong_types_are_refused() {
    for body in [
        "", " ", "null", "[]", "\"x\"", "7", "{}",
        r#"{"sources":"x"}"#, r#"{"sources":[1]}"#, r#"{"sources":null}"#, r#"{"sources":{"0":"x"}}"#,
        r#"{"sources":[],"count":256}"#, r#"{"sources":[],"count":-1}"#, r#"{"sources":[],"count":1.0}"#,
        r#"{"sources":[],"count":"1"}"#, r#"{"sources":[],"disposition":"other"}"#,
        r#"{"sources":[],"disposition":{"named":{"name":"x"},"of":1}}"#,
        r#"{"sources":[],"disposition":{}}"#, r#"{"sources":[],"disposition":["inline"]}"#,
        r#"{"sources":[],"how":{"kind":"none"}}"#, r#"{"sources":[],"how":{}}"#,
    ] {
        assert_eq!(rule(body), Rule::InvalidJson, "{body}");
    }
}

#[test]
#[rustfmt::skip]
fn t101_only_one_json_text_in_utf8_is_read() {
    for body in [
        &b"{}x"[..], b"{}{}", b"{} []", b"{},", b"{'a':1}", b"{a:1}", b"{\"a\":1,}", b"[1,]", b"// x\n{}",
        b"NaN", b"Infinity", b"+1", b"01", b"0x1", b".5", b"1.", b"tru", b"True", b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\"}", b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"{\"a\":\"\n\"}", b"\"\0\"", b"{\"a\" 1}",
        b"\xfe\xff\0{\0}", b"{\"a\":1", b"\"", b"\"\\x\"", b"{}\0",
    ] {
        assert_eq!(refused(body), Some(Rule::InvalidJson), "{body:?}");
    }
    assert_eq!(refused(b"\r\n\t {} \r\n\t"), None);
}

#[test]
fn t101_nesting_ends_at_sixteen() {
    let lists = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth);
    assert_eq!(refused(lists(defaults::JSON_DEPTH)), None);
    assert_eq!(refused(objects(defaults::JSON_DEPTH)), None);
    for depth in [defaults::JSON_DEPTH + 1, 128, 10_000, 1_000_000] {
        assert_eq!(refused(lists(depth)), Some(Rule::InvalidJson), "{depth}");
        assert_eq!(refused(objects(depth)), Some(Rule::InvalidJson), "{depth}");
        assert_eq!(
            refused("[".repeat(depth)),
            Some(Rule::InvalidJson),
            "{depth}"
        );
    }
    // Siblings do not add up.
    assert_eq!(refused(format!("[{}]", vec!["[]"; 10_000].join(","))), None);
}

#[test]
#[rustfmt::skip]
fn t101_doubled_keys_are_refused_at_any_depth() {
    for body in [
        r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"a":3}"#, r#"{"x":[{"y":{"a":1,"a":null}}]}"#,
        // The same key, written differently.
        r#"{"a":1,"\u0061":2}"#, r#"{"":1,"":2}"#,
    ] {
        assert_eq!(refused(body), Some(Rule::InvalidJson), "{body}");
    }
    assert_eq!(refused(r#"{"a":{"a":1},"b":{"a":1},"A":1}"#), None);
}

#[test]
fn t101_numbers_that_fit_nothing_are_refused() {
    for body in [
        "1e400",
        "-1e400",
        "[1e309]",
        r#"{"a":1e99999999999999999999}"#,
    ] {
        assert_eq!(refused(body), Some(Rule::InvalidJson), "{body}");
    }
    for body in ["18446744073709551616", "-1", "1e3", "1.0"] {
        assert!(parse::<u64>(body.as_bytes()).is_err(), "{body}");
    }
    assert_eq!(parse::<u64>(b"18446744073709551615").unwrap(), u64::MAX);
    assert_eq!(parse::<i64>(b"-9223372036854775808").unwrap(), i64::MIN);
}

#[test]
#[rustfmt::skip]
fn t101_lone_surrogates_are_refused() {
    for body in [
        r#""\ud800""#, r#""\udc00""#, r#""\ud800x""#, r#""\ud800\u0061""#, r#""\udc00\ud800""#,
        r#"{"\ud800":1}"#, r#"[{"a":["\ud83d"]}]"#,
    ] {
        assert_eq!(refused(body), Some(Rule::InvalidJson), "{body}");
    }
}

#[test]
#[rustfmt::skip]
fn unknown_fields_are_told_apart() {
    for body in [
        r#"{"sources":[],"sourcez":"x"}"#, r#"{"Sources":[]}"#, r#"{"sources":[],"":1}"#,
        r#"{"sources":[],"inner":{"sources":[],"extra":1}}"#,
        r#"{"sources":[],"how":{"kind":"timed","seconds":1,"extra":1}}"#,
        // Also where the sentence of an error could be forged.
        r#"{"sources":[],"unknown variant `x`":1}"#,
    ] {
        assert_eq!(rule(body), Rule::UnknownField, "{body}");
    }
    assert_eq!(rule(r#"{"sources":[],"disposition":"unknown field `x`"}"#), Rule::InvalidJson);
    assert_eq!(rule(r#"{"sources":[{"unknown field":"x"}]}"#), Rule::InvalidJson);
}

#[test]
#[rustfmt::skip]
fn authority_fields_are_refused_at_any_depth() {
    for field in AUTHORITY_FIELDS {
        assert!(field.chars().all(|c| c.is_ascii_lowercase()), "{field} is never found");
        assert_eq!(rule(format!(r#"{{"{field}":1}}"#)), Rule::AuthorityFieldRejected);
        let deep = format!(r#"{{"sources":[{{"a":[[{{"{field}":null}}]]}}]}}"#);
        assert_eq!(rule(deep), Rule::AuthorityFieldRejected);
    }
    for field in [
        "principal", "principalId", "PRINCIPAL_ID", "user", "userId", "user-id", "uid", "gid", "role", "Roles",
        "scope", "scopes", "sessionId", "session_id", "session", "capability", "capId", "handle", "handles",
        "authority", "admin", "isAdmin", "interfaceId", "remoteAddr", "source", "endpointOwner", "slot",
        "owner", "onBehalfOf", "on-behalf-of", "actAs", "impersonate",
        "__proto__", "\\u0075ser", "_user_",
    ] {
        assert_eq!(rule(format!(r#"{{"{field}":1}}"#)), Rule::AuthorityFieldRejected, "{field}");
    }
    for field in ["users", "userx", "sources", "accountName", "superb", "kind", "scoped", "", "-", "__"] {
        assert_eq!(refused(format!(r#"{{"{field}":1}}"#)), None, "{field}");
    }
    // What the text says first decides.
    assert_eq!(rule(r#"{"a":1,"a":1,"user":1}"#), Rule::InvalidJson);
    assert_eq!(rule(r#"{"user":1,"a":1,"a":1}"#), Rule::AuthorityFieldRejected);
    assert_eq!(rule(r#"{"nothing":1,"user":1}"#), Rule::AuthorityFieldRejected);
    assert_eq!(rule(r#"{"nothing":{"user":1}}x"#), Rule::AuthorityFieldRejected);
}

#[test]
#[rustfmt::skip]
fn t91_no_text_of_the_body_reaches_the_log() {
    for body in [
        r#"{"canary":1}"#, r#"{"sources":"canary"}"#, r#"{"sources":[],"disposition":"canary"}"#,
        r#"{"user":"canary"}"#, r#"{"canary":1,"canary":2}"#, r#"canary"#,
    ] {
        let refusal = parse::<Mint>(body.as_bytes()).unwrap_err();
        assert!(!format!("{refusal:?}").contains("canary"), "{refusal:?}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map("z[a-z]{0,3}", inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn t101_what_is_read_is_what_serde_json_reads(value in json()) {
        let text = serde_json::to_vec(&value).unwrap();
        let plain: serde_json::Value = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(parse::<serde_json::Value>(&text).unwrap(), plain);
    }

    #[test]
    fn t101_any_bytes_are_survived(
        body in prop::collection::vec(any::<u8>(), 0..256),
        text in r#"[\[\]{}":,0-9a-ce\\u+.\-tnlf ]{0,64}"#,
    ) {
        for body in [&body[..], text.as_bytes()] {
            if parse::<Anything>(body).is_ok() {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(body).is_ok());
            }
        }
    }
}
