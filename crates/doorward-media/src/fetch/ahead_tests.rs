use super::super::Body;
use super::super::MediaTuning;
use super::super::script::{Play, Script, bytes, give};
use super::super::stock::Stock;
use super::*;

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 40 * MIB;
const RTT: Duration = Duration::from_millis(40);

/// A source 40 ms away that gives 10 MB/s on each connection.
fn far() -> Arc<Script> {
    Script::new(|range, _| (RTT, Ok((range, paced(range.unwrap())))))
}

fn paced(range: crate::range::ByteRange) -> Vec<Play> {
    let given = give(range, 65_536).into_iter();
    given
        .flat_map(|play| [Play::Wait(Duration::from_micros(6_554)), play])
        .collect()
}

fn line(tuning: MediaTuning) -> Arc<Line> {
    Line::new(&Stock::new(tuning))
}

async fn open(script: &Arc<Script>, line: &Arc<Line>, bounds: (u64, u64)) -> Ahead {
    let upstream: Arc<dyn Upstream> = Arc::<Script>::clone(script);
    match Ahead::open(&upstream, line, bounds).await {
        Some(Ok(Opened::Ahead(ahead))) => ahead,
        Some(Ok(Opened::Whole(_))) => panic!("whole"),
        Some(Err(error)) => panic!("{error}"),
        None => panic!("too many streams"),
    }
}

async fn next(ahead: &mut Ahead) -> Option<Result<Bytes, MediaError>> {
    poll_fn(|cx| ahead.poll_next(cx)).await
}

/// Reads up to `until`, and holds every byte against the object's.
async fn read(ahead: &mut Ahead, at: &mut u64, until: u64) {
    while *at < until {
        let chunk = next(ahead).await.unwrap().unwrap();
        let end = *at + length(chunk.len());
        assert_eq!(chunk, bytes(*at, end), "at {at}");
        *at = end;
    }
}

#[tokio::test(start_paused = true)]
async fn m24_a_seek_of_4_mib_takes_a_third_of_one_connections_time() {
    let (script, line) = (far(), line(MediaTuning::default()));
    let began = Instant::now();
    let mut ahead = open(&script, &line, (10 * MIB, 14 * MIB)).await;
    assert_eq!(began.elapsed(), RTT, "the first byte takes one round trip");
    let mut at = 10 * MIB;
    read(&mut ahead, &mut at, 14 * MIB).await;
    assert!(next(&mut ahead).await.is_none());
    let took = began.elapsed();
    // One connection: 40 ms, and 64 chunks of 6.55 ms.
    let one = RTT + 64 * Duration::from_micros(6_554);
    assert!(took * 10 <= one * 3, "{took:?} of {one:?}");
    assert_eq!(script.asked().len(), 7);
    assert_eq!(script.running.counts(), (0, 7));
}

#[tokio::test(start_paused = true)]
async fn m24_a_long_stream_uses_all_connections_in_order() {
    let (script, line) = (far(), line(MediaTuning::default()));
    let began = Instant::now();
    let mut ahead = open(&script, &line, (0, SIZE)).await;
    let mut at = 0;
    read(&mut ahead, &mut at, SIZE).await;
    assert!(next(&mut ahead).await.is_none());
    let asked = script.asked();
    assert!(
        asked.windows(2).all(|two| two[0].1 + 1 == two[1].0),
        "each byte once"
    );
    assert_eq!((asked[0].0, asked.last().unwrap().1), (0, SIZE - 1));
    assert!(
        asked
            .iter()
            .all(|(first, last)| last + 1 - first <= defaults::PART_MOST)
    );
    assert!(
        asked
            .iter()
            .any(|(first, last)| last + 1 - first == defaults::PART_MOST)
    );
    let rate = SIZE as f64 / began.elapsed().as_secs_f64();
    assert!(rate > 36e6, "{rate}");
    assert_eq!(line.stats().received, SIZE);
    drop(ahead);
    assert!(line.stock.at_rest());
}

#[tokio::test(start_paused = true)]
async fn m23_a_reader_that_stalls_holds_nothing_after_a_while() {
    let (script, line) = (far(), line(MediaTuning::default()));
    let mut ahead = open(&script, &line, (0, SIZE)).await;
    let mut at = 0;
    read(&mut ahead, &mut at, 3 * MIB).await;
    let asked = script.asked().len();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(script.asked().len(), asked, "nobody asks for more");
    assert!(!line.stock.at_rest());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(script.asked().len(), asked);
    assert_eq!(script.running.counts().0, 0, "no connection is open");
    assert!(line.stock.at_rest(), "the room has its memory back");
    assert_eq!(line.stats().let_go, 1);
    read(&mut ahead, &mut at, SIZE).await;
    assert!(next(&mut ahead).await.is_none());
    // Of what was let go, at most the stream's budget comes again.
    assert!(line.stats().received <= SIZE + defaults::AHEAD);
}

#[tokio::test(start_paused = true)]
async fn m23_a_slow_reader_is_read_ahead_by_little() {
    let (script, line) = (far(), line(MediaTuning::default()));
    let mut ahead = open(&script, &line, (0, SIZE)).await;
    let mut at = 0;
    // About 640 KB/s, until it has settled.
    while at < 8 * MIB {
        let until = at + 1;
        read(&mut ahead, &mut at, until).await;
        sleep(Duration::from_millis(100)).await;
    }
    let before = script.asked().len();
    assert!(lock(&ahead.window).width <= 2);
    assert!(line.stats().received - at <= 3 * MIB);
    // One that takes three seconds for each chunk: nothing is asked for twice for
    // long.
    for _ in 0..64 {
        let until = at + 1;
        read(&mut ahead, &mut at, until).await;
        sleep(Duration::from_secs(3)).await;
    }
    assert!(
        script.asked().len() - before <= 20,
        "{:?}",
        &script.asked()[before..]
    );
    assert!(
        line.stats().received - at <= 6 * MIB,
        "{}",
        line.stats().received - at
    );
    assert_eq!(line.stats().let_go, 1);
}

