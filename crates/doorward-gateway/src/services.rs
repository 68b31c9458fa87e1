//! Services: programs with fixed arguments that operators start, read and stop.
//!
//! What runs is what the file lists: an absolute path, its arguments, and for each
//! grant one variable with its value. The environment is otherwise empty, standard
//! input is closed, and there is no shell. A service belongs to the gateway, not to
//! the session that started it: it goes on after a sign-out, any operator reads and
//! stops it, and it ends with the gateway. Stopping ends its whole process group.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;

use capnp::Error;
use doorward_operator::rpc::gateway_capnp::denied::Kind;
use doorward_operator::rpc::gateway_capnp::service_runner;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::capabilities::{Loan, alive};
use crate::defaults;
use crate::session::{deny, read};

/// What operators may run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// For people.
    pub label: String,
    /// For people, in a sentence.
    #[serde(default)]
    pub summary: String,
    /// An absolute path, and arguments.
    pub command: Vec<String>,
    /// What it can be given, by name.
    #[serde(default)]
    pub grant: BTreeMap<String, Grant>,
}

/// What a service can be given: a variable with a value that the file has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// For people.
    pub label: String,
    /// The variable.
    pub variable: String,
    /// Its value.
    pub value: String,
    /// Whether the service does not run without.
    #[serde(default)]
    pub required: bool,
}

/// The capability to run services.
pub(crate) struct Runner(pub(crate) Loan);

/// What runs, and what ran last, by name.
#[derive(Default)]
pub(crate) struct Services(RefCell<BTreeMap<String, Process>>);

struct Process {
    tail: Rc<RefCell<Tail>>,
    /// How it ended, once it has.
    ended: Rc<Cell<Option<Ended>>>,
    _stop: DropGuard,
}

#[derive(Clone, Copy)]
struct Ended {
    code: Option<i32>,
}

/// The last of what a service said.
#[derive(Default)]
struct Tail {
    bytes: VecDeque<u8>,
    cut: bool,
}

