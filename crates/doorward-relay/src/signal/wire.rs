//! In the wire format.

use super::{Ice, Malformed, Maps};
use crate::protobuf::{Edit, Field, edit, text, within};

/// `SignalResponse`.
const JOIN: u32 = 1;
const LEAVE: u32 = 8;
const RECONNECT: u32 = 19;
/// `JoinResponse`.
const JOIN_ICE_SERVERS: u32 = 5;
const JOIN_ALTERNATIVE_URL: u32 = 7;
/// `ReconnectResponse`.
const RECONNECT_ICE_SERVERS: u32 = 1;
/// `ICEServer`.
const ICE_URLS: u32 = 1;
/// `LeaveRequest`, `RegionSettings`, `RegionInfo`.
const LEAVE_REGIONS: u32 = 4;
const REGIONS: u32 = 1;
const REGION_URL: u32 = 2;

pub(super) fn rewrite(message: &[u8], maps: &mut dyn Maps) -> Result<Option<Vec<u8>>, Malformed> {
    edit(message, |field| match field.number {
        JOIN => {
            let join = within(field, |field| match field.number {
                JOIN_ICE_SERVERS => ice_server(field, maps),
                JOIN_ALTERNATIVE_URL => server(field, maps),
                _ => Ok(Edit::Kept),
            });
            maps.ice_listed();
            join
        }
        RECONNECT => {
            let reconnect = within(field, |field| match field.number {
                RECONNECT_ICE_SERVERS => ice_server(field, maps),
                _ => Ok(Edit::Kept),
            });
            maps.ice_listed();
            reconnect
        }
        LEAVE => within(field, |field| match field.number {
            LEAVE_REGIONS => within(field, |field| match field.number {
                REGIONS => region(field, maps),
                _ => Ok(Edit::Kept),
            }),
            _ => Ok(Edit::Kept),
        }),
        _ => Ok(Edit::Kept),
    })
}

fn ice_server(field: &Field<'_>, maps: &mut dyn Maps) -> Result<Edit, Malformed> {
    let (mut had, mut has) = (false, false);
    let edited = within(field, |field| {
        if field.number != ICE_URLS {
            return Ok(Edit::Kept);
        }
        had = true;
        Ok(match maps.ice(text(field)?) {
            Ice::Dropped => Edit::Dropped,
            Ice::Kept => {
                has = true;
                Edit::Kept
            }
            Ice::Replaced(url) => {
                has = true;
                Edit::Replaced(url.into_bytes())
            }
        })
    })?;
    // Browsers throw at a server without addresses.
    Ok(if had && !has { Edit::Dropped } else { edited })
}

/// A region without a URL stays: there is nothing in it to go to.
fn region(field: &Field<'_>, maps: &mut dyn Maps) -> Result<Edit, Malformed> {
    let mut lost = false;
    let edited = within(field, |field| {
        if field.number != REGION_URL {
            return Ok(Edit::Kept);
        }
        let edited = server(field, maps)?;
        lost |= edited == Edit::Dropped;
        Ok(edited)
    })?;
    Ok(if lost { Edit::Dropped } else { edited })
}

