//! One connection: its RPC system, the session on it, and the capabilities that
//! were fetched. All of it is of one thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use capnp::capability::Client as AnyClient;
use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use futures_util::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

use super::contracts::{self, Contract};
use super::gateway_capnp::{
    self as wire, auth_flow, cap_set, denied, service_catalog, service_runner, session,
    session_gateway, session_info,
};
use crate::denial::{Denial, Denied};
use crate::gateway::{
    Asked, AuthKind, AuthOutcome, AuthStart, AuthStrength, Capability, Invocation, LaunchGrant,
    LaunchStatus, Launcher, Link, Output, Proof, Service, SessionInfo, Step,
};

/// A connection to a gateway.
pub(super) struct CapnpLink {
    gateway: session_gateway::Client,
    held: RefCell<Held>,
    ended: watch::Receiver<Option<Denied>>,
    over: watch::Sender<Option<Denied>>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
}

/// What the session holds. Borrowed for moments, never across an await.
#[derive(Default)]
struct Held {
    /// What waits for an answer: of signing in; of more time, once there is a session.
    flow: Option<auth_flow::Client>,
    session: Option<session::Client>,
    caps: Option<cap_set::Client>,
    /// Interface ids by name, as they were listed.
    listed: HashMap<String, u64>,
    fetched: HashMap<String, (u64, AnyClient)>,
}

impl CapnpLink {
    /// Speaks over `stream`, and asks the other side one question, so that whatever
    /// does not speak this is found out now.
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ) -> Result<Self, Denied> {
        let (reader, writer) = tokio::io::split(stream);
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(Some(super::most_words()));
        options.nesting_limit(16);
        let network = twoparty::VatNetwork::new(
            reader.compat(),
            writer.compat_write(),
            Side::Client,
            options,
        );
        let mut system = RpcSystem::new(Box::new(network), None);
        let gateway: session_gateway::Client = system.bootstrap(Side::Server);
        let (over, ended) = watch::channel(None);
        let told = over.clone();
        let task = tokio::task::spawn_local(async move {
            let denied = match system.await {
                Ok(()) => Denial::UpstreamDisconnected.into(),
                Err(error) => Denial::UpstreamDisconnected.because(error.to_string()),
            };
            tell(&told, denied);
        });
        let link = Self {
            gateway,
            held: RefCell::default(),
            ended,
            over,
            tasks: RefCell::new(vec![task]),
        };
        link.alive().await?;
        Ok(link)
    }

    async fn alive(&self) -> Result<(), Denied> {
        let asked = self.gateway.auth_methods_request().send();
        asked.promise.await.map(drop).map_err(broken)
    }

    fn session_client(&self) -> Result<session::Client, Denied> {
        let session = self.held.borrow().session.clone();
        session.ok_or_else(|| Denial::Unauthenticated.into())
    }

    /// Keeps a session that was opened, and listens for its end.
    async fn keep(&self, session: session::Client) -> Result<SessionInfo, Denied> {
        let info = ask_info(&session).await?;
        let caps = session.cap_set_request().send().pipeline.get_caps();
        let mut held = self.held.borrow_mut();
        held.caps = Some(caps);
        held.session = Some(session.clone());
        held.flow = None;
        held.listed.clear();
        held.fetched.clear();
        drop(held);
        let over = self.over.clone();
        let task = tokio::task::spawn_local(async move {
            // An error is the connection's, which is heard of elsewhere.
            let Ok(ended) = session.ended_request().send().promise.await else {
                return;
            };
            let why = ended.get().and_then(|ended| ended.get_why());
            let note = why.map(said).unwrap_or_default();
            tell(&over, Denial::StaleSession.because(note));
        });
        self.tasks.borrow_mut().push(task);
        Ok(info)
    }

    /// The capability `name`, which must be of `interface`.
    async fn fetch(&self, name: &str, interface: u64) -> Result<AnyClient, Denied> {
        let caps = {
            let held = self.held.borrow();
            if let Some((id, client)) = held.fetched.get(name)
                && *id == interface
            {
                return Ok(client.clone());
            }
            held.caps.clone().ok_or(Denial::Unauthenticated)?
        };
        let mut request = caps.get_request();
        request.get().set_name(name);
        request.get().set_expected_interface_id(interface);
        let response = request.send().promise.await.map_err(broken)?;
        let found = response.get().and_then(|results| results.get_result());
        let client = match found.map_err(broken)?.which() {
            Ok(cap_set::found::Cap(cap)) => cap.get_as_capability::<Erased>().map_err(broken)?.0,
            Ok(cap_set::found::Denied(denied)) => return Err(refused(denied)),
            Err(_) => return Err(unknown_answer()),
        };
        let mut held = self.held.borrow_mut();
        held.fetched
            .insert(name.to_owned(), (interface, client.clone()));
        Ok(client)
    }

    /// The first capability of this interface that the session has.
    async fn first<C: capnp::capability::FromClientHook>(
        &self,
        interface: u64,
    ) -> Result<C, Denied> {
        let named = |held: &Held| {
            let mut listed = held.listed.iter();
            let found = listed.find(|(_, id)| **id == interface);
            found.map(|(name, _)| name.clone())
        };
        let name = named(&self.held.borrow());
        let name = match name {
            Some(name) => name,
            None => {
                self.list().await?;
                let name = named(&self.held.borrow());
                name.ok_or(Denial::ServiceUnavailable)?
            }
        };
        let client = self.fetch(&name, interface).await?;
        Ok(C::new(client.hook))
    }

    async fn launch_answer(
        &self,
        sent: capnp::capability::Response<service_runner::start_results::Owned>,
    ) -> Result<LaunchStatus, Denied> {
        let result = sent.get().and_then(|results| results.get_result());
        launched(result.map_err(broken)?)
    }
}

