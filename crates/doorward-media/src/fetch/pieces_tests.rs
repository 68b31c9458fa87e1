use std::future::poll_fn;
use std::time::Duration;

use tokio::time::sleep;

use super::super::MediaTuning;
use super::super::script::{Play, Script, bytes, give};
use super::*;
use crate::content_type::ContentType;
use crate::name::Key;
use crate::validator::EntityTag;

const SIZE: u64 = 1_000_000;

fn of(script: &Arc<Script>, line: &Arc<Line>) -> Shareable {
    let etag = EntityTag::strong("1");
    let key = Key::parse("film.mp4").unwrap();
    let version = Arc::new(Version {
        size: SIZE,
        modified: None,
        content_type: ContentType::plain_text(),
        encoding: None,
        etag,
    });
    Shareable {
        edition: Edition::new(line.id, &key, "\"1\"".to_owned(), SIZE),
        version,
        upstream: Arc::<Script>::clone(script),
        line: Arc::clone(line),
    }
}

async fn open(of: Shareable, first: u64, last: u64) -> Pieces {
    match of.open(ByteRange::new(first, last).unwrap()).await {
        Ok(Opened::Pieces(pieces)) => pieces,
        Ok(_) => panic!("alone"),
        Err(error) => panic!("{error}"),
    }
}

async fn all(mut pieces: Pieces) -> Result<Vec<u8>, MediaError> {
    let mut got = Vec::new();
    while let Some(chunk) = poll_fn(|cx| pieces.poll_next(cx)).await {
        got.extend_from_slice(&chunk?);
    }
    Ok(got)
}

/// A line, and an upstream that gives 10 kB at a time, each after a second.
fn slow() -> (Arc<Line>, Arc<Script>) {
    let script = Script::new(|range, _| {
        let given = give(range.unwrap(), 10_000);
        let plays = given
            .into_iter()
            .flat_map(|play| [Play::Wait(Duration::from_secs(1)), play]);
        (Duration::from_secs(1), Ok((range, plays.collect())))
    });
    (Line::new(&Stock::new(MediaTuning::default())), script)
}

#[tokio::test(start_paused = true)]
async fn m27_a_request_that_nobody_wants_any_more_is_given_up() {
    let (line, script) = slow();
    let one = open(of(&script, &line), 0, 99_999).await;
    let two = open(of(&script, &line), 0, 99_999).await;
    sleep(Duration::from_secs(3)).await;
    drop(one);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(script.running.counts(), (1, 1), "somebody wants it");
    assert!(!line.stock.at_rest());
    drop(two);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(script.running.counts(), (0, 1));
    assert!(line.stock.at_rest(), "its room is given back");
    assert_eq!(script.asked(), [(0, 99_999)]);
}

#[tokio::test(start_paused = true)]
async fn m27_readers_of_one_request_go_at_their_own_pace() {
    let (line, script) = slow();
    let early = open(of(&script, &line), 0, 99_999).await;
    let early = tokio::spawn(all(early));
    sleep(Duration::from_secs(5)).await;
    let late = open(of(&script, &line), 0, 99_999).await;
    assert_eq!(early.await.unwrap().unwrap(), bytes(0, 100_000));
    // It is over, and what it brought is there as long as somebody reads.
    assert_eq!(all(late).await.unwrap(), bytes(0, 100_000));
    assert_eq!(script.asked().len(), 1);
    assert!(line.stock.at_rest());
}

#[tokio::test(start_paused = true)]
async fn m26_reading_on_asks_for_more_each_time_and_never_twice() {
    let script = Script::new(|range, _| {
        let range = range.unwrap();
        (Duration::ZERO, Ok((Some(range), give(range, 10_000))))
    });
    let line = Line::new(&Stock::new(MediaTuning::default()));
    for step in 0..100 {
        let pieces = open(of(&script, &line), step * 10_000, step * 10_000 + 9_999).await;
        assert_eq!(
            all(pieces).await.unwrap(),
            bytes(step * 10_000, (step + 1) * 10_000)
        );
    }
    let asked = script.asked();
    // The first as it was asked, then blocks, twice as many each time.
    assert_eq!(asked[..3], [(0, 9_999), (0, 65_535), (65_536, 196_607)]);
    assert!(
        asked[1..].windows(2).all(|two| two[0].1 + 1 == two[1].0),
        "{asked:?}"
    );
    assert_eq!(asked.last().unwrap().1, SIZE - 1);
    assert_eq!(asked.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn m27_an_error_inside_of_a_shared_body_is_the_own_readers_alone() {
    let script = Script::new(|range, before| {
        let range = range.unwrap();
        let plays = match before {
            0 => vec![
                Play::Give(bytes(0, 10)),
                Play::Wait(Duration::from_secs(1)),
                Play::Fail(MediaError::Changed),
            ],
            _ => give(range, 10_000),
        };
        (Duration::ZERO, Ok((Some(range), plays)))
    });
    let line = Line::new(&Stock::new(MediaTuning::default()));
    let own = open(of(&script, &line), 0, 99_999).await;
    let joined = open(of(&script, &line), 0, 99_999).await;
    let own = tokio::spawn(all(own));
    assert_eq!(all(joined).await.unwrap(), bytes(0, 100_000));
    assert!(matches!(own.await.unwrap(), Err(MediaError::Changed)));
    assert_eq!(script.asked(), [(0, 99_999), (10, 99_999)]);
}

#[tokio::test(start_paused = true)]
async fn without_room_to_share_the_rest_comes_straight() {
    let script = Script::new(|range, _| {
        let range = range.unwrap();
        (Duration::ZERO, Ok((Some(range), give(range, 10_000))))
    });
    let tuning = MediaTuning {
        underway: 0,
        ..MediaTuning::default()
    };
    let line = Line::new(&Stock::new(tuning));
    let range = ByteRange::new(0, 9).unwrap();
    assert!(matches!(
        of(&script, &line).open(range).await,
        Ok(Opened::Nowhere)
    ));
    // The same inside of a range.
    let pieces = Pieces::new(of(&script, &line), range);
    assert_eq!(all(pieces).await.unwrap(), bytes(0, 10));
}
