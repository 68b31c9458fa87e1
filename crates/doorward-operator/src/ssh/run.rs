//! One command over there: sent, read within bounds, and ended if nobody waits for
//! it any more.

use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::broken;
use super::link::Handle;
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{Output, Value};

/// Commands that nobody waits for any more. One task ends them.
#[derive(Clone, Debug)]
pub(super) struct Leftovers(mpsc::Sender<ChannelWriteHalf<Msg>>);

/// What a command came to.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) exit: Option<u32>,
    pub(super) signal: Option<String>,
    pub(super) output: Vec<u8>,
    pub(super) errors: Vec<u8>,
}

/// A command that is ended when this is dropped.
struct Running {
    channel: Option<ChannelWriteHalf<Msg>>,
    leftovers: Leftovers,
}

/// Runs `line`, already quoted, on the channel that `opening` gives, for at most
/// `within`.
///
/// # Errors
///
/// `MethodDenied` where the server runs no commands, `ServiceUnavailable` where it
/// opens no channel, `UpstreamTimeout`, `ResultTooLarge`, `UpstreamDisconnected`.
pub(super) async fn run(
    opening: impl Future<Output = Result<Channel<Msg>, Denied>> + 'static,
    line: &str,
    within: Duration,
    leftovers: &Leftovers,
) -> Result<Ran, Denied> {
    let running = async {
        let (mut running, mut answers) = opened(opening, leftovers.clone()).await?;
        let channel = running.channel()?;
        let sent = channel.exec(true, line).await;
        sent.map_err(|error| broken(&error))?;
        // Whoever reads finds the end at once.
        channel.eof().await.map_err(|error| broken(&error))?;
        let mut ran = Ran::default();
        loop {
            match answers.wait().await {
                Some(ChannelMsg::Data { data }) => ran.output.extend_from_slice(&data),
                Some(ChannelMsg::ExtendedData { data, .. }) => ran.errors.extend_from_slice(&data),
                Some(ChannelMsg::ExitStatus { exit_status }) => ran.exit = Some(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    ran.signal = Some(name(&signal_name));
                }
                Some(ChannelMsg::Failure) => {
                    return Err(Denial::MethodDenied.because("the server runs no commands"));
                }
                Some(ChannelMsg::Close) => {
                    running.channel = None;
                    return Ok(ran);
                }
                Some(_) => {}
                // Without a farewell: the connection broke.
                None => {
                    running.channel = None;
                    return Err(Denial::UpstreamDisconnected.into());
                }
            }
            if ran.output.len() + ran.errors.len() > defaults::RESULT {
                return Err(Denial::ResultTooLarge.into());
            }
        }
    };
    timeout(within, running)
        .await
        .unwrap_or_else(|_| Err(Denial::UpstreamTimeout.into()))
}

/// A task of its own waits for the channel, so that one that comes when nobody waits
/// for it any more is closed and not forgotten: a server counts those that are open.
async fn opened(
    opening: impl Future<Output = Result<Channel<Msg>, Denied>> + 'static,
    leftovers: Leftovers,
) -> Result<(Running, ChannelReadHalf), Denied> {
    let (sender, opened) = oneshot::channel();
    tokio::task::spawn_local(async move {
        let came = opening.await.map(|channel| {
            let (answers, channel) = channel.split();
            let channel = Some(channel);
            (Running { channel, leftovers }, answers)
        });
        // Dropped, it is closed.
        let _ = sender.send(came);
    });
    opened
        .await
        .unwrap_or_else(|_| Err(Denial::UpstreamDisconnected.into()))
}

/// Opens a channel. A server takes so many at once (OpenSSH: `MaxSessions`), and
/// counts one until it has cleared it away, which is after it was closed: so it is
/// asked again for a while. Nothing ran yet.
pub(super) async fn open(handle: &Handle) -> Result<Channel<Msg>, Denied> {
    let mut wait = defaults::ROOM_FIRST;
    loop {
        match handle.channel_open_session().await {
            Ok(channel) => return Ok(channel),
            Err(russh::Error::ChannelOpenFailure(_)) if wait <= defaults::ROOM_LAST => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(error) => return Err(unopened(&error)),
        }
    }
}

// === impl Ran ===

impl Ran {
    pub(super) fn succeeded(&self) -> bool {
        self.exit == Some(0)
    }

    pub(super) fn into_output(self) -> Output {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = Vec::new();
        if let Some(exit) = self.exit {
            fields.push(("exit".to_owned(), exit.to_string()));
        }
        if let Some(signal) = self.signal {
            fields.push(("signal".to_owned(), signal));
        }
        fields.push(("output".to_owned(), text(&self.output)));
        if !self.errors.is_empty() {
            fields.push(("errors".to_owned(), text(&self.errors)));
        }
        Output::whole(Value::Fields(fields))
    }
}

// === impl Leftovers ===

impl Leftovers {
    /// Starts the task, which ends with the thread.
    pub(super) fn new() -> Self {
        let (sender, mut left) = mpsc::channel::<ChannelWriteHalf<Msg>>(defaults::QUEUE);
        tokio::task::spawn_local(async move {
            while let Some(channel) = left.recv().await {
                // Not every server passes signals on; all of them close.
                let _ = channel.signal(Sig::TERM).await;
                let _ = channel.close().await;
            }
        });
        Self(sender)
    }
}

// === impl Running ===

impl Running {
    fn channel(&self) -> Result<&ChannelWriteHalf<Msg>, Denied> {
        self.channel
            .as_ref()
            .ok_or_else(|| Denial::UpstreamDisconnected.into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            // Without room the connection stands still, and ends what is on it. The
            // task ends with the thread, and so does the connection.
            let _ = self.leftovers.0.try_send(channel);
        }
    }
}

fn unopened(error: &russh::Error) -> Denied {
    match error {
        russh::Error::ChannelOpenFailure(_) => {
            Denial::ServiceUnavailable.because(error.to_string())
        }
        error => broken(error),
    }
}

fn name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}
