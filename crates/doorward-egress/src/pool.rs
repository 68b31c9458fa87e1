//! Connections that wait for their next request.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::{Limits, Stream, Target};

/// Idle connections by target; the one used last is used next.
#[derive(Debug)]
pub(crate) struct Pool {
    per_target: usize,
    total: usize,
    idle: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_target: HashMap<Target, Vec<Idle>>,
    count: usize,
    swept: bool,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    until: Instant,
}

impl Pool {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            per_target: limits.idle_per_target,
            total: limits.idle_total,
            idle: limits.idle,
            kept: Mutex::default(),
        })
    }

    /// A kept connection on which nothing arrived since: neither its end nor
    /// bytes that nobody asked for. Those that fail this are closed.
    pub(crate) async fn take(&self, target: &Target) -> Option<Stream> {
        loop {
            let mut idle = self.pop(target)?;
            if idle.until > Instant::now() && is_quiet(&mut idle.stream).await {
                return Some(idle.stream);
            }
        }
    }

    /// Keeps `stream` for the next request to `target`, or closes it when enough
    /// are kept.
    pub(crate) fn put(self: &Arc<Self>, target: Target, stream: Stream) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut kept = self.lock();
        if kept.count >= self.total || self.per_target == 0 {
            return;
        }
        let same = kept.by_target.entry(target).or_default();
        if same.len() >= self.per_target {
            return;
        }
        same.push(Idle {
            stream,
            until: Instant::now() + self.idle,
        });
        kept.count += 1;
        if !kept.swept {
            kept.swept = true;
            runtime.spawn(sweep(Arc::downgrade(self), self.idle));
        }
    }

    fn pop(&self, target: &Target) -> Option<Idle> {
        let mut kept = self.lock();
        let idle = kept.by_target.get_mut(target)?.pop()?;
        kept.count = kept.count.saturating_sub(1);
        Some(idle)
    }

    /// Closes what is too old; false when nothing is left to watch.
    fn expire(&self) -> bool {
        let now = Instant::now();
        let mut kept = self.lock();
        kept.by_target.retain(|_, same| {
            same.retain(|idle| idle.until > now);
            !same.is_empty()
        });
        kept.count = kept.by_target.values().map(Vec::len).sum();
        kept.swept = kept.count > 0;
        kept.swept
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs while anything is kept and the pool lives. A connection is closed at the
/// latest after twice its time; it is never used after its time.
async fn sweep(pool: Weak<Pool>, every: Duration) {
    loop {
        sleep(every.max(Duration::from_millis(1))).await;
        if !pool.upgrade().is_some_and(|pool| pool.expire()) {
            return;
        }
    }
}

async fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0; 1];
    std::future::poll_fn(|cx| {
        let mut buffer = ReadBuf::new(&mut byte);
        let polled = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
        Poll::Ready(polled.is_pending())
    })
    .await
}
