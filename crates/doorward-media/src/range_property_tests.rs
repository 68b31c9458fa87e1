use proptest::prelude::*;

use super::tests::{Meant, meant};
use super::*;

/// The same rules again, written the slow way: which bytes of the object does
/// the text select, one by one?
fn reference(text: &str, size: u64) -> Meant {
    let Some(set) = text
        .to_ascii_lowercase()
        .strip_prefix("bytes=")
        .map(str::to_owned)
    else {
        return Meant::All;
    };
    let members: Vec<&str> = set
        .split(',')
        .map(|part| part.trim_matches([' ', '\t']))
        .filter(|s| !s.is_empty())
        .collect();
    if members.len() > 1 {
        return reference_of_several(&members, size);
    }
    let [member] = members.as_slice() else {
        return Meant::All;
    };
    let Some((first, last)) = member.split_once('-') else {
        return Meant::All;
    };
    let number = |text: &str| -> Option<u128> {
        (!text.is_empty() && text.chars().all(|c| c.is_ascii_digit()))
            .then(|| text.parse::<u128>().ok())
            .flatten()
    };
    let selects: Box<dyn Fn(u128) -> bool> = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => {
            Box::new(move |at| (first..=last).contains(&at))
        }
        (Some(first), None) if last.is_empty() => Box::new(move |at| at >= first),
        (None, Some(length)) if first.is_empty() => {
            if length > 0 && size == 0 {
                return Meant::All;
            }
            Box::new(move |at| at + length >= u128::from(size))
        }
        _ => return Meant::All,
    };
    let hit: Vec<u64> = (0..size).filter(|at| selects(u128::from(*at))).collect();
    match (hit.first(), hit.last()) {
        (Some(first), Some(last)) => Meant::Part(*first, *last),
        _ => Meant::Nothing,
    }
}

/// Several ranges the slow way: every byte of the object that any of them
/// selects is marked, small gaps are filled, and what is left are the parts.
fn reference_of_several(members: &[&str], size: u64) -> Meant {
    let mut first_to_ask = vec![None; usize::try_from(size).unwrap()];
    let mut named = 0;
    let mut any = false;
    for (place, member) in members.iter().enumerate() {
        let mut own = |first: u64, last: u64| {
            any = true;
            for at in first..=last {
                named += 1;
                first_to_ask[usize::try_from(at).unwrap()].get_or_insert(place);
            }
        };
        match reference(&format!("bytes={member}"), size) {
            Meant::Part(first, last) => own(first, last),
            Meant::Nothing => {}
            // Not a range, or a suffix of nothing.
            Meant::All | Meant::Several(_) => return Meant::All,
        }
    }
    if !any {
        return Meant::Nothing;
    }
    if named > size {
        return Meant::All;
    }
    let mut parts: Vec<(usize, u64, u64)> = Vec::new();
    for (at, place) in (0..size).zip(&first_to_ask) {
        let Some(place) = *place else { continue };
        match parts.last_mut() {
            Some((first, _, last)) if at - *last <= 129 => {
                *last = at;
                *first = place.min(*first);
            }
            _ => parts.push((place, at, at)),
        }
    }
    parts.sort_unstable();
    let mut found: Vec<_> = parts
        .iter()
        .map(|(_, first, last)| (*first, *last))
        .collect();
    match found.len() {
        1 => found
            .pop()
            .map_or(Meant::All, |(first, last)| Meant::Part(first, last)),
        17.. => Meant::All,
        _ => Meant::Several(found),
    }
}

proptest! {
    #[test]
    fn m14_several_ranges_equal_the_reference(
        members in proptest::collection::vec(
            (proptest::option::of(0_u64..4000), proptest::option::of(0_u64..60)), 2..24,
        ),
        size in 0_u64..4000, pad in "[ \t,]{0,2}",
    ) {
        let members: Vec<_> = members.iter().filter_map(|(first, more)| match (first, more) {
            (Some(first), Some(more)) => Some(format!("{first}-{}", first + more)),
            (Some(first), None) => Some(format!("{}-", first + 3000)),
            (None, Some(length)) => Some(format!("-{length}")),
            (None, None) => None,
        }).collect();
        let text = format!("bytes={pad}{}{pad}", members.join(","));
        prop_assert_eq!(meant(text.as_bytes(), size), reference(&text, size), "{}", text);
    }

    #[test]
    fn m14_parts_lie_within_and_apart(
        text in "bytes=([0-9]{0,3}-[0-9]{0,3}[, ]{1,2}){0,20}", size in 0_u64..2000,
    ) {
        if let Meant::Several(mut parts) = meant(text.as_bytes(), size) {
            prop_assert!((2..=16).contains(&parts.len()));
            parts.sort_unstable();
            prop_assert!(parts.iter().all(|(first, last)| first <= last && *last < size));
            prop_assert!(parts.windows(2).all(|pair| pair[1].0 - pair[0].1 > 129));
        }
    }

    #[test]
    fn m14_equals_the_reference_for_well_formed_ranges(
        first in proptest::option::of(0_u64..40), last in proptest::option::of(0_u64..40),
        size in 0_u64..32, pad in "[ \t,]{0,3}", unit in "bytes|BYTES|Bytes|items",
    ) {
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let text = format!("{unit}={pad}{}-{}{pad}", number(first), number(last));
        prop_assert_eq!(meant(text.as_bytes(), size), reference(&text, size), "{}", text);
    }

    #[test]
    fn m14_equals_the_reference_for_anything(text in "bytes=[0-9, \t-]{0,12}", size in 0_u64..200) {
        prop_assert_eq!(meant(text.as_bytes(), size), reference(&text, size), "{}", text);
    }

    #[test]
    fn m14_any_bytes_give_an_answer_within_the_object(
        value in proptest::collection::vec(any::<u8>(), 0..64), size: u64,
    ) {
        if let Meant::Part(first, last) = meant(&value, size) {
            prop_assert!(first <= last && last < size);
        }
    }

    #[test]
    fn m18_content_ranges_survive_a_round_trip(first in 0_u64..1000, more in 0_u64..1000, tail in 1_u64..9) {
        let range = ByteRange::new(first, first + more).unwrap();
        let size = first + more + tail;
        let text = range.content_range(size);
        prop_assert_eq!(ByteRange::parse_content_range(text.as_bytes()), Some((range, size)));
        prop_assert_eq!(range.len(), more + 1);
    }
}
