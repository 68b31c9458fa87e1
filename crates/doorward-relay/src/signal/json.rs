//! In JSON, which a client gets that speaks JSON itself. What is not mapped stays
//! as it is written: spaces, order, escapes, unknown and repeated names.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Ice, Malformed, Maps};

pub(super) fn rewrite(text: &str, maps: &mut dyn Maps) -> Result<Option<String>, Malformed> {
    object(text, |name, value| match name {
        "join" => {
            let join = object(value, |name, value| match name {
                "iceServers" | "ice_servers" => list(value, |value| ice_server(value, maps)),
                "alternativeUrl" | "alternative_url" => alternative(value, maps),
                _ => Ok(None),
            });
            maps.ice_listed();
            join
        }
        "reconnect" => {
            let reconnect = object(value, |name, value| match name {
                "iceServers" | "ice_servers" => list(value, |value| ice_server(value, maps)),
                _ => Ok(None),
            });
            maps.ice_listed();
            reconnect
        }
        "leave" => object(value, |name, value| match name {
            "regions" => object(value, |name, value| match name {
                "regions" => list(value, |value| region(value, maps)),
                _ => Ok(None),
            }),
            _ => Ok(None),
        }),
        _ => Ok(None),
    })
}

/// What becomes of an element.
enum Element {
    Kept,
    Dropped,
    Replaced(String),
}

fn ice_server(value: &str, maps: &mut dyn Maps) -> Result<Element, Malformed> {
    let (mut had, mut has) = (false, false);
    let edited = object(value, |name, value| {
        if name != "urls" {
            return Ok(None);
        }
        list(value, |value| {
            had = true;
            Ok(match maps.ice(&string(value)?) {
                Ice::Dropped => Element::Dropped,
                Ice::Kept => {
                    has = true;
                    Element::Kept
                }
                Ice::Replaced(url) => {
                    has = true;
                    Element::Replaced(quoted(&url)?)
                }
            })
        })
    })?;
    Ok(if had && !has {
        Element::Dropped
    } else {
        edited.map_or(Element::Kept, Element::Replaced)
    })
}

fn region(value: &str, maps: &mut dyn Maps) -> Result<Element, Malformed> {
    let mut lost = false;
    let edited = object(value, |name, value| {
        let url = if name == "url" {
            string(value)?
        } else {
            String::new()
        };
        if url.is_empty() {
            return Ok(None);
        }
        let Some(url) = maps.server(&url) else {
            lost = true;
            return Ok(None);
        };
        quoted(&url).map(Some)
    })?;
    Ok(if lost {
        Element::Dropped
    } else {
        edited.map_or(Element::Kept, Element::Replaced)
    })
}

fn alternative(value: &str, maps: &mut dyn Maps) -> Result<Option<String>, Malformed> {
    if is_null(value) {
        return Ok(None);
    }
    let url = string(value)?;
    if url.is_empty() {
        return Ok(None);
    }
    quoted(&maps.server(&url).unwrap_or_default()).map(Some)
}

/// Shows every name and value to `look`, which may give another value.
fn object(
    text: &str,
    mut look: impl FnMut(&str, &str) -> Result<Option<String>, Malformed>,
) -> Result<Option<String>, Malformed> {
    if is_null(text) {
        return Ok(None);
    }
    let Entries(entries) = serde_json::from_str(text).map_err(|_| Malformed)?;
    let mut edited: Option<String> = None;
    let mut done = 0;
    for (name, value) in entries {
        let value = value.get();
        let Some(new) = look(&name, value)? else {
            continue;
        };
        let at = place(text, value)?;
        let edited = edited.get_or_insert_default();
        edited.push_str(text.get(done..at).ok_or(Malformed)?);
        edited.push_str(&new);
        done = at + value.len();
    }
    if let Some(edited) = &mut edited {
        edited.push_str(text.get(done..).ok_or(Malformed)?);
    }
    Ok(edited)
}

