//! Time, in one place.
//!
//! Every deadline in doorward is measured on [`Clock`]: a monotonic clock that
//! keeps counting while the machine sleeps (`CLOCK_BOOTTIME` on Linux), so a
//! laptop that was closed overnight wakes up to expired sessions. Setting the
//! wall clock moves nothing. Tests drive a [`FakeClock`] instead of waiting.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// A point on the monotonic clock, counted from an arbitrary origin. Nanoseconds
/// in eight bytes, an `Option` of it too: tables keep millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(NonZeroU64);

impl Moment {
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// The moment `by` after this one.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::at(self.since_origin().saturating_add(by))
    }

    /// The time since the clock's origin.
    #[must_use]
    pub fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0.get())
    }

    /// What tables keep.
    pub(crate) fn nanos(self) -> u64 {
        self.0.get()
    }

    /// What tables have kept.
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }

    /// `after` the origin; saturates after five hundred years.
    fn at(after: Duration) -> Self {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        Self::from_nanos(nanos)
    }
}

/// Where the time comes from. Cheap to clone; clones share one source.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fake(Arc<FakeTime>),
}

#[derive(Debug)]
struct FakeTime {
    nanos: AtomicU64,
    wall_start: SystemTime,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that only moves when its [`FakeClock`] is told to.
    #[must_use]
    pub fn fake() -> (Self, FakeClock) {
        let time = Arc::new(FakeTime {
            // Not zero: code that subtracts from "now" must not be flattered.
            nanos: AtomicU64::new(1_000_000_000_000),
            wall_start: UNIX_EPOCH + Duration::from_secs(1_790_000_000),
        });
        (Self(Source::Fake(Arc::clone(&time))), FakeClock(time))
    }

    /// The current moment on the monotonic clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System => system_now(),
            Source::Fake(time) => {
                Moment::at(Duration::from_nanos(time.nanos.load(Ordering::SeqCst)))
            }
        }
    }

    /// The wall clock: for people and logs, never for a deadline.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that may read it"
    )]
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Fake(time) => {
                let elapsed = Duration::from_nanos(time.nanos.load(Ordering::SeqCst));
                time.wall_start + elapsed.saturating_sub(Duration::from_secs(1_000))
            }
        }
    }

    /// The wall time at which `moment` falls, as RFC 3339 in UTC.
    #[must_use]
    pub fn rfc3339(&self, moment: Moment) -> String {
        let (now, wall) = (self.now(), self.wall());
        let at = if moment >= now {
            wall.checked_add(moment.since(now)).unwrap_or(wall)
        } else {
            wall.checked_sub(now.since(moment)).unwrap_or(UNIX_EPOCH)
        };
        rfc3339(at)
    }
}

/// `at` as RFC 3339 in UTC with milliseconds: `2026-11-23T16:14:32.000Z`.
#[must_use]
pub fn rfc3339(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(target_os = "linux")]
fn system_now() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let secs = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Moment::at(Duration::new(secs, nanos))
}

/// Elsewhere the standard library's monotonic clock, which may stop in sleep.
#[cfg(not(target_os = "linux"))]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that may read it"
)]
fn system_now() -> Moment {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    Moment::at(START.get_or_init(Instant::now).elapsed())
}

/// The hand that moves a fake [`Clock`].
#[derive(Clone, Debug)]
pub struct FakeClock(Arc<FakeTime>);

impl FakeClock {
    /// Moves the clock forward by `by`.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}

// === impl governor::clock::Clock ===

impl governor::clock::Clock for Clock {
    type Instant = governor::nanos::Nanos;

    fn now(&self) -> Self::Instant {
        self.now().since_origin().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_clock_moves_only_when_told() {
        let (clock, hand) = Clock::fake();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        hand.advance(Duration::from_secs(3));
        assert_eq!(clock.now().since(start), Duration::from_secs(3));
        assert_eq!(start.since(clock.now()), Duration::ZERO);
    }

    #[test]
    fn moments_are_told_as_wall_time() {
        let (clock, hand) = Clock::fake();
        let start = clock.now();
        let told = clock.rfc3339(start);
        hand.advance(Duration::from_secs(60));
        assert_eq!(clock.rfc3339(start), told);
        assert_ne!(clock.rfc3339(clock.now()), told);
    }

    #[test]
    fn the_system_clock_never_goes_back() {
        let clock = Clock::system();
        let first = clock.now();
        assert!(clock.now() >= first);
    }
}