/// A capability of any interface.
struct Erased(AnyClient);

impl capnp::capability::FromClientHook for Erased {
    fn new(hook: Box<dyn capnp::private::capability::ClientHook>) -> Self {
        Self(AnyClient::new(hook))
    }

    fn into_client_hook(self) -> Box<dyn capnp::private::capability::ClientHook> {
        self.0.hook
    }

    fn as_client_hook(&self) -> &dyn capnp::private::capability::ClientHook {
        &*self.0.hook
    }
}

// === impl Link ===

impl Link for CapnpLink {
    fn begin_auth(&self, start: AuthStart) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            let entry = match start.kind {
                AuthKind::Guest => {
                    let mut request = self.gateway.guest_request();
                    request.get().set_profile(&start.profile);
                    let response = request.send().promise.await.map_err(broken)?;
                    let result = response.get().and_then(|results| results.get_result());
                    entered(result.map_err(broken)?)?
                }
                AuthKind::Anonymous => {
                    let mut request = self.gateway.anonymous_request();
                    request.get().set_profile(&start.profile);
                    let response = request.send().promise.await.map_err(broken)?;
                    let result = response.get().and_then(|results| results.get_result());
                    entered(result.map_err(broken)?)?
                }
                AuthKind::Password | AuthKind::PublicKey => {
                    return self.begin_flow(start).await;
                }
            };
            Ok(AuthOutcome::Session(self.keep(entry).await?))
        })
    }

    fn continue_auth(&self, answer: Proof) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            // A signature is typed or pasted as base64.
            let bytes = STANDARD
                .decode(answer.reveal().trim())
                .map_err(|_| Denial::BadRequest.because("the answer is no base64"))?;
            self.next(&bytes).await
        })
    }

    fn cancel_auth(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move {
            let flow = self.held.borrow_mut().flow.take();
            if let Some(flow) = flow {
                let _ = flow.cancel_request().send().promise.await;
            }
        })
    }

    fn session(&self) -> Asked<'_, SessionInfo> {
        Box::pin(async move { ask_info(&self.session_client()?).await })
    }

    fn renew(&self, proof: Option<Proof>, duration: Duration) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            let session = self.session_client()?;
            let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            self.held.borrow_mut().flow = None;
            if proof.is_none()
                && let Some(flow) = begin_renewal(&session, milliseconds).await?
            {
                self.held.borrow_mut().flow = Some(flow);
                return self.next(&[]).await;
            }
            let mut request = session.renew_request();
            request.get().set_requested_duration_ms(milliseconds);
            if let Some(proof) = proof {
                request.get().set_proof(proof.reveal().as_bytes());
            }
            let response = request.send().promise.await.map_err(broken)?;
            let result = response.get().and_then(|results| results.get_result());
            Ok(AuthOutcome::Session(info(result.map_err(broken)?)?))
        })
    }

    fn list(&self) -> Asked<'_, Vec<Capability>> {
        Box::pin(async move {
            let caps = self.held.borrow().caps.clone();
            let caps = caps.ok_or(Denial::Unauthenticated)?;
            let response = caps.list_request().send().promise.await.map_err(broken)?;
            let result = response.get().and_then(|results| results.get_result());
            let entries = match result.map_err(broken)?.which() {
                Ok(cap_set::listed::Entries(entries)) => entries.map_err(broken)?,
                Ok(cap_set::listed::Denied(denied)) => return Err(refused(denied)),
                Err(_) => return Err(unknown_answer()),
            };
            let (mut listed, mut capabilities) = (HashMap::new(), Vec::new());
            for entry in entries.iter().take(crate::defaults::CAPABILITIES) {
                let name = text(entry.get_name());
                let interface = entry.get_interface_id();
                let contract = Contract::of(interface);
                capabilities.push(Capability {
                    name: name.clone(),
                    contract: interface.to_string(),
                    label: contract.map_or("Unknown", Contract::label).to_owned(),
                    operations: contract.map(Contract::operations).unwrap_or_default(),
                    lease: milliseconds(entry.get_lease_remaining_ms()),
                });
                listed.insert(name, interface);
            }
            self.held.borrow_mut().listed = listed;
            Ok(capabilities)
        })
    }

    fn invoke(&self, call: Invocation) -> Asked<'_, Output> {
        Box::pin(async move {
            let interface = call.contract.parse().map_err(|_| Denial::UnknownCap)?;
            let contract = Contract::of(interface).ok_or(Denial::MethodDenied)?;
            let client = self.fetch(&call.capability, interface).await?;
            let output = contract.run(client, &call).await;
            if output.is_err() {
                // It may be another one by now.
                self.held.borrow_mut().fetched.remove(&call.capability);
            }
            output
        })
    }

    fn catalogue(&self) -> Asked<'_, Vec<Service>> {
        Box::pin(async move {
            let catalog: service_catalog::Client = self.first(contracts::CATALOG).await?;
            let response = catalog
                .list_request()
                .send()
                .promise
                .await
                .map_err(broken)?;
            let result = response.get().and_then(|results| results.get_result());
            let entries = match result.map_err(broken)?.which() {
                Ok(service_catalog::listed::Entries(entries)) => entries.map_err(broken)?,
                Ok(service_catalog::listed::Denied(denied)) => return Err(refused(denied)),
                Err(_) => return Err(unknown_answer()),
            };
            let services = entries.iter().take(crate::defaults::CATALOGUE);
            Ok(services
                .map(|entry| Service {
                    id: text(entry.get_id()),
                    label: text(entry.get_label()),
                    summary: text(entry.get_summary()),
                    capability: Some(text(entry.get_cap_name())).filter(|name| !name.is_empty()),
                    status: text(entry.get_status()),
                })
                .collect())
        })
    }

    fn launchers(&self) -> Asked<'_, Vec<Launcher>> {
        Box::pin(async move {
            let runner: service_runner::Client = self.first(contracts::RUNNER).await?;
            let response = runner.list_request().send().promise.await.map_err(broken)?;
            let result = response.get().and_then(|results| results.get_result());
            let entries = match result.map_err(broken)?.which() {
                Ok(service_runner::listed::Entries(entries)) => entries.map_err(broken)?,
                Ok(service_runner::listed::Denied(denied)) => return Err(refused(denied)),
                Err(_) => return Err(unknown_answer()),
            };
            let mut launchers = Vec::new();
            for entry in entries.iter().take(crate::defaults::CATALOGUE) {
                let grants = entry.get_grants().map_err(broken)?;
                launchers.push(Launcher {
                    profile: text(entry.get_id()),
                    label: text(entry.get_label()),
                    summary: text(entry.get_summary()),
                    supported: entry.get_launch_supported(),
                    status: text(entry.get_status()),
                    grants: grants
                        .iter()
                        .take(crate::defaults::FIELDS)
                        .map(|grant| LaunchGrant {
                            name: text(grant.get_name()),
                            label: text(grant.get_label()),
                            required: grant.get_required(),
                        })
                        .collect(),
                });
            }
            Ok(launchers)
        })
    }

    fn probe(&self, profile: String) -> Asked<'_, LaunchStatus> {
        Box::pin(async move {
            let runner: service_runner::Client = self.first(contracts::RUNNER).await?;
            let mut request = runner.probe_request();
            request.get().set_profile_id(&profile);
            let response = request.send().promise.await.map_err(broken)?;
            let result = response.get().and_then(|results| results.get_result());
            launched(result.map_err(broken)?)
        })
    }

    fn launch(&self, profile: String, grants: Vec<String>) -> Asked<'_, LaunchStatus> {
        Box::pin(async move {
            let runner: service_runner::Client = self.first(contracts::RUNNER).await?;
            let mut request = runner.start_request();
            request.get().set_profile_id(&profile);
            let count = u32::try_from(grants.len()).map_err(|_| Denial::BadRequest)?;
            let mut names = request.get().init_grant_names(count);
            for (at, grant) in (0u32..).zip(&grants) {
                names.set(at, grant);
            }
            let response = request.send().promise.await.map_err(broken)?;
            self.launch_answer(response).await
        })
    }

    fn logout(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move {
            let session = {
                let mut held = self.held.borrow_mut();
                held.caps = None;
                held.flow = None;
                held.fetched.clear();
                held.session.take()
            };
            if let Some(session) = session {
                let _ = session.logout_request().send().promise.await;
            }
        })
    }

    fn health(&self) -> Asked<'_, ()> {
        Box::pin(self.alive())
    }

    fn ended(&self) -> LocalBoxFuture<'_, Denied> {
        let mut ended = self.ended.clone();
        Box::pin(async move {
            let told = ended.wait_for(Option::is_some).await;
            let told = told.ok().and_then(|denied| denied.clone());
            told.unwrap_or_else(|| Denial::UpstreamDisconnected.into())
        })
    }
}

