//! One connection to a machine, and the session on it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use russh::client::{self, ChannelOpenHandle, DisconnectReason, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Disconnect};

use super::auth::{Came, Dialogue, Entered};
use super::run::{Leftovers, Ran, run};
use super::{HostKeys, Launch, Machine};
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::end::{End, Lasting};
use crate::gateway::{
    Asked, AuthOutcome, AuthStart, Capability, Invocation, LaunchStatus, Launcher, Link, Output,
    Proof, SessionInfo,
};

/// The name of the one capability, and of what it is.
const COMMANDS: &str = "commands";

pub(super) type Handle = client::Handle<Watcher>;

/// A connection to a machine.
pub(super) struct SshLink {
    machine: Arc<Machine>,
    seen: Seen,
    stage: RefCell<Stage>,
    leftovers: Leftovers,
    end: End,
}

/// How far it has come. Borrowed for moments, never across an await.
enum Stage {
    Connected(Box<Handle>),
    /// Something is being asked, or came to nothing.
    Busy,
    Asked(Box<Dialogue>),
    In(Rc<Session>),
    Out,
}

struct Session {
    entered: Entered,
    lasting: Lasting,
}

/// What happens on the connection by itself.
pub(super) struct Watcher {
    pins: HostKeys,
    seen: Seen,
    end: End,
}

/// What a [`Watcher`] saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<(AtomicBool, AtomicBool)>);

// === impl SshLink ===

impl SshLink {
    pub(super) fn new(handle: Handle, machine: Arc<Machine>, seen: Seen, end: End) -> Self {
        Self {
            machine,
            seen,
            stage: RefCell::new(Stage::Connected(Box::new(handle))),
            leftovers: Leftovers::new(),
            end,
        }
    }

    fn held(&self) -> Result<Rc<Session>, Denied> {
        match &*self.stage.borrow() {
            Stage::In(session) => {
                session.lasting.remaining()?;
                Ok(Rc::clone(session))
            }
            Stage::Out => Err(Denial::StaleSession.into()),
            Stage::Connected(_) | Stage::Busy | Stage::Asked(_) => {
                Err(Denial::Unauthenticated.into())
            }
        }
    }

    fn came(&self, came: Came) -> Result<AuthOutcome, Denied> {
        match came {
            Came::Asks(dialogue, step) => {
                self.stage.replace(Stage::Asked(dialogue));
                Ok(AuthOutcome::Step(step))
            }
            Came::In(entered) => {
                let lasting = Lasting::from_now(self.machine.session);
                self.end.tell_after(lasting);
                let session = Rc::new(Session { entered, lasting });
                let info = session.info()?;
                self.stage.replace(Stage::In(session));
                Ok(AuthOutcome::Session(info))
            }
        }
    }

    async fn run(&self, line: &str, within: Duration) -> Result<Ran, Denied> {
        let session = self.held()?;
        run(&session.entered.handle, line, within, &self.leftovers).await
    }

    fn launch_of(&self, profile: &str) -> Result<&Launch, Denied> {
        let mut launches = self.machine.launches.iter();
        let found = launches.find(|launch| launch.profile == profile);
        found.ok_or_else(|| Denial::UnknownCap.into())
    }
}

impl Session {
    fn info(&self) -> Result<SessionInfo, Denied> {
        Ok(SessionInfo {
            profile: COMMANDS.to_owned(),
            principal: self.entered.account.clone(),
            strength: self.entered.strength,
            remaining: Some(self.lasting.remaining()?),
        })
    }
}

