//! Shapes of JSON: exactly these fields, each of its kind.

use serde_json::Value;

/// Whether `got` is as `wanted` says: texts in angle brackets stand for what may
/// differ, everything else for itself. An object has these fields and no others.
pub(crate) fn fits(wanted: &Value, got: &Value) -> bool {
    match (wanted, got) {
        (Value::String(kind), got) if kind.starts_with('<') => is_kind(kind, got),
        (Value::Object(wanted), Value::Object(got)) => {
            wanted.len() == got.len()
                && wanted
                    .iter()
                    .all(|(key, wanted)| got.get(key).is_some_and(|got| fits(wanted, got)))
        }
        (Value::Array(wanted), Value::Array(got)) => {
            wanted.len() == got.len() && wanted.iter().zip(got).all(|(a, b)| fits(a, b))
        }
        (wanted, got) => wanted == got,
    }
}

fn is_kind(kind: &str, got: &Value) -> bool {
    let text = got.as_str().unwrap_or_default();
    let is_hex = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match kind {
        "<any>" => true,
        "<text>" => !text.is_empty(),
        "<64 hex>" => text.len() == 64 && is_hex(text),
        "<uuid>" => {
            text.len() == 36 && is_hex(&text.replace('-', "")) && text.as_bytes()[14] == b'4'
        }
        // RFC 3339 in UTC, as listings have it, and as uploads do.
        "<time Z>" => text.contains('T') && text.ends_with('Z'),
        "<time +0>" => text.contains('T') && text.ends_with("+00:00"),
        other => panic!("no such kind: {other}"),
    }
}

#[test]
fn a_field_more_or_less_does_not_fit() {
    use serde_json::json;
    assert!(fits(
        &json!({ "a": "<text>", "b": [1] }),
        &json!({ "a": "x", "b": [1] })
    ));
    for got in [
        json!({ "a": "x" }),
        json!({ "a": "x", "b": [1], "c": 1 }),
        json!({ "a": "", "b": [1] }),
        json!({ "a": "x", "b": [] }),
    ] {
        assert!(!fits(&json!({ "a": "<text>", "b": [1] }), &got), "{got}");
    }
}
