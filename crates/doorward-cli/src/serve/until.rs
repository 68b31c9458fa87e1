//! When it is time to stop: a signal, the end of standard input, or `doorward
//! stop`.

use std::io::Read as _;
use std::sync::Arc;

use doorward::House;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, Notify};

use crate::failure::Failure;

/// Why it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// SIGINT or SIGTERM.
    Signal,
    /// Standard input has ended, and the parent with it.
    Parent,
    /// `doorward stop`.
    Asked,
}

/// Listens from the start, so that no signal ends us unprepared.
#[derive(Debug)]
pub(super) struct Until {
    signals: Mutex<(Signal, Signal)>,
    parent: Arc<Notify>,
}

impl Until {
    pub(super) fn new(with_parent: bool) -> Result<Self, Failure> {
        let interrupt = signal(SignalKind::interrupt()).map_err(Failure::start)?;
        let terminate = signal(SignalKind::terminate()).map_err(Failure::start)?;
        let parent = Arc::new(Notify::new());
        if with_parent {
            watch(Arc::clone(&parent)).map_err(Failure::start)?;
        }
        Ok(Self {
            signals: Mutex::new((interrupt, terminate)),
            parent,
        })
    }

    /// Waits until it is time.
    pub(super) async fn told(&self, house: &House) -> Reason {
        tokio::select! {
            () = self.again() => Reason::Signal,
            () = self.parent.notified() => Reason::Parent,
            () = house.stop_asked() => Reason::Asked,
        }
    }

    /// Waits for the next signal.
    pub(super) async fn again(&self) {
        let mut signals = self.signals.lock().await;
        let (interrupt, terminate) = &mut *signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

impl Reason {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Parent => "parent ended",
            Self::Asked => "asked to",
        }
    }
}

/// On a thread of its own, which nobody waits for: it may never come back.
fn watch(parent: Arc<Notify>) -> std::io::Result<()> {
    let wait = move || {
        let mut ignored = [0_u8; 4_096];
        let mut stdin = std::io::stdin().lock();
        loop {
            match stdin.read(&mut ignored) {
                Ok(0) => break,
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => break,
                Ok(_) | Err(_) => {}
            }
        }
        parent.notify_one();
    };
    std::thread::Builder::new()
        .name("doorward-parent".to_owned())
        .spawn(wait)
        .map(drop)
}