impl Link for SshLink {
    fn begin_auth(&self, start: AuthStart) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            let Stage::Connected(handle) = self.stage.replace(Stage::Busy) else {
                return Err(Denial::BadRequest.because("somebody signed in here before"));
            };
            let key = self.machine.key.as_deref();
            let came = Dialogue::begin(*handle, self.seen.clone(), start, key).await?;
            self.came(came)
        })
    }

    fn continue_auth(&self, answer: Proof) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            let Stage::Asked(dialogue) = self.stage.replace(Stage::Busy) else {
                return Err(Denial::BadRequest.because("nothing was asked"));
            };
            let came = dialogue.go_on(answer).await?;
            self.came(came)
        })
    }

    fn cancel_auth(&self) -> LocalBoxFuture<'_, ()> {
        // The connection goes with the dialogue.
        self.stage.replace(Stage::Out);
        Box::pin(async {})
    }

    fn session(&self) -> Asked<'_, SessionInfo> {
        Box::pin(async move { self.held()?.info() })
    }

    fn renew(&self, _: Option<Proof>, _: Duration) -> Asked<'_, SessionInfo> {
        Box::pin(async move {
            self.held()?;
            Err(Denial::MethodDenied.because("sign in again for more time"))
        })
    }

    fn list(&self) -> Asked<'_, Vec<Capability>> {
        Box::pin(async move {
            let session = self.held()?;
            let commands = self.machine.commands.iter();
            Ok(vec![Capability {
                name: COMMANDS.to_owned(),
                contract: COMMANDS.to_owned(),
                label: "Commands".to_owned(),
                operations: commands
                    .map(|command| command.outline().operation().clone())
                    .collect(),
                lease: Some(session.lasting.remaining()?),
            }])
        })
    }

    fn invoke(&self, call: Invocation) -> Asked<'_, Output> {
        Box::pin(async move {
            self.held()?;
            if call.capability != COMMANDS {
                return Err(Denial::UnknownCap.into());
            }
            if call.contract != COMMANDS {
                return Err(Denial::InterfaceMismatch.into());
            }
            let mut commands = self.machine.commands.iter();
            let command = commands
                .find(|command| command.outline().operation().name == call.operation)
                .ok_or(Denial::MethodDenied)?;
            let line = command.line(&call)?;
            let ran = self.run(&line, command.outline().time()).await?;
            Ok(ran.into_output())
        })
    }

    fn launchers(&self) -> Asked<'_, Vec<Launcher>> {
        Box::pin(async move {
            self.held()?;
            let launches = self.machine.launches.iter();
            Ok(launches
                .map(|launch| Launcher {
                    profile: launch.profile.clone(),
                    label: launch.label.clone(),
                    summary: launch.summary.clone(),
                    supported: true,
                    // Each would have to be asked.
                    status: "unknown".to_owned(),
                    grants: Vec::new(),
                })
                .collect())
        })
    }

    fn probe(&self, profile: String) -> Asked<'_, LaunchStatus> {
        Box::pin(async move {
            let launch = self.launch_of(&profile)?;
            let ran = self.run(launch.probe.line(), defaults::RUNNING).await?;
            let status = if ran.succeeded() {
                "running"
            } else {
                "stopped"
            };
            Ok(launched(profile, status, &ran))
        })
    }

    fn launch(&self, profile: String, grants: Vec<String>) -> Asked<'_, LaunchStatus> {
        Box::pin(async move {
            let launch = self.launch_of(&profile)?;
            if !grants.is_empty() {
                return Err(Denial::BadRequest.because("a command is given nothing"));
            }
            let ran = self.run(launch.start.line(), defaults::RUNNING).await?;
            if !ran.succeeded() {
                let said = String::from_utf8_lossy(&ran.errors).into_owned();
                return Err(Denial::ServiceUnavailable.because(said));
            }
            Ok(launched(profile, "started", &ran))
        })
    }

    fn logout(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move {
            if let Stage::In(session) = self.stage.replace(Stage::Out) {
                let handle = &session.entered.handle;
                let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
                // Until it was said.
                self.end.comes().await;
            }
        })
    }

    fn health(&self) -> Asked<'_, ()> {
        Box::pin(async move {
            let session = self.held()?;
            let handle = &session.entered.handle;
            let answer = handle.send_ping().await;
            match answer {
                Ok(()) if !handle.is_closed() => Ok(()),
                _ => Err(Denial::UpstreamDisconnected.into()),
            }
        })
    }

    fn ended(&self) -> LocalBoxFuture<'_, Denied> {
        self.end.comes()
    }
}

fn launched(profile: String, status: &str, ran: &Ran) -> LaunchStatus {
    LaunchStatus {
        profile,
        status: status.to_owned(),
        supported: true,
        message: String::from_utf8_lossy(&ran.output).trim().to_owned(),
        grants: Vec::new(),
    }
}

// === impl Watcher ===

impl Watcher {
    pub(super) fn new(pins: HostKeys, end: End) -> Self {
        Self {
            pins,
            seen: Seen::default(),
            end,
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.clone()
    }
}

/// A server opens nothing towards us: whatever it asks for is dropped, which says no.
impl client::Handler for Watcher {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let known = self.pins.knows(shown);
        if !known {
            self.seen.0.0.store(true, Ordering::Release);
        }
        Ok(known)
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<Self::Error>,
    ) -> Result<(), Self::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(said) => {
                self.seen.0.1.store(true, Ordering::Release);
                self.end
                    .tell(Denial::UpstreamDisconnected.because(said.message));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                self.end
                    .tell(Denial::UpstreamDisconnected.because(error.to_string()));
                Err(error)
            }
        }
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end.tell(Denial::UpstreamDisconnected.into());
    }
}

// === impl Seen ===

impl Seen {
    /// Whether the host showed a key that is not pinned.
    pub(super) fn mismatch(&self) -> bool {
        self.0.0.load(Ordering::Acquire)
    }

    /// Whether the server said that it hangs up.
    pub(super) fn bade_farewell(&self) -> bool {
        self.0.1.load(Ordering::Acquire)
    }
}