impl CapnpLink {
    async fn begin_flow(&self, start: AuthStart) -> Result<AuthOutcome, Denied> {
        let mut request = self.gateway.start_request();
        let mut asked = request.get().init_request();
        asked.set_kind(match start.kind {
            AuthKind::PublicKey => wire::AuthKind::PublicKey,
            _ => wire::AuthKind::Password,
        });
        asked.set_account(&start.account);
        asked.set_profile(&start.profile);
        let response = request.send().promise.await.map_err(broken)?;
        let result = response.get().and_then(|results| results.get_result());
        self.held.borrow_mut().flow = Some(begun(result.map_err(broken)?)?);
        let proof = start.proof;
        let bytes = proof.as_ref().map_or("", Proof::reveal).as_bytes();
        self.next(bytes).await
    }

    /// Goes on with the flow. It ends as what it began as: no session takes the place
    /// of the one that wanted more time.
    async fn next(&self, answer: &[u8]) -> Result<AuthOutcome, Denied> {
        let (flow, inside) = {
            let mut held = self.held.borrow_mut();
            (held.flow.take(), held.session.is_some())
        };
        let flow = flow.ok_or(Denial::BadRequest)?;
        let mut request = flow.next_request();
        request.get().set_response(answer);
        let response = request.send().promise.await.map_err(broken)?;
        let result = response.get().and_then(|results| results.get_result());
        match result.map_err(broken)?.which() {
            Ok(auth_flow::next::Step(step)) => {
                let step = step.map_err(broken)?;
                let challenge = step.get_challenge().map_err(broken)?;
                self.held.borrow_mut().flow = Some(flow);
                Ok(AuthOutcome::Step(Step {
                    prompt: text(step.get_prompt()),
                    secret: step.get_redact(),
                    challenge: (!challenge.is_empty()).then(|| STANDARD.encode(challenge)),
                }))
            }
            Ok(auth_flow::next::Session(session)) if !inside => {
                let session = session.map_err(broken)?;
                Ok(AuthOutcome::Session(self.keep(session).await?))
            }
            Ok(auth_flow::next::Renewed(info)) if inside => {
                Ok(AuthOutcome::Session(described(info.map_err(broken)?)?))
            }
            Ok(auth_flow::next::Denied(denied)) => Err(refused(denied)),
            Ok(_) | Err(_) => Err(unknown_answer()),
        }
    }
}

