use super::*;

/// A STUN message: type, and attributes.
fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        body.extend_from_slice(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut whole = kind.to_be_bytes().to_vec();
    whole.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    whole.extend(COOKIE);
    whole.extend([7; 12]);
    whole.extend(body);
    whole
}

fn no(code: u16) -> Vec<u8> {
    let value = [
        0,
        0,
        u8::try_from(code / 100).unwrap(),
        u8::try_from(code % 100).unwrap(),
        b'x',
    ];
    message(0x0113, &[(0x8022, b"a server"), (ERROR_CODE, &value)])
}

fn ask() -> Vec<u8> {
    message(0x0003, &[(0x0019, &[17, 0, 0, 0])])
}

fn ask_as(name: &[u8]) -> Vec<u8> {
    message(0x0003, &[(0x0019, &[17, 0, 0, 0]), (USERNAME, name)])
}

fn yes() -> Vec<u8> {
    message(0x0103, &[(0x0016, &[0; 8])])
}

fn channel(bytes: usize) -> Vec<u8> {
    let mut whole = vec![0x40, 0];
    whole.extend(u16::try_from(bytes).unwrap().to_be_bytes());
    whole.resize(4 + bytes.next_multiple_of(4), 0xff);
    whole
}

fn talk(parts: &[(From, Vec<u8>)], step: usize) -> Result<Talk, Cut> {
    let mut talk = Talk::default();
    for (from, bytes) in parts {
        for part in bytes.chunks(step) {
            talk.feed(*from, part)?;
        }
    }
    Ok(talk)
}

#[test]
fn r26_a_place_is_made_and_media_passes_however_it_is_cut() {
    let parts = [
        (From::Client, ask()),
        (From::Server, no(401)),
        (From::Client, ask_as(b"1790000000:p")),
        (From::Server, yes()),
        (
            From::Client,
            [channel(5), channel(0), message(0x0008, &[])].concat(),
        ),
        (
            From::Server,
            [
                message(0x0108, &[]),
                channel(1_201),
                message(0x0017, &[(0x13, &[1; 70])]),
            ]
            .concat(),
        ),
        (From::Client, channel(65_535)),
    ];
    for step in [1, 2, 3, 7, 100_000] {
        let talk = talk(&parts, step).unwrap();
        assert!(talk.is_allocated());
        assert_eq!(talk.no(u64::MAX), None);
        let client: usize = [0, 2, 4, 6]
            .iter()
            .map(|&at: &usize| parts[at].1.len())
            .sum();
        assert_eq!(talk.bytes(From::Client), client as u64);
    }
}

#[test]
fn r26_before_a_place_is_made_nothing_else_passes() {
    let client = From::Client;
    for (parts, cut) in [
        (
            vec![(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec())],
            Cut::Unproven,
        ),
        (
            vec![(
                client,
                vec![
                    0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                ],
            )],
            Cut::NotStun,
        ),
        (vec![(client, vec![0x80])], Cut::NotStun),
        (vec![(client, channel(4))], Cut::Unproven),
        (vec![(client, message(0x0016, &[]))], Cut::Unproven),
        (vec![(client, message(0x0008, &[]))], Cut::Unproven),
        (
            vec![(client, message(0x0003, &[(6, &[b'x'; 3_000])]))],
            Cut::Unproven,
        ),
        (
            vec![(client, ask()), (From::Server, channel(4))],
            Cut::Unproven,
        ),
        (
            vec![
                (client, ask()),
                (From::Server, b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            ],
            Cut::Unproven,
        ),
        (
            vec![(client, ask()), (From::Server, b"\xff".to_vec())],
            Cut::NotStun,
        ),
        (vec![(client, ask().repeat(1_200))], Cut::Unproven),
    ] {
        for step in [1, 100_000] {
            assert_eq!(talk(&parts, step).err(), Some(cut), "{parts:?}");
        }
    }
    let mut odd = ask();
    odd[5] ^= 1;
    assert_eq!(talk(&[(client, odd)], 5).err(), Some(Cut::NotStun));
}

#[test]
fn r26_a_server_that_sends_the_client_elsewhere_is_cut_before_it_is_heard() {
    let mut talk = talk(&[(From::Client, ask())], 3).unwrap();
    let answer = no(300);
    let (most, last) = answer.split_at(answer.len() - 1);
    assert_eq!(talk.feed(From::Server, most), Ok(()));
    assert_eq!(talk.feed(From::Server, last), Err(Cut::Redirected));
    let late = [
        (From::Client, ask()),
        (From::Server, yes()),
        (From::Server, no(300)),
    ];
    assert_eq!(self::talk(&late, 9).err(), Some(Cut::Redirected));
}

#[test]
fn r26_why_a_server_says_no_is_told_apart() {
    let now = 1_790_000_000;
    let (client, server) = (From::Client, From::Server);
    let old = ask_as(b"1789999999:p");
    for (parts, expected) in [
        (vec![(client, ask()), (server, no(401))], None),
        (
            vec![
                (client, ask()),
                (server, no(401)),
                (client, old.clone()),
                (server, no(401)),
            ],
            Some(No::CredentialsExpired),
        ),
        (
            vec![(client, old.clone()), (server, no(403))],
            Some(No::CredentialsExpired),
        ),
        (
            vec![(client, ask_as(b"1790000001:p")), (server, no(401))],
            Some(No::CredentialsRejected),
        ),
        (
            vec![(client, ask_as(b"p")), (server, no(401))],
            Some(No::CredentialsRejected),
        ),
        (
            vec![(client, ask_as(b"1")), (server, no(403))],
            Some(No::Forbidden),
        ),
        (vec![(client, ask_as(b"p")), (server, no(438))], None),
        (
            vec![(client, ask_as(b"p")), (server, no(438).repeat(3))],
            Some(No::NonceRejected),
        ),
        (
            vec![(client, ask_as(b"p")), (server, no(486))],
            Some(No::Full),
        ),
        (
            vec![(client, old), (server, no(401)), (server, yes())],
            None,
        ),
    ] {
        let talk = talk(&parts, 11).unwrap();
        assert_eq!(talk.no(now), expected, "{parts:?}");
    }
}

proptest::proptest! {
    #[test]
    fn r26_no_bytes_make_it_panic_and_cuts_of_reads_change_nothing(
        bytes: Vec<u8>, begins in proptest::bool::ANY, step in 1..50_usize,
    ) {
        let mut parts = vec![(From::Client, ask()), (From::Server, yes())];
        let bytes = if begins { [message(0x0113, &[]), bytes].concat() } else { bytes };
        parts.push((From::Server, bytes));
        let one = talk(&parts, step).map(|talk| talk.no(5));
        let other = talk(&parts, 1_000_000).map(|talk| talk.no(5));
        proptest::prop_assert_eq!(one, other);
    }
}