fn server(field: &Field<'_>, maps: &mut dyn Maps) -> Result<Edit, Malformed> {
    let url = text(field)?;
    if url.is_empty() {
        return Ok(Edit::Kept);
    }
    Ok(maps
        .server(url)
        .map_or(Edit::Dropped, |url| Edit::Replaced(url.into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HERE, Table};
    use super::*;

    /// A field with a length, written with more bytes than it needs.
    fn put(number: u32, parts: &[&[u8]]) -> Vec<u8> {
        let inside = parts.concat();
        let tag = (number << 3) | 2;
        let mut bytes = vec![
            u8::try_from(tag & 0x7f).unwrap() | 0x80,
            u8::try_from(tag >> 7).unwrap(),
        ];
        let length = u32::try_from(inside.len()).unwrap();
        bytes.extend((0..4).map(|at| u8::try_from((length >> (7 * at)) & 0x7f).unwrap() | 0x80));
        bytes.push(0);
        bytes.extend(inside);
        bytes
    }

    /// The same field as an edit leaves it: the tag as it was, the length short.
    fn put_short(number: u32, parts: &[&[u8]]) -> Vec<u8> {
        let inside = parts.concat();
        let mut bytes = put(number, &[])[..2].to_vec();
        let mut length = inside.len();
        while length > 127 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(inside);
        bytes
    }

    #[test]
    fn r26_ice_servers_are_mapped_in_join_and_reconnect_and_nothing_else_is() {
        for (outer, list) in [(1, 5), (19, 1)] {
            let unknown = put(777, &[b"turn:looks.like?transport=tcp"]);
            let user = [put(2, &[b"1790000000:p"]), put(3, &[b"secret"])].concat();
            let server = put(
                list,
                &[
                    &put(1, &[b"turns:t.example:443"]),
                    &user,
                    &put(1, &[b"stun:s.example"]),
                    &unknown,
                ],
            );
            let only_stun = put(list, &[&put(1, &[b"stun:s.example"]), &user]);
            let odd = put(list, &[&put(1, &[b"odd:thing"])]);
            let none = put(list, &[&user]);
            let message = [
                put(900, &[b"before"]),
                put(
                    outer,
                    &[&unknown, &server, &only_stun, &odd, &none, &unknown],
                ),
                put(901, &[b"after"]),
            ]
            .concat();
            let mut table = Table::default();
            let edited = rewrite(&message, &mut table).unwrap().unwrap();
            let new_server = put_short(list, &[&put_short(1, &[HERE.as_bytes()]), &user, &unknown]);
            let expected = [
                put(900, &[b"before"]),
                put_short(outer, &[&unknown, &new_server, &odd, &none, &unknown]),
                put(901, &[b"after"]),
            ]
            .concat();
            assert_eq!(edited, expected);
            assert_eq!(table.lists, 1);
        }
    }

    #[test]
    fn r23_regions_and_the_alternative_url_are_mapped_or_left_out() {
        let region = |url: &str| {
            put(
                1,
                &[&put(1, &[b"osaka"]), &put(2, &[url.as_bytes()]), &[0x18, 7]],
            )
        };
        let reason = [0x10, 3];
        let message = put(
            8,
            &[
                &reason,
                &put(
                    4,
                    &[
                        &region("wss://known.example"),
                        &region("wss://else.example"),
                    ],
                ),
            ],
        );
        let edited = rewrite(&message, &mut Table::default()).unwrap().unwrap();
        let new = put_short(
            1,
            &[
                &put(1, &[b"osaka"]),
                &put_short(2, &[b"ws://127.0.0.1:1/r/t"]),
                &[0x18, 7],
            ],
        );
        assert_eq!(edited, put_short(8, &[&reason, &put_short(4, &[&new])]));

        for (url, left) in [
            (
                "wss://known.example",
                put_short(7, &[b"ws://127.0.0.1:1/r/t"]),
            ),
            ("wss://else.example", Vec::new()),
            ("", put(7, &[])),
        ] {
            let message = put(1, &[&put(7, &[url.as_bytes()]), &put(9, &[b"eu"])]);
            let edited = rewrite(&message, &mut Table::default()).unwrap();
            let expected = put_short(1, &[&left, &put(9, &[b"eu"])]);
            if url.is_empty() {
                assert_eq!(edited, None);
            } else {
                assert_eq!(edited, Some(expected), "{url}");
            }
        }
    }

    #[test]
    fn r26_a_field_of_ours_that_holds_no_message_is_malformed() {
        for bytes in [
            &[0x08, 1][..],                     // join as a number
            &[0x0a, 2, 0x28, 1],                // ice_servers as a number
            &[0x0a, 4, 0x2a, 2, 0x08, 1],       // a URL as a number
            &[0x0a, 5, 0x2a, 3, 0x0a, 1, 0xff], // a URL that is no text
            &[0x40, 1],
            &[0x98, 1, 1],
        ] {
            assert_eq!(
                rewrite(bytes, &mut Table::default()),
                Err(Malformed),
                "{bytes:x?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn r26_a_message_without_such_urls_is_the_same_on_all_bytes(
            fields in proptest::collection::vec((proptest::bool::ANY, 1..64_u32, proptest::collection::vec(0..255_u8, 0..40)), 0..12),
            user: Vec<u8>,
        ) {
            // Whatever it holds, but in the fields that are looked at.
            let mut message = Vec::new();
            for (nested, number, inside) in &fields {
                if *nested {
                    let safe = if [5, 7].contains(number) { 6 } else { *number };
                    message.extend(put(1, &[&put(safe, &[inside]), &put(5, &[&put(2, &[&user])])]));
                } else if ![1, 8, 19].contains(number) {
                    message.extend(put(*number, &[inside]));
                }
            }
            proptest::prop_assert_eq!(rewrite(&message, &mut Table::default()), Ok(None));
        }

        #[test]
        fn r26_no_bytes_make_it_panic_or_grow_beyond_the_urls(bytes: Vec<u8>) {
            let mut table = Table::default();
            if let Ok(Some(edited)) = rewrite(&bytes, &mut table) {
                proptest::prop_assert!(edited.len() <= bytes.len() + table.seen.len() * (HERE.len() + 8));
            }
        }
    }
}