// === impl Drop ===

impl Drop for CapnpLink {
    fn drop(&mut self) {
        for task in self.tasks.borrow().iter() {
            task.abort();
        }
    }
}

/// The first reason stays.
fn tell(over: &watch::Sender<Option<Denied>>, denied: Denied) {
    over.send_if_modified(|told| {
        let first = told.is_none();
        told.get_or_insert(denied);
        first
    });
}

async fn ask_info(session: &session::Client) -> Result<SessionInfo, Denied> {
    let response = session
        .info_request()
        .send()
        .promise
        .await
        .map_err(broken)?;
    let result = response.get().and_then(|results| results.get_result());
    info(result.map_err(broken)?)
}

/// A flow for more time; none if the gateway is of a time before there were any.
async fn begin_renewal(
    session: &session::Client,
    milliseconds: u64,
) -> Result<Option<auth_flow::Client>, Denied> {
    let mut request = session.start_renewal_request();
    request.get().set_requested_duration_ms(milliseconds);
    let response = match request.send().promise.await {
        Err(error) if error.kind == capnp::ErrorKind::Unimplemented => return Ok(None),
        response => response.map_err(broken)?,
    };
    let result = response.get().and_then(|results| results.get_result());
    begun(result.map_err(broken)?).map(Some)
}

