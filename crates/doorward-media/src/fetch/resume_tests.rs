use std::future::poll_fn;

use super::super::MediaTuning;
use super::super::script::{Play, Script, bytes, give};
use super::super::stock::Stock;
use super::*;

const END: u64 = 100_000;

fn line() -> Arc<Line> {
    Line::new(&Stock::new(MediaTuning::default()))
}

fn dropped() -> MediaError {
    MediaError::UpstreamUnavailable("dropped".to_owned())
}

/// Everything that comes, and the error if it ends with one.
async fn all(body: &mut Resumed) -> (Vec<u8>, Option<MediaError>) {
    let mut got = Vec::new();
    loop {
        match poll_fn(|cx| body.poll_next(cx)).await {
            None => return (got, None),
            Some(Ok(bytes)) => got.extend_from_slice(&bytes),
            Some(Err(error)) => {
                assert!(poll_fn(|cx| body.poll_next(cx)).await.is_none());
                return (got, Some(error));
            }
        }
    }
}

/// A body of the whole object that begins with `first` and goes on by `script`.
fn begun(script: &Arc<Script>, first: Vec<Play>) -> (Resumed, Arc<Line>) {
    let line = line();
    let upstream: Arc<dyn Upstream> = Arc::<Script>::clone(script);
    let body = Resumed::open(script.tape(first), (0, END), Some(upstream), &line);
    (body, line)
}

#[tokio::test(start_paused = true)]
async fn m19_each_drop_is_taken_up_at_the_next_byte() {
    let script = Script::new(|range, before| {
        let range = range.unwrap();
        let mut plays = give(range, 1000);
        match before {
            // Ends short, breaks off between chunks, breaks off at once.
            0 => plays.truncate(20),
            1 => plays.splice(10.., [Play::Fail(dropped())]).for_each(drop),
            2 => plays = vec![Play::Fail(MediaError::UpstreamTimeout)],
            _ => {}
        }
        (Duration::ZERO, Ok((Some(range), plays)))
    });
    let (mut body, line) = begun(&script, vec![Play::Give(bytes(0, 5000))]);
    let (got, error) = all(&mut body).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(got, bytes(0, END));
    let last = END - 1;
    assert_eq!(
        script.asked(),
        [(5000, last), (25_000, last), (35_000, last), (35_000, last)]
    );
    let stats = line.stats();
    assert_eq!((stats.drops, stats.resumes, stats.received), (4, 4, END));
}

