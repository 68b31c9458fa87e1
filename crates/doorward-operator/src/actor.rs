//! A gateway's thread: the only place where a connection, its session and its
//! handles are.
//!
//! Work is sent to it through a bounded queue, and comes back through a channel of
//! its own. Whoever gives up on work (a deadline, a browser that left) drops that
//! channel, and the thread drops the work. When the [`Actor`] is dropped the thread
//! ends and takes the connection with it: that is how a session is revoked.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use doorward_guard::{Refusal, Rule};
use futures_util::future::LocalBoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::LocalSet;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{Asked, Gateway, Link};

/// A connected gateway. Dropping it cuts the connection.
#[derive(Debug)]
pub struct Actor {
    work: mpsc::Sender<Work>,
    places: Arc<Semaphore>,
    ended: watch::Receiver<Option<Denied>>,
    _stop: DropGuard,
}

/// A place among the calls that run at once; dropping it makes room.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

type Work = Box<dyn FnOnce(Rc<dyn Link>) -> LocalBoxFuture<'static, ()> + Send>;

impl Actor {
    /// Starts a thread and connects `gateway` on it.
    ///
    /// # Errors
    ///
    /// What [`Gateway::connect`] says; `UpstreamTimeout` after
    /// [`defaults::CONNECT`]; `ServiceUnavailable` if there is no thread to be had.
    pub async fn connect(gateway: Arc<dyn Gateway>) -> Result<Self, Denied> {
        let (work, queue) = mpsc::channel(defaults::QUEUE);
        let (over, ended) = watch::channel(None);
        let (connected, told) = oneshot::channel();
        let stop = CancellationToken::new();
        let thread = Thread {
            gateway,
            queue,
            over,
            stop: stop.clone(),
        };
        std::thread::Builder::new()
            .name("gateway".to_owned())
            .spawn(move || thread.run(connected))
            .map_err(|error| Denial::ServiceUnavailable.because(error.to_string()))?;
        // From here on the thread ends with this.
        let actor = Self {
            work,
            places: Arc::new(Semaphore::new(defaults::IN_FLIGHT)),
            ended,
            _stop: stop.drop_guard(),
        };
        match timeout(defaults::CONNECT, told).await {
            Ok(Ok(Ok(()))) => Ok(actor),
            Ok(Ok(Err(denied))) => Err(denied),
            Ok(Err(_gone)) => Err(Denial::UpstreamDisconnected.into()),
            Err(_late) => Err(Denial::UpstreamTimeout.into()),
        }
    }

    /// One of [`defaults::IN_FLIGHT`] places.
    ///
    /// # Errors
    ///
    /// [`Rule::Busy`].
    pub fn place(&self) -> Result<Place, Refusal> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Ok(Place { _permit: permit }),
            Err(_) => Err(Refusal::from(Rule::Busy).retry_after(Duration::from_secs(1))),
        }
    }

    /// Asks the link, and waits for at most `within`.
    ///
    /// # Errors
    ///
    /// What the link says; `UpstreamTimeout`, and the work is dropped then;
    /// `UpstreamDisconnected` once the thread has ended, or what it ended with.
    pub async fn ask<T: Send + 'static>(
        &self,
        within: Duration,
        question: impl FnOnce(Rc<dyn Link>) -> Asked<'static, T> + Send + 'static,
    ) -> Result<T, Denied> {
        let (answer, told) = oneshot::channel();
        let work: Work = Box::new(move |link| Box::pin(answered(question(link), answer)));
        let asking = async {
            self.work.send(work).await.map_err(|_| self.gone())?;
            told.await.map_err(|_| self.gone())?
        };
        timeout(within, asking)
            .await
            .unwrap_or_else(|_| Err(Denial::UpstreamTimeout.into()))
    }

    /// Comes when the connection is of no use any more, with the reason.
    pub async fn ended(&self) -> Denied {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(denied) => denied
                .clone()
                .unwrap_or(Denial::UpstreamDisconnected.into()),
            Err(_) => Denial::UpstreamDisconnected.into(),
        }
    }

    /// Hears of the end without keeping the connection.
    pub fn watch(&self) -> impl Future<Output = Denied> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(denied) => denied
                    .clone()
                    .unwrap_or(Denial::UpstreamDisconnected.into()),
                Err(_) => Denial::UpstreamDisconnected.into(),
            }
        }
    }

    fn gone(&self) -> Denied {
        let told = self.ended.borrow().clone();
        told.unwrap_or(Denial::UpstreamDisconnected.into())
    }
}

/// What the thread owns.
struct Thread {
    gateway: Arc<dyn Gateway>,
    queue: mpsc::Receiver<Work>,
    over: watch::Sender<Option<Denied>>,
    stop: CancellationToken,
}

impl Thread {
    fn run(self, connected: oneshot::Sender<Result<(), Denied>>) {
        let runtime = match tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                let denied = Denial::ServiceUnavailable.because(error.to_string());
                let _ = connected.send(Err(denied));
                return;
            }
        };
        let stop = self.stop.clone();
        LocalSet::new().block_on(&runtime, async move {
            let _ = stop.run_until_cancelled(self.keep(connected)).await;
        });
        // A resolver that hangs must not hold the thread.
        runtime.shutdown_background();
    }

    async fn keep(mut self, connected: oneshot::Sender<Result<(), Denied>>) {
        let link = match self.gateway.connect().await {
            Ok(link) => link,
            Err(denied) => {
                let _ = connected.send(Err(denied));
                return;
            }
        };
        if connected.send(Ok(())).is_err() {
            return;
        }
        let ending = Rc::clone(&link);
        let mut ended = ending.ended();
        loop {
            tokio::select! {
                // What was asked before the end still gets its answer.
                biased;
                work = self.queue.recv() => match work {
                    Some(work) => {
                        tokio::task::spawn_local(work(Rc::clone(&link)));
                    }
                    None => return,
                },
                denied = &mut ended => {
                    self.over.send_replace(Some(denied));
                    return;
                }
            }
        }
    }
}

/// Carries the work out, unless whoever asked has given up.
async fn answered<T: 'static>(
    work: Asked<'static, T>,
    mut answer: oneshot::Sender<Result<T, Denied>>,
) {
    let done = tokio::select! {
        done = work => done,
        () = answer.closed() => return,
    };
    let _ = answer.send(done);
}
