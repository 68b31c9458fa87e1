use doorward_guard::FakeClock;

use super::*;

struct Road {
    lanes: Lanes,
    hand: FakeClock,
    clock: Clock,
    session: SessionId,
}

fn session() -> SessionId {
    let (clock, _hand) = Clock::fake();
    let limits = doorward_guard::table::sessions::SessionLimits {
        idle: doorward_guard::defaults::SESSION_IDLE,
        absolute: doorward_guard::defaults::SESSION_ABSOLUTE,
    };
    let sessions = doorward_guard::Sessions::new(&clock, 7000, limits);
    let ticket = sessions.ticket(false).unwrap();
    sessions.claim(&ticket.reveal(), None).unwrap().session
}

impl Road {
    fn new() -> Self {
        let (clock, hand) = Clock::fake();
        Self {
            lanes: Lanes::new(&clock),
            hand,
            clock,
            session: session(),
        }
    }

    /// Streams whose clients take nothing from now on.
    fn stall(&self, count: usize, yields: bool) -> Vec<Arc<Lane>> {
        let lanes: Vec<_> = (0..count)
            .map(|_| self.lanes.begin(Some(&self.session), yields))
            .collect();
        for lane in &lanes {
            lane.progress(self.clock.now());
        }
        lanes
    }

    fn room(&self) -> bool {
        self.lanes.make_room(&self.session)
    }

    fn wait(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }
}

#[test]
fn m25_the_one_that_stood_still_longest_gives_way() {
    let road = Road::new();
    let first = road.stall(1, true);
    road.wait(1);
    let rest = road.stall(4, true);
    assert!(!road.room(), "they have not stood still for long");
    road.wait(2);
    assert!(road.room());
    assert!(first[0].is_evicted() && rest.iter().all(|lane| !lane.is_evicted()));
    assert!(!road.room(), "four are left");
    assert_eq!(road.lanes.evicted(), 1);
}

#[test]
fn m25_who_reads_or_waits_for_the_source_stays() {
    let road = Road::new();
    let lanes = road.stall(6, true);
    road.wait(2);
    lanes[0].waits();
    lanes[1].progress(road.clock.now());
    assert!(!road.room(), "four stand still");
    lanes[0].progress(road.clock.now());
    road.wait(2);
    assert!(road.room());
    assert!(!lanes[0].is_evicted() && !lanes[1].is_evicted());
    assert!(lanes[2].is_evicted(), "of equals the one that began first");
}

#[test]
fn m25_a_minute_is_long_even_for_one() {
    let road = Road::new();
    let lanes = road.stall(1, true);
    road.wait(59);
    assert!(!road.room());
    road.wait(1);
    assert!(road.room() && lanes[0].is_evicted());
}

#[test]
fn m25_downloads_never_give_way() {
    let road = Road::new();
    let downloads = road.stall(6, false);
    road.wait(3600);
    assert!(!road.room());
    let preview = road.stall(1, true);
    road.wait(2);
    assert!(road.room(), "but they fill the connections");
    assert!(preview[0].is_evicted() && downloads.iter().all(|lane| !lane.is_evicted()));
}

#[test]
fn m25_other_sessions_are_left_alone() {
    let road = Road::new();
    let lanes = road.stall(6, true);
    road.wait(120);
    assert!(!road.lanes.make_room(&session()));
    assert!(lanes.iter().all(|lane| !lane.is_evicted()));
    for lane in &lanes {
        road.lanes.end(lane);
    }
    assert!(!road.room());
    assert!(road.lanes.running.lock().unwrap().is_empty());
}

#[tokio::test]
async fn m25_whoever_waits_for_the_end_is_woken() {
    let road = Road::new();
    let lanes = road.stall(5, true);
    road.wait(2);
    let lane = Arc::clone(&lanes[0]);
    let waiting = tokio::spawn(async move { lane.evicted().await });
    tokio::task::yield_now().await;
    assert!(road.room());
    waiting.await.unwrap();
}