#[tokio::test(start_paused = true)]
async fn m22_a_source_that_stays_away_is_tried_five_times_with_growing_pauses() {
    let script = Script::new(|_, _| (Duration::ZERO, Err(dropped())));
    let (mut body, _) = begun(&script, vec![Play::Give(bytes(0, 10))]);
    let began = Instant::now();
    let (got, error) = all(&mut body).await;
    assert_eq!(got, bytes(0, 10));
    assert!(matches!(error, Some(MediaError::UpstreamUnavailable(_))));
    assert_eq!(script.asked().len(), 5);
    // 0, 100, 200, 400 and 800 ms, each at least half.
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_millis(750) && waited <= Duration::from_millis(1520),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn m22_a_minute_of_silence_is_enough() {
    let script = Script::new(|_, _| (Duration::from_secs(30), Err(MediaError::UpstreamTimeout)));
    let (mut body, _) = begun(&script, vec![]);
    let (_, error) = all(&mut body).await;
    assert!(matches!(error, Some(MediaError::UpstreamTimeout)));
    assert_eq!(script.asked().len(), 2, "each took half a minute");
}

#[tokio::test(start_paused = true)]
async fn m19_a_source_that_drops_every_byte_is_not_asked_without_pause() {
    let script = Script::new(|range, _| {
        let range = range.unwrap();
        let one = bytes(range.first(), range.first() + 1);
        (Duration::ZERO, Ok((Some(range), vec![Play::Give(one)])))
    });
    let (mut body, _) = begun(&script, vec![]);
    let began = Instant::now();
    for _ in 0..20 {
        assert!(matches!(
            poll_fn(|cx| body.poll_next(cx)).await,
            Some(Ok(_))
        ));
    }
    assert!(began.elapsed() > Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn m20_what_was_replaced_meanwhile_is_never_mixed_in() {
    let script = Script::new(|_, _| (Duration::ZERO, Err(MediaError::Changed)));
    let (mut body, _) = begun(&script, vec![Play::Give(bytes(0, 10))]);
    let (got, error) = all(&mut body).await;
    assert_eq!(got, bytes(0, 10));
    assert!(matches!(error, Some(MediaError::Changed)));
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn m36_expired_credentials_are_tried_once_more() {
    for (refreshes, whole) in [(true, true), (false, false)] {
        let script = Script::new(move |range, before| {
            let answer = match before {
                0 => Err(MediaError::CredentialsExpired),
                _ if refreshes => Ok((range, give(range.unwrap(), 5000))),
                _ => Err(MediaError::CredentialsExpired),
            };
            (Duration::ZERO, answer)
        });
        let (mut body, _) = begun(&script, vec![Play::Give(bytes(0, 10))]);
        let (got, error) = all(&mut body).await;
        assert_eq!(got == bytes(0, END), whole);
        assert_eq!(error.is_none(), whole);
        assert_eq!(script.asked().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn m18_a_source_that_ignores_the_range_of_the_rest_is_skipped_to_it() {
    let whole = ByteRange::new(0, END - 1).unwrap();
    let script = Script::new(move |_, _| (Duration::ZERO, Ok((None, give(whole, 777)))));
    let (mut body, line) = begun(&script, vec![Play::Give(bytes(0, 12_345))]);
    let (got, error) = all(&mut body).await;
    assert!(error.is_none());
    assert_eq!(got, bytes(0, END));
    assert_eq!(line.stats().received, 12_345 + END);
    // Not if that is much.
    let upstream: Arc<dyn Upstream> = Arc::<Script>::clone(&script);
    let bounds = (defaults::SKIP_MOST + 1, defaults::SKIP_MOST + 2);
    let mut body = Resumed::open(script.tape(vec![]), bounds, Some(upstream), &line);
    let (_, error) = all(&mut body).await;
    assert!(matches!(error, Some(MediaError::UpstreamWrong(_))));
}

#[tokio::test(start_paused = true)]
async fn m19_without_a_strong_tag_a_body_ends_where_it_breaks_off() {
    let script = Script::new(|_, _| (Duration::ZERO, Err(dropped())));
    let first = vec![Play::Give(bytes(0, 10))];
    let mut body = Resumed::open(script.tape(first), (0, END), None, &line());
    let (got, error) = all(&mut body).await;
    assert_eq!(
        (got.len(), error.is_some(), script.asked().len()),
        (10, true, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn m19_more_than_was_promised_is_an_error() {
    let script = Script::new(|_, _| (Duration::ZERO, Err(dropped())));
    let (mut body, _) = begun(&script, vec![Play::Give(bytes(0, END + 1))]);
    let (got, error) = all(&mut body).await;
    assert!(got.is_empty());
    assert!(matches!(error, Some(MediaError::UpstreamWrong(_))));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_asks_for_time_gets_some_but_not_all_of_it() {
    let script = Script::new(|range, before| {
        let busy = MediaError::Throttled(Some(Duration::from_secs(600)));
        let answer = match before {
            0 => Err(busy),
            _ => Ok((range, give(range.unwrap(), 5000))),
        };
        (Duration::ZERO, answer)
    });
    let (mut body, _) = begun(&script, vec![]);
    let began = Instant::now();
    let (got, error) = all(&mut body).await;
    assert_eq!((got.len(), error.is_none()), (100_000, true));
    assert!(began.elapsed() >= defaults::RESUME_PAUSE_MOST / 2);
    assert!(began.elapsed() <= defaults::RESUME_PAUSE_MOST);
}

#[tokio::test(start_paused = true)]
async fn m19_a_broken_body_is_let_go_before_the_rest_is_asked_for() {
    let script = Script::new(|range, _| {
        let slow = Play::Wait(Duration::from_secs(5));
        let plays = std::iter::once(slow).chain(give(range.unwrap(), 5000));
        (Duration::ZERO, Ok((range, plays.collect())))
    });
    let (mut body, _) = begun(&script, vec![Play::Give(bytes(0, 5000))]);
    let (got, error) = all(&mut body).await;
    assert!(error.is_none());
    assert_eq!(got, bytes(0, END));
    assert_eq!(script.running.counts(), (0, 1), "one connection at a time");
}