#[tokio::test(start_paused = true)]
async fn m23_streams_share_the_rooms_budget() {
    let script = far();
    let line = line(MediaTuning {
        underway: 2 * MIB,
        ahead: 2 * MIB,
        ..MediaTuning::default()
    });
    let mut one = open(&script, &line, (0, SIZE)).await;
    let mut two = open(&script, &line, (0, SIZE)).await;
    let (mut at_one, mut at_two) = (0, 0);
    tokio::join!(
        read(&mut one, &mut at_one, SIZE),
        read(&mut two, &mut at_two, SIZE)
    );
    // The budget's parts of at least 256 KiB, and the first one of each.
    assert!(
        script.running.counts().1 <= 8 + 2,
        "{:?}",
        script.running.counts()
    );
    drop((one, two));
    assert!(line.stock.at_rest());
}

#[tokio::test(start_paused = true)]
async fn m23_only_so_many_streams_are_read_ahead() {
    let script = far();
    let line = line(MediaTuning {
        ahead_streams: 1,
        ..MediaTuning::default()
    });
    let upstream: Arc<dyn Upstream> = Arc::<Script>::clone(&script);
    let one = open(&script, &line, (0, SIZE)).await;
    assert!(Ahead::open(&upstream, &line, (0, SIZE)).await.is_none());
    drop(one);
    assert_eq!(
        script.running.counts().0,
        0,
        "dropping it closes everything"
    );
    assert!(Ahead::open(&upstream, &line, (0, SIZE)).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn m19_a_drop_inside_of_a_part_is_taken_up_there() {
    let script = Script::new(|range, before| {
        let range = range.unwrap();
        let mut plays = paced(range);
        if before % 3 == 1 {
            plays.truncate(5);
        }
        (RTT, Ok((Some(range), plays)))
    });
    let line = line(MediaTuning::default());
    let mut ahead = open(&script, &line, (5, 10 * MIB)).await;
    let mut at = 5;
    read(&mut ahead, &mut at, 10 * MIB).await;
    assert!(next(&mut ahead).await.is_none());
    assert!(line.stats().resumes > 3);
    assert_eq!(line.stats().received, 10 * MIB - 5);
}

#[tokio::test(start_paused = true)]
async fn m20_a_version_replaced_in_a_later_part_ends_the_stream_before_it() {
    let script = Script::new(|range, before| match before {
        0..3 => (RTT, Ok((range, paced(range.unwrap())))),
        _ => (RTT, Err(MediaError::Changed)),
    });
    let line = line(MediaTuning::default());
    let mut ahead = open(&script, &line, (0, SIZE)).await;
    let mut at = 0;
    read(&mut ahead, &mut at, 3 * defaults::PART_FIRST).await;
    assert_eq!(at, 3 * defaults::PART_FIRST);
    assert!(matches!(
        next(&mut ahead).await,
        Some(Err(MediaError::Changed))
    ));
    assert!(next(&mut ahead).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_error_before_the_first_byte_is_told_at_once() {
    let script = Script::new(|_, _| (RTT, Err(MediaError::Throttled(None))));
    let upstream: Arc<dyn Upstream> = Arc::<Script>::clone(&script);
    let line = line(MediaTuning::default());
    let opened = Ahead::open(&upstream, &line, (0, SIZE)).await;
    assert!(matches!(opened, Some(Err(MediaError::Throttled(_)))));
    assert!(line.stock.at_rest());
}

#[tokio::test(start_paused = true)]
async fn m18_a_source_that_ignores_ranges_is_read_as_one() {
    let script = Script::new(|_, _| (RTT, Ok((None, vec![Play::Give(bytes(0, 10))]))));
    let upstream: Arc<dyn Upstream> = Arc::<Script>::clone(&script);
    let line = line(MediaTuning::default());
    let opened = Ahead::open(&upstream, &line, (MIB, SIZE)).await;
    assert!(matches!(opened, Some(Ok(Opened::Whole(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_straight_stream_is_widened_once_its_source_turns_out_to_be_far() {
    let (script, line) = (far(), line(MediaTuning::default()));
    let upstream: Arc<dyn Upstream> = Arc::<Script>::clone(&script);
    let whole = paced(crate::range::ByteRange::new(0, SIZE - 1).unwrap());
    let body = Resumed::open(script.tape(whole), (0, SIZE), Some(upstream), &line);
    let mut body = Body::widening(body);
    let (mut at, mut widened) = (0, None);
    while let Some(chunk) = poll_fn(|cx| body.poll_next(cx)).await {
        let chunk = chunk.unwrap();
        let end = at + length(chunk.len());
        assert_eq!(chunk, bytes(at, end));
        at = end;
        if widened.is_none() && line.stats().ahead > 0 {
            widened = Some(at);
        }
        if at == 3 * MIB / 2 {
            (0..3).for_each(|_| line.link.answered(RTT));
        }
    }
    assert_eq!(at, SIZE);
    let widened = widened.unwrap();
    assert!((2 * MIB..3 * MIB).contains(&widened), "{widened}");
    // The rest is asked for behind what the first connection still gives.
    let asked = script.asked();
    assert_eq!(asked[0].0, 2 * MIB + defaults::PART_FIRST);
    assert!(asked.windows(2).all(|two| two[0].1 + 1 == two[1].0));
    assert_eq!(line.stats().resumes, 0);
}
