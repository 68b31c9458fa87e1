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

use super::allowance::Allowance;
use super::auth::{Came, Dialogue, Entered};
use super::command::CANARY;
use super::run::{Leftovers, Ran, open, run};
use super::{Command, HostKeys, Launch, Machine};
use crate::declared::{asked_for, capability};
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
    allowance: Allowance,
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
    pub(super) fn new(
        handle: Handle,
        machine: Arc<Machine>,
        allowance: Allowance,
        seen: Seen,
        end: End,
    ) -> Self {
        Self {
            machine,
            seen,
            allowance,
            stage: RefCell::new(Stage::Connected(Box::new(handle))),
            leftovers: Leftovers::new(),
            end,
        }
    }

    /// Whatever is waited for, if that is what stands here.
    fn take(&self, is: impl FnOnce(&Stage) -> bool) -> Option<Stage> {
        let mut stage = self.stage.borrow_mut();
        is(&stage).then(|| std::mem::replace(&mut *stage, Stage::Busy))
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

    async fn came(&self, came: Came) -> Result<AuthOutcome, Denied> {
        match came {
            Came::Asks(dialogue, step) => {
                self.come_to(Stage::Asked(dialogue))?;
                Ok(AuthOutcome::Step(step))
            }
            Came::In(entered) => {
                self.allowance.lift();
                let lasting = Lasting::from_now(self.machine.session);
                self.end.tell_after(lasting);
                let session = Rc::new(Session { entered, lasting });
                if self.machine.runs_something() {
                    self.try_shell(&session).await?;
                }
                let info = session.info()?;
                self.come_to(Stage::In(session))?;
                Ok(AuthOutcome::Session(info))
            }
        }
    }

    /// Whoever left in the meantime is not let in.
    fn come_to(&self, next: Stage) -> Result<(), Denied> {
        let mut stage = self.stage.borrow_mut();
        if matches!(*stage, Stage::Out) {
            return Err(Denial::StaleSession.into());
        }
        *stage = next;
        Ok(())
    }

    /// That the login shell over there reads what is quoted as it is meant: nothing
    /// but a text that says so is run before.
    async fn try_shell(&self, session: &Rc<Session>) -> Result<(), Denied> {
        let (line, expected) = CANARY;
        let ran = self.run_on(session, line, defaults::RUNNING).await?;
        if !ran.succeeded() || ran.output != expected.as_bytes() {
            let why = "the login shell there does not read what is quoted as sh does";
            return Err(Denial::ServiceUnavailable.because(why));
        }
        Ok(())
    }

    async fn run(&self, line: &str, within: Duration) -> Result<Ran, Denied> {
        let session = self.held()?;
        self.run_on(&session, line, within).await
    }

    async fn run_on(
        &self,
        session: &Rc<Session>,
        line: &str,
        within: Duration,
    ) -> Result<Ran, Denied> {
        let session = Rc::clone(session);
        let opening = async move { open(&session.entered.handle).await };
        run(opening, line, within, &self.leftovers).await
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
            let connected = self.take(|stage| matches!(stage, Stage::Connected(_)));
            let Some(Stage::Connected(handle)) = connected else {
                return Err(Denial::BadRequest.because("somebody signed in here before"));
            };
            let key = self.machine.key.as_deref();
            let came = Dialogue::begin(*handle, self.seen.clone(), start, key).await?;
            self.came(came).await
        })
    }

    fn continue_auth(&self, answer: Proof) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            let asked = self.take(|stage| matches!(stage, Stage::Asked(_)));
            let Some(Stage::Asked(dialogue)) = asked else {
                return Err(Denial::BadRequest.because("nothing was asked"));
            };
            let came = dialogue.go_on(answer).await?;
            self.came(came).await
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

    fn renew(&self, _: Option<Proof>, _: Duration) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            self.held()?;
            Err(Denial::MethodDenied.because("sign in again for more time"))
        })
    }

    fn list(&self) -> Asked<'_, Vec<Capability>> {
        Box::pin(async move {
            let session = self.held()?;
            let lease = session.lasting.remaining()?;
            let outlines = self.machine.commands.iter().map(Command::outline);
            Ok(vec![capability(COMMANDS, "Commands", outlines, lease)])
        })
    }

    fn invoke(&self, call: Invocation) -> Asked<'_, Output> {
        Box::pin(async move {
            self.held()?;
            let commands = &self.machine.commands;
            let command = asked_for(&call, COMMANDS, commands, Command::outline)?;
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
        Box::pin(async move {
            let denied = self.end.comes().await;
            // Whoever left ended it themselves.
            match *self.stage.borrow() {
                Stage::Out => Denial::StaleSession.into(),
                _ => denied,
            }
        })
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
