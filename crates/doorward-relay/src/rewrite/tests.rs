use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Doubles what begins with `d`, refuses what begins with `!`, leaves the rest.
#[derive(Debug, Default)]
struct Doubler(usize);

impl EditMessage for Doubler {
    fn edit(&mut self, message: &[u8], _is_text: bool) -> Result<Option<Vec<u8>>, Malformed> {
        self.0 += 1;
        match message.first() {
            Some(b'd') => Ok(Some([message, message].concat())),
            Some(b'!') => Err(Malformed),
            _ => Ok(None),
        }
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    put_frame(&mut whole, false, payload);
    whole[0] = first;
    whole
}

/// What comes out when `bytes` come by `step`.
fn through(bytes: &[u8], step: usize) -> (Vec<u8>, Option<Fault>) {
    let mut rewriter = Rewriter::new(Doubler::default());
    for part in bytes.chunks(step.max(1)) {
        rewriter.feed(part);
    }
    let held = rewriter.held() - rewriter.outbox().len();
    assert!(held <= 4 * defaults::MESSAGE, "{held} bytes are held");
    (std::mem::take(rewriter.outbox()), rewriter.fault())
}

#[test]
fn r26_messages_that_stay_keep_their_frames_and_others_come_in_one() {
    let plain = [
        frame(0x82, b"abc"),
        frame(0x81, &[b'x'; 70_000]),
        frame(0x02, b"in "),
        frame(0x00, b""),
        frame(0x00, b"four "),
        frame(0x80, b"parts"),
        frame(0x89, b"ping"),
        frame(0x82, b""),
        frame(0x88, b"\x03\xe8bye"),
    ]
    .concat();
    for step in [1, 2, 3, 5, 1_000, plain.len()] {
        assert_eq!(through(&plain, step), (plain.clone(), None), "by {step}");
    }
    let changed = [
        frame(0x02, b"d"),
        frame(0x89, b"ping"),
        frame(0x80, b"e"),
        frame(0x81, &[b'd'; 40_000]),
    ]
    .concat();
    let expected = [
        frame(0x89, b"ping"),
        frame(0x82, b"dede"),
        frame(0x81, &[b'd'; 80_000]),
    ]
    .concat();
    for step in [1, 7, changed.len()] {
        assert_eq!(
            through(&changed, step),
            (expected.clone(), None),
            "by {step}"
        );
    }
}

#[test]
fn r26_a_message_that_is_too_long_ends_with_1009_before_it_has_come() {
    let close = close_frame(1009, Fault::TooBig.close().1, None);
    let length = u64::try_from(defaults::MESSAGE + 1).unwrap().to_be_bytes();
    let header = [&[0x82, 127][..], &length].concat();
    assert_eq!(through(&header, 99), (close.clone(), Some(Fault::TooBig)));
    for claimed in [u64::MAX, 1 << 63, 1 << 40] {
        let header = [&[0x82, 127][..], &claimed.to_be_bytes()].concat();
        assert_eq!(through(&header, 1), (close.clone(), Some(Fault::TooBig)));
    }
    // In parts: each is short enough.
    let half = vec![b'x'; defaults::MESSAGE / 2 + 1];
    let parts = [frame(0x02, &half), frame(0x80, &half)].concat();
    assert_eq!(
        through(&parts, 65_536),
        (close.clone(), Some(Fault::TooBig))
    );
    // The most that may be passes.
    let most = frame(0x82, &vec![b'x'; defaults::MESSAGE]);
    assert_eq!(through(&most, 65_536), (most, None));
    // No end of empty parts.
    let empty = [&frame(0x02, b"")[..], &[0, 0].repeat(defaults::MESSAGE + 2)].concat();
    assert_eq!(through(&empty, 65_536), (close, Some(Fault::TooBig)));
}

#[test]
fn r26_what_cannot_be_read_is_not_let_through() {
    for (bytes, fault) in [
        (frame(0x82, b"!"), Fault::Unreadable),
        (frame(0xc2, b"x"), Fault::Frames),
        (frame(0xa2, b"x"), Fault::Frames),
        (vec![0x82, 0x81, 0, 0, 0, 0, b'x'], Fault::Frames),
        (frame(0x83, b"x"), Fault::Frames),
        (frame(0x8b, b"x"), Fault::Frames),
        (frame(0x80, b"x"), Fault::Frames),
        (frame(0x09, b"x"), Fault::Frames),
        (vec![0x89, 126, 0, 126], Fault::Frames),
        (
            [frame(0x02, b"x"), frame(0x82, b"y")].concat(),
            Fault::Frames,
        ),
    ] {
        let (code, reason) = fault.close();
        let before = frame(0x82, b"before");
        let stream = [&before[..], &bytes, &frame(0x82, b"behind")].concat();
        let expected = [before, close_frame(code, reason, None)].concat();
        assert_eq!(
            through(&stream, 1_000),
            (expected, Some(fault)),
            "{bytes:x?}"
        );
    }
}

#[tokio::test]
async fn r16_a_reader_that_takes_little_gets_all_and_then_the_end() {
    let (mut upstream, near) = tokio::io::duplex(64);
    let mut page = Rewriting::new(near, Doubler::default(), &[0x82, 2, b'd']);
    let writing = tokio::spawn(async move {
        upstream.write_all(b"e\x82\x01x").await.unwrap();
        upstream
            .write_all(&frame(0x82, &[b'y'; 500]))
            .await
            .unwrap();
        upstream.write_all(&frame(0x82, b"!")).await.unwrap();
        upstream
    });
    let mut got = Vec::new();
    let mut small = [0; 3];
    loop {
        let count = page.read(&mut small).await.unwrap();
        if count == 0 {
            break;
        }
        got.extend_from_slice(&small[..count]);
    }
    let _upstream = writing.await.unwrap();
    let (code, reason) = Fault::Unreadable.close();
    let expected = [
        frame(0x82, b"dede"),
        frame(0x82, b"x"),
        frame(0x82, &[b'y'; 500]),
        close_frame(code, reason, None),
    ]
    .concat();
    assert_eq!(got, expected);
    assert_eq!(page.fault(), Some(Fault::Unreadable));
}

proptest::proptest! {
    #[test]
    fn r26_cuts_change_nothing_and_no_bytes_make_it_panic(
        bytes: Vec<u8>, step in 1..40_usize,
    ) {
        proptest::prop_assert_eq!(through(&bytes, step), through(&bytes, bytes.len()));
    }

    #[test]
    fn r26_messages_with_nothing_to_change_are_the_same_on_all_bytes(
        messages in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(0..100_u8, 0..300), 1..4),
            0..6,
        ),
        step in 1..700_usize,
    ) {
        let mut bytes = Vec::new();
        for parts in &messages {
            for (at, part) in parts.iter().enumerate() {
                let last = if at + 1 == parts.len() { 0x80 } else { 0 };
                let opcode = if at == 0 { 2 } else { 0 };
                // Neither `d` nor `!` may begin a message.
                let mut part = part.clone();
                part.retain(|byte| ![b'd', b'!'].contains(byte));
                bytes.extend(frame(last | opcode, &part));
            }
        }
        proptest::prop_assert_eq!(through(&bytes, step), (bytes, None));
    }
}