/// Shows every element to `look`. A list of which one goes is written anew.
fn list(
    text: &str,
    mut look: impl FnMut(&str) -> Result<Element, Malformed>,
) -> Result<Option<String>, Malformed> {
    if is_null(text) {
        return Ok(None);
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Malformed)?;
    let mut left = Vec::with_capacity(elements.len());
    let mut changed = false;
    for element in &elements {
        match look(element.get())? {
            Element::Kept => left.push(element.get().to_owned()),
            Element::Dropped => changed = true,
            Element::Replaced(new) => {
                changed = true;
                left.push(new);
            }
        }
    }
    if !changed {
        return Ok(None);
    }
    if left.len() < elements.len() {
        return Ok(Some(format!("[{}]", left.join(","))));
    }
    let mut edited = String::with_capacity(text.len());
    let mut done = 0;
    for (element, new) in elements.iter().zip(&left) {
        let at = place(text, element.get())?;
        edited.push_str(text.get(done..at).ok_or(Malformed)?);
        edited.push_str(new);
        done = at + element.get().len();
    }
    edited.push_str(text.get(done..).ok_or(Malformed)?);
    Ok(Some(edited))
}

/// Where `part` lies in `text`, of which it was borrowed.
fn place(text: &str, part: &str) -> Result<usize, Malformed> {
    part.as_ptr()
        .addr()
        .checked_sub(text.as_ptr().addr())
        .filter(|at| at + part.len() <= text.len())
        .ok_or(Malformed)
}

fn is_null(text: &str) -> bool {
    text.trim() == "null"
}

fn string(text: &str) -> Result<String, Malformed> {
    serde_json::from_str(text).map_err(|_| Malformed)
}

fn quoted(text: &str) -> Result<String, Malformed> {
    serde_json::to_string(text).map_err(|_| Malformed)
}

/// The names and values of an object, in their order, repeated ones too.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Entries(all))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HERE, Table};
    use super::*;

    fn mapped(text: &str) -> Result<Option<String>, Malformed> {
        rewrite(text, &mut Table::default())
    }

    #[test]
    fn r24_r26_ice_servers_are_mapped_in_json_and_nothing_else_is() {
        for name in ["iceServers", "ice_servers"] {
            let text = format!(
                r#" {{ "a":1.50, "join" : {{"x":"\u00e9", "{name}" :[ {{"urls":[ "turns:t.example" , "odd:x"],"username":"u"}}, 7 ] ,"y":[ ]}}, "a":2 }} "#
            );
            // The seven is no server.
            assert_eq!(mapped(&text), Err(Malformed));
            let text = text.replace(", 7 ]", "]");
            let expected = text.replace("turns:t.example", HERE);
            assert_eq!(mapped(&text).unwrap().unwrap(), expected);
        }
        let text = r#"{"reconnect":{"iceServers":[{"urls":["stun:a"],"credential":"c"}, {"urls":["turn:b","stun:c"]}]}}"#;
        let expected = format!(r#"{{"reconnect":{{"iceServers":[{{"urls":["{HERE}"]}}]}}}}"#);
        assert_eq!(mapped(text).unwrap().unwrap(), expected);
    }

    #[test]
    fn r23_r24_regions_and_the_alternative_url_are_mapped_in_json() {
        let text = r#"{"leave":{"reason":"X","regions":{"regions":[{"url":"wss://known.example"},{"url":"wss://else.example"}]}}}"#;
        let expected =
            r#"{"leave":{"reason":"X","regions":{"regions":[{"url":"ws://127.0.0.1:1/r/t"}]}}}"#;
        assert_eq!(mapped(text).unwrap().unwrap(), expected);
        let text = r#"{"join":{"alternativeUrl":"wss://else.example"}}"#;
        let expected = r#"{"join":{"alternativeUrl":""}}"#;
        assert_eq!(mapped(text).unwrap().unwrap(), expected);
    }

    #[test]
    fn r24_what_has_no_such_url_stays_and_what_is_no_object_is_malformed() {
        for text in [
            "{}",
            " { } ",
            "null",
            r#"{"join":null,"leave":{"regions":null}}"#,
            r#"{"join":{"iceServers":null,"alternativeUrl":null}}"#,
            r#"{"trickle":{"candidateInit":"{\"candidate\":\"turn:x\"}"}}"#,
            r#"{"join":{"iceServers":[{"username":"u"}]}}"#,
        ] {
            assert_eq!(mapped(text), Ok(None), "{text}");
        }
        for text in [
            "",
            "[]",
            "7",
            "{",
            r#"{"join":7}"#,
            r#"{"join":{"iceServers":[{"urls":[7]}]}}"#,
        ] {
            assert_eq!(mapped(text), Err(Malformed), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn r24_no_text_makes_it_panic(text: String) {
            let _ = mapped(&text);
        }
    }
}
