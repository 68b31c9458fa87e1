//! WebSocket frame headers (RFC 6455 section 5.2), read beside the bytes that
//! pass: where frames end, how many there were, and whether one was a Close.
//! Nothing is unmasked, inflated or kept.

/// Follows one direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct FrameMeter {
    head: [u8; 14],
    have: usize,
    /// Of the payload, still to come.
    left: u64,
    counts: Counts,
    bytes_alone: bool,
}

/// What has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All frames.
    pub frames: u64,
    /// Pings.
    pub pings: u64,
    /// Pongs.
    pub pongs: u64,
    /// Close frames.
    pub closes: u64,
    /// Bytes, headers included.
    pub bytes: u64,
}

impl FrameMeter {
    /// One that counts bytes alone, for what is no frames: every place is a
    /// boundary.
    #[must_use]
    pub fn of_bytes() -> Self {
        Self {
            bytes_alone: true,
            ..Self::default()
        }
    }

    /// Counts `bytes` as passed.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.walk(bytes, false);
    }

    /// Whether the next byte begins a frame.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// How many of `bytes` reach the end of the frame that has begun; `None` if it
    /// goes on beyond them. Zero at a boundary.
    #[must_use]
    pub fn to_boundary(&self, bytes: &[u8]) -> Option<usize> {
        let mut ahead = self.clone();
        let used = ahead.walk(bytes, true);
        ahead.at_boundary().then_some(used)
    }

    /// What has passed.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn walk(&mut self, bytes: &[u8], stop: bool) -> usize {
        if self.bytes_alone {
            let used = if stop { 0 } else { bytes.len() };
            self.counts.bytes += u64::try_from(used).unwrap_or(0);
            return used;
        }
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            if stop && self.at_boundary() {
                break;
            }
            if self.left > 0 {
                let here = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(self.left);
                self.left -= here;
                rest = usize::try_from(here)
                    .ok()
                    .and_then(|here| rest.get(here..))
                    .unwrap_or_default();
            } else {
                if let Some(place) = self.head.get_mut(self.have) {
                    *place = byte;
                }
                self.have += 1;
                rest = behind;
                self.judge();
            }
        }
        let used = bytes.len() - rest.len();
        self.counts.bytes += u64::try_from(used).unwrap_or(0);
        used
    }

    /// Ends the header if it is whole.
    fn judge(&mut self) {
        let [first, second, ext @ ..] = self.head;
        if self.have < 2 {
            return;
        }
        let (width, short) = match second & 0x7f {
            126 => (2, 0),
            127 => (8, 0),
            length => (0, u64::from(length)),
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        if self.have < 2 + width + mask {
            return;
        }
        self.have = 0;
        self.left = ext
            .iter()
            .take(width)
            .fold(short, |length, &byte| (length << 8) | u64::from(byte));
        self.counts.frames += 1;
        match first & 0x0f {
            0x8 => self.counts.closes += 1,
            0x9 => self.counts.pings += 1,
            0xa => self.counts.pongs += 1,
            _ => {}
        }
    }
}

/// A Close frame. `mask` towards a server. The reason is cut to the 123 bytes
/// that fit, between two characters.
#[must_use]
pub fn close_frame(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let cut = (0..=reason.len().min(123))
        .rev()
        .find(|&end| reason.is_char_boundary(end));
    let reason = reason.get(..cut.unwrap_or(0)).unwrap_or_default();
    let payload = code.to_be_bytes().into_iter().chain(reason.bytes());
    let length = u8::try_from(reason.len() + 2).unwrap_or(125);
    match mask {
        None => [0x88, length].into_iter().chain(payload).collect(),
        Some(mask) => [0x88, 0x80 | length]
            .into_iter()
            .chain(mask)
            .chain(
                payload
                    .zip(mask.into_iter().cycle())
                    .map(|(byte, key)| byte ^ key),
            )
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        let bit = if masked { 0x80 } else { 0 };
        match length {
            0..126 => frame.push(bit | u8::try_from(length).unwrap()),
            126..65536 => {
                frame.push(bit | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(bit | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.extend(std::iter::repeat_n(0x81, length));
        frame
    }

    #[test]
    fn r12_every_length_is_followed_wherever_it_is_cut() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, (1 << 20) + 3] {
            for masked in [false, true] {
                let bytes = [frame(2, length, masked), frame(9, 4, masked)].concat();
                let first = frame(2, length, masked).len();
                for step in [1, 2, 3, 7, 4_096, bytes.len()] {
                    if step < 7 && length > 70_000 {
                        continue;
                    }
                    let mut meter = FrameMeter::default();
                    let mut done = 0;
                    for part in bytes.chunks(step) {
                        let begun = !meter.at_boundary();
                        if begun && done < first {
                            let expected = (first - done <= part.len()).then_some(first - done);
                            assert_eq!(meter.to_boundary(part), expected);
                        }
                        meter.feed(part);
                        done += part.len();
                        assert_eq!(meter.at_boundary(), done == first || done == bytes.len());
                    }
                    let counts = meter.counts();
                    assert_eq!((counts.frames, counts.pings), (2, 1));
                    assert_eq!(counts.bytes, bytes.len() as u64);
                }
            }
        }
    }

    #[test]
    fn r27_a_close_frame_is_one_frame_and_its_reason_fits() {
        assert_eq!(
            close_frame(1008, "no", None),
            [0x88, 4, 3, 0xf0, b'n', b'o']
        );
        let masked = close_frame(1001, "", Some([1, 2, 3, 4]));
        assert_eq!(masked, [0x88, 0x82, 1, 2, 3, 4, 3 ^ 1, 0xe9 ^ 2]);
        let long = close_frame(1008, &"é".repeat(100), None);
        assert_eq!(long.len(), 2 + 2 + 122);
        let mut meter = FrameMeter::default();
        meter.feed(&long);
        assert!(meter.at_boundary());
        assert_eq!(meter.counts().closes, 1);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_followed_and_cuts_change_nothing(
            bytes: Vec<u8>, at in 0..64_usize,
        ) {
            let mut whole = FrameMeter::default();
            whole.feed(&bytes);
            let mut parts = FrameMeter::default();
            let (one, two) = bytes.split_at(at.min(bytes.len()));
            parts.feed(one);
            parts.feed(two);
            proptest::prop_assert_eq!(whole.counts(), parts.counts());
            proptest::prop_assert_eq!(whole.at_boundary(), parts.at_boundary());
        }
    }
}
