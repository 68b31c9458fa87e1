use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn m14_the_length_is_told_before_it_is_known(
        starts in proptest::collection::vec(0_u64..1_000_000_000, 1..17), size in 2_000_000_000_u64..,
    ) {
        let frame = Frame::new(&ContentType::plain_text(), size);
        let ranges: Vec<_> = starts.iter().filter_map(|at| ByteRange::new(*at, at * 2)).collect();
        let mut sent: u64 = frame.end().len().try_into().unwrap();
        for (at, range) in ranges.iter().enumerate() {
            sent += u64::try_from(frame.head(*range, at == 0).len()).unwrap() + range.len();
        }
        prop_assert_eq!(frame.length(&ranges), sent);
    }
}

#[test]
fn m14_no_two_answers_share_a_boundary() {
    let frame = || Frame::new(&ContentType::plain_text(), 10);
    let (one, other) = (frame(), frame());
    assert_ne!(one.boundary, other.boundary);
    assert_eq!(one.boundary.len(), 32, "192 random bits");
    assert!(one.content_type().is_some());
}