fn begun(result: session_gateway::flow::Reader<'_>) -> Result<auth_flow::Client, Denied> {
    match result.which() {
        Ok(session_gateway::flow::Flow(flow)) => flow.map_err(broken),
        Ok(session_gateway::flow::Denied(denied)) => Err(refused(denied)),
        Err(_) => Err(unknown_answer()),
    }
}

fn info(result: session::info::Reader<'_>) -> Result<SessionInfo, Denied> {
    match result.which() {
        Ok(session::info::Info(info)) => described(info.map_err(broken)?),
        Ok(session::info::Denied(denied)) => Err(refused(denied)),
        Err(_) => Err(unknown_answer()),
    }
}

fn described(info: session_info::Reader<'_>) -> Result<SessionInfo, Denied> {
    let principal = info.get_principal().map_err(broken)?;
    Ok(SessionInfo {
        profile: text(info.get_profile()),
        principal: text(principal.get_display_name()),
        strength: match info.get_auth_strength() {
            Ok(wire::AuthStrength::LocalPresence) => AuthStrength::LocalPresence,
            Ok(wire::AuthStrength::Password) => AuthStrength::Password,
            Ok(wire::AuthStrength::HardwareKey) => AuthStrength::HardwareKey,
            Ok(wire::AuthStrength::PublicKey) => AuthStrength::PublicKey,
            Ok(wire::AuthStrength::None) | Err(_) => AuthStrength::None,
        },
        remaining: Some(Duration::from_millis(info.get_remaining_ms())),
    })
}