/// The processes of a service: all of them end with it.
struct Group(#[cfg(unix)] Option<rustix::process::Pid>);

/// What a profile is now, in the protocol's words.
struct Seen {
    status: String,
    startable: bool,
    message: &'static str,
}

impl Service {
    pub(crate) fn check(&self, name: &str) -> Result<(), &'static str> {
        let is_name =
            |name: &str| (1..=64).contains(&name.len()) && !name.contains(char::is_control);
        let is_variable = |name: &str| {
            (1..=64).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_name(name) || !self.grant.keys().all(|name| is_name(name)) {
            return Err("names are one line of at most 64 bytes");
        }
        let program = self.command.first().map(Path::new);
        if !program.is_some_and(Path::is_absolute) {
            return Err("its command is an absolute path, and arguments");
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            return Err("a word of its command has a NUL in it");
        }
        if self.grant.len() > defaults::GRANTS {
            return Err("it has too many grants");
        }
        let sound = |grant: &Grant| is_variable(&grant.variable) && !grant.value.contains('\0');
        if !self.grant.values().all(sound) {
            return Err("a grant is a variable of letters, digits and _, and a value");
        }
        Ok(())
    }

    /// The grants of these names, if they are its own and enough.
    fn granted(&self, names: &[String]) -> Option<Vec<&Grant>> {
        let own = |name: &String| self.grant.get(name);
        let granted: Option<Vec<_>> = names.iter().map(own).collect();
        let mut wanted = self.grant.iter().filter(|(_, grant)| grant.required);
        let enough = wanted.all(|(name, _)| names.contains(name));
        granted.filter(|_| enough)
    }

    fn command(&self, grants: &[&Grant]) -> Command {
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command
            .args(words)
            .env_clear()
            .envs(grants.iter().map(|grant| (&grant.variable, &grant.value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command
    }

    fn is_there(&self) -> bool {
        let program = self.command.first().map(Path::new);
        program.is_some_and(Path::is_file)
    }
}

impl Services {
    fn seen(&self, name: &str, service: &Service) -> Seen {
        let ended = self.0.borrow().get(name).map(|process| process.ended.get());
        let (status, startable, message) = match ended {
            Some(None) => ("running".to_owned(), false, "It runs."),
            _ if !service.is_there() => ("missing".to_owned(), false, "Its program is not here."),
            Some(Some(Ended { code: Some(code) })) => {
                (format!("ended ({code})"), true, "It can be started again.")
            }
            Some(Some(Ended { code: None })) => {
                ("ended".to_owned(), true, "It can be started again.")
            }
            None => ("stopped".to_owned(), true, "It can be started."),
        };
        Seen {
            status,
            startable,
            message,
        }
    }

    fn start(&self, name: &str, service: &Service, grants: &[&Grant]) -> std::io::Result<()> {
        let child = service.command(grants).spawn()?;
        let (tail, ended) = (Rc::default(), Rc::default());
        let stop = CancellationToken::new();
        let following = follow(child, Rc::clone(&tail), Rc::clone(&ended), stop.clone());
        tokio::task::spawn_local(following);
        let process = Process {
            tail,
            ended,
            _stop: stop.drop_guard(),
        };
        self.0.borrow_mut().insert(name.to_owned(), process);
        Ok(())
    }

    /// Whether it ran.
    fn stop(&self, name: &str) -> bool {
        let process = self.0.borrow_mut().remove(name);
        process.is_some_and(|process| process.ended.get().is_none())
    }
}

/// Keeps what `child` says until it ends, or is to.
async fn follow(
    mut child: Child,
    tail: Rc<RefCell<Tail>>,
    ended: Rc<Cell<Option<Ended>>>,
    stop: CancellationToken,
) {
    let mut group = Group::of(&child);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = (keep(out, &tail), keep(err, &tail));
    let living = async {
        let (status, (), ()) = tokio::join!(child.wait(), out, err);
        status
    };
    // A drop on the way out ends the whole group.
    let Some(status) = stop.run_until_cancelled(living).await else {
        return;
    };
    group.is_gone();
    let code = status.ok().and_then(|status| status.code());
    ended.set(Some(Ended { code }));
}

async fn keep(from: Option<impl AsyncRead + Unpin>, tail: &RefCell<Tail>) {
    let Some(mut from) = from else { return };
    let mut bytes = [0; 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if count == 0 {
            return;
        }
        tail.borrow_mut()
            .push(bytes.get(..count).unwrap_or_default());
    }
}

// === impl service_runner::Server ===

/// The service of a name, or a denial.
macro_rules! service {
    ($runner:ident, $name:expr, $result:ident) => {
        match $runner.0.life.world.settings.accounts.service.get($name) {
            Some(service) => service,
            None => {
                deny($result.init_denied(), (Kind::UnknownCap, "no such service"));
                return Ok(());
            }
        }
    };
}

impl service_runner::Server for Runner {
    async fn list(
        self: Rc<Self>,
        _: service_runner::ListParams,
        mut results: service_runner::ListResults,
    ) -> Result<(), Error> {
        let result = results.get().init_result();
        alive!(self.0, result);
        let world = &self.0.life.world;
        let services = &world.settings.accounts.service;
        let count = u32::try_from(services.len()).unwrap_or(0);
        let mut entries = result.init_entries(count);
        for (at, (name, service)) in (0..count).zip(services) {
            let seen = world.services.seen(name, service);
            let mut entry = entries.reborrow().get(at);
            entry.set_id(name);
            entry.set_label(&service.label);
            entry.set_summary(&service.summary);
            entry.set_launch_supported(seen.startable);
            entry.set_status(&seen.status);
            let count = u32::try_from(service.grant.len()).unwrap_or(0);
            let mut grants = entry.init_grants(count);
            for (at, (name, grant)) in (0..count).zip(&service.grant) {
                let mut entry = grants.reborrow().get(at);
                entry.set_name(name);
                entry.set_label(&grant.label);
                entry.set_required(grant.required);
            }
        }
        Ok(())
    }

    async fn probe(
        self: Rc<Self>,
        params: service_runner::ProbeParams,
        mut results: service_runner::ProbeResults,
    ) -> Result<(), Error> {
        let name = read(params.get()?.get_profile_id())?;
        let result = results.get().init_result();
        alive!(self.0, result);
        let service = service!(self, &name, result);
        let seen = self.0.life.world.services.seen(&name, service);
        seen.tell(result.init_status(), &name, &[]);
        Ok(())
    }

    async fn start(
        self: Rc<Self>,
        params: service_runner::StartParams,
        mut results: service_runner::StartResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let name = read(params.get_profile_id())?;
        let grants = params.get_grant_names()?.iter().map(read);
        let grants = grants.collect::<Result<Vec<_>, _>>()?;
        let result = results.get().init_result();
        alive!(self.0, result);
        let service = service!(self, &name, result);
        let Some(granted) = service.granted(&grants) else {
            let why = (Kind::BadRequest, "another grant, or one too few");
            deny(result.init_denied(), why);
            return Ok(());
        };
        let world = &self.0.life.world;
        let seen = world.services.seen(&name, service);
        if !seen.startable {
            seen.tell(result.init_status(), &name, &[]);
            return Ok(());
        }
        if world.services.start(&name, service, &granted).is_err() {
            let why = (Kind::ServiceUnavailable, "it does not start");
            deny(result.init_denied(), why);
            return Ok(());
        }
        world.note(
            "service",
            &format!("{} started {name}", self.0.life.account),
        );
        let seen = world.services.seen(&name, service);
        seen.tell(result.init_status(), &name, &grants);
        Ok(())
    }

    async fn attach(
        self: Rc<Self>,
        params: service_runner::AttachParams,
        mut results: service_runner::AttachResults,
    ) -> Result<(), Error> {
        let name = read(params.get()?.get_profile_id())?;
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        service!(self, &name, reply);
        let services = self.0.life.world.services.0.borrow();
        match services.get(&name) {
            Some(process) => {
                let tail = process.tail.borrow();
                reply.set_truncated(tail.cut);
                reply.set_text(tail.text().as_str());
            }
            None => deny(
                reply.init_denied(),
                (Kind::ServiceUnavailable, "it does not run"),
            ),
        }
        Ok(())
    }

    async fn stop(
        self: Rc<Self>,
        params: service_runner::StopParams,
        mut results: service_runner::StopResults,
    ) -> Result<(), Error> {
        let name = read(params.get()?.get_profile_id())?;
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        service!(self, &name, reply);
        let world = &self.0.life.world;
        if world.services.stop(&name) {
            world.note(
                "service",
                &format!("{} stopped {name}", self.0.life.account),
            );
            reply.set_done(());
        } else {
            deny(
                reply.init_denied(),
                (Kind::ServiceUnavailable, "it does not run"),
            );
        }
        Ok(())
    }
}

// === impl Seen ===

impl Seen {
    fn tell(&self, mut told: service_runner::status::Builder<'_>, name: &str, grants: &[String]) {
        told.set_profile_id(name);
        told.set_status(&self.status);
        told.set_launch_supported(self.startable);
        told.set_message(self.message);
        let count = u32::try_from(grants.len()).unwrap_or(0);
        let mut names = told.init_accepted_grant_names(count);
        for (at, grant) in (0..count).zip(grants) {
            names.set(at, grant);
        }
    }
}

// === impl Tail ===

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(defaults::TAIL);
        self.bytes.drain(..surplus);
        self.cut |= surplus > 0;
    }

    fn text(&self) -> String {
        let (one, two) = self.bytes.as_slices();
        String::from_utf8_lossy(&[one, two].concat()).into_owned()
    }
}

// === impl Group ===

#[cfg(unix)]
impl Group {
    /// `child` was started as the first of its group.
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(rustix::process::Pid::from_raw))
    }

    /// The first is gone, and its number may soon be another's.
    fn is_gone(&mut self) {
        self.0 = None;
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(first) = self.0 {
            let _ = rustix::process::kill_process_group(first, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(not(unix))]
impl Group {
    fn of(_: &Child) -> Self {
        Self()
    }

    fn is_gone(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_what_is_said_is_kept() {
        let mut tail = Tail::default();
        tail.push(b"first");
        assert!(!tail.cut);
        tail.push(&vec![b'x'; defaults::TAIL]);
        assert!(tail.cut && tail.bytes.len() == defaults::TAIL);
        assert!(!tail.text().contains("first"));
    }

    #[test]
    fn grants_are_the_services_own_and_enough() {
        let grant = |required| Grant {
            label: String::new(),
            variable: "A".to_owned(),
            value: "1".to_owned(),
            required,
        };
        let service = Service {
            label: "A".to_owned(),
            summary: String::new(),
            command: vec!["/bin/true".to_owned()],
            grant: [
                ("a".to_owned(), grant(true)),
                ("b".to_owned(), grant(false)),
            ]
            .into(),
        };
        let granted = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            service.granted(&names).map(|granted| granted.len())
        };
        assert_eq!(granted(&["a"]), Some(1));
        assert_eq!(granted(&["a", "b"]), Some(2));
        assert_eq!(
            (granted(&[]), granted(&["b"]), granted(&["a", "c"])),
            (None, None, None)
        );
    }
}