fn entered(result: session_gateway::entry::Reader<'_>) -> Result<session::Client, Denied> {
    match result.which() {
        Ok(session_gateway::entry::Session(session)) => session.map_err(broken),
        Ok(session_gateway::entry::Denied(denied)) => Err(refused(denied)),
        Err(_) => Err(unknown_answer()),
    }
}

fn launched(result: service_runner::launch::Reader<'_>) -> Result<LaunchStatus, Denied> {
    let status = match result.which() {
        Ok(service_runner::launch::Status(status)) => status.map_err(broken)?,
        Ok(service_runner::launch::Denied(denied)) => return Err(refused(denied)),
        Err(_) => return Err(unknown_answer()),
    };
    let grants = status.get_accepted_grant_names().map_err(broken)?;
    Ok(LaunchStatus {
        profile: text(status.get_profile_id()),
        status: text(status.get_status()),
        supported: status.get_launch_supported(),
        message: text(status.get_message()),
        grants: grants
            .iter()
            .take(crate::defaults::FIELDS)
            .map(text)
            .collect(),
    })
}

fn milliseconds(remaining: u64) -> Option<Duration> {
    (remaining > 0).then(|| Duration::from_millis(remaining))
}

/// Text of a gateway: what is no UTF-8 is told as such, not passed on.
pub(super) fn text(text: capnp::Result<capnp::text::Reader<'_>>) -> String {
    text.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned())
        .unwrap_or_default()
}

fn said(denied: denied::Reader<'_>) -> String {
    text(denied.get_message())
}

/// A denial of the other side, in our terms.
pub(super) fn refused(denied: capnp::Result<denied::Reader<'_>>) -> Denied {
    let denied = match denied {
        Ok(denied) => denied,
        Err(error) => return broken(error),
    };
    let denial = match denied.get_kind() {
        Ok(denied::Kind::BadRequest) => Denial::BadRequest,
        Ok(denied::Kind::DisabledAuthMethod) => Denial::DisabledAuthMethod,
        Ok(denied::Kind::AuthenticationDenied) => Denial::AuthenticationDenied,
        Ok(denied::Kind::Unauthenticated) => Denial::Unauthenticated,
        Ok(denied::Kind::UnknownCap) => Denial::UnknownCap,
        Ok(denied::Kind::InterfaceMismatch) => Denial::InterfaceMismatch,
        Ok(denied::Kind::StaleSession) => Denial::StaleSession,
        Ok(denied::Kind::MethodDenied) => Denial::MethodDenied,
        Ok(denied::Kind::ServiceUnavailable) | Err(_) => Denial::ServiceUnavailable,
    };
    denial.because(said(denied))
}

/// An exception: the end of the connection, unless it says that a method does not
/// exist.
#[allow(clippy::needless_pass_by_value, reason = "what map_err hands over")]
pub(super) fn broken(error: capnp::Error) -> Denied {
    let denial = match error.kind {
        capnp::ErrorKind::Unimplemented => Denial::MethodDenied,
        capnp::ErrorKind::Overloaded => Denial::ServiceUnavailable,
        _ => Denial::UpstreamDisconnected,
    };
    denial.because(error.to_string())
}

/// Of a later version of the schema.
pub(super) fn unknown_answer() -> Denied {
    Denial::ServiceUnavailable.because("an answer of a kind that is not known here")
}
