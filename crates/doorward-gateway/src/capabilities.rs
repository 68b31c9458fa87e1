//! What sessions may use: by profile, and for as long as the session lives and the
//! lease runs.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use capnp::Error;
use capnp::capability::Client as AnyClient;
use capnp::traits::HasTypeId as _;
use capnp_rpc::new_client;
use doorward_guard::Moment;
use doorward_operator::rpc::gateway_capnp::denied::Kind;
use doorward_operator::rpc::gateway_capnp::{
    audit_reader, chat, log_reader, notes, reply, service_catalog, service_runner, system_info,
};

use crate::accounts::Profile;
use crate::defaults;
use crate::services::Runner;
use crate::session::{Life, deny, read};

/// One capability of a session.
pub(crate) struct Held {
    pub(crate) name: &'static str,
    pub(crate) interface: u64,
    pub(crate) until: Option<Moment>,
    pub(crate) client: AnyClient,
}

pub(crate) type Bundle = Vec<Held>;

/// Names of all capabilities.
pub(crate) const NAMES: [&str; 7] = [
    "system", "services", "chat", "notes", "log", "audit", "runner",
];

/// A session, as long as it is lent one of its capabilities.
pub(crate) struct Loan {
    pub(crate) life: Rc<Life>,
    until: Option<Moment>,
}

struct System(Loan);
struct Chat(Loan);
struct Notes(Loan);
struct Log(Loan);
struct Audit(Loan);
struct Catalog(Loan);

/// What policy lets a profile have.
pub(crate) fn bundle(life: &Rc<Life>) -> Bundle {
    let held = |name, interface, make: &dyn Fn(Loan) -> AnyClient| {
        let until = life.lent_until(name);
        let life = Rc::clone(life);
        Held {
            name,
            interface,
            until,
            client: make(Loan { life, until }),
        }
    };
    let mut bundle = vec![
        held("system", system_info::Client::TYPE_ID, &|loan| {
            erased::<system_info::Client>(new_client(System(loan)))
        }),
        held("services", service_catalog::Client::TYPE_ID, &|loan| {
            erased::<service_catalog::Client>(new_client(Catalog(loan)))
        }),
    ];
    if life.profile != Profile::Anonymous {
        bundle.push(held("chat", chat::Client::TYPE_ID, &|loan| {
            erased::<chat::Client>(new_client(Chat(loan)))
        }));
    }
    if life.profile == Profile::Operator {
        bundle.extend([
            held("notes", notes::Client::TYPE_ID, &|loan| {
                erased::<notes::Client>(new_client(Notes(loan)))
            }),
            held("log", log_reader::Client::TYPE_ID, &|loan| {
                erased::<log_reader::Client>(new_client(Log(loan)))
            }),
            held("audit", audit_reader::Client::TYPE_ID, &|loan| {
                erased::<audit_reader::Client>(new_client(Audit(loan)))
            }),
            held("runner", service_runner::Client::TYPE_ID, &|loan| {
                erased::<service_runner::Client>(new_client(Runner(loan)))
            }),
        ]);
    }
    bundle
}

fn erased<C: capnp::capability::FromClientHook>(client: C) -> AnyClient {
    AnyClient::new(client.into_client_hook())
}

impl Held {
    pub(crate) fn is_lent(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Loan {
    /// Refuses once the session or the lease is over.
    pub(crate) fn check(&self) -> Result<(), (Kind, &'static str)> {
        #[cfg(feature = "faults")]
        self.life.world.settings.faults.call()?;
        self.life.check()?;
        match self.until {
            Some(until) if until <= self.life.world.clock.now() => {
                Err((Kind::UnknownCap, "it is lent no more"))
            }
            _ => Ok(()),
        }
    }
}

/// The rooms of the chat, and what waits for each member. Members are sessions.
#[derive(Default)]
pub(crate) struct Rooms(BTreeMap<String, Vec<Member>>);

struct Member {
    life: *const Life,
    nickname: String,
    waiting: VecDeque<[String; 4]>,
}

impl Rooms {
    pub(crate) fn leave_all(&mut self, life: &Life) {
        let channels: Vec<_> = self.0.keys().cloned().collect();
        for channel in channels {
            self.leave(&channel, life);
        }
    }

    fn leave(&mut self, channel: &str, life: &Life) -> bool {
        let Some(members) = self.0.get_mut(channel) else {
            return false;
        };
        let at = members
            .iter()
            .position(|member| std::ptr::eq(member.life, life));
        let Some(at) = at else { return false };
        let gone = members.remove(at);
        if members.is_empty() {
            self.0.remove(channel);
        }
        self.tell(channel, &gone.nickname, "left", "");
        true
    }

    fn tell(&mut self, channel: &str, sender: &str, kind: &str, text: &str) {
        for member in self.0.get_mut(channel).into_iter().flatten() {
            if member.waiting.len() >= defaults::EVENTS {
                member.waiting.pop_front();
            }
            let event = [channel, sender, kind, text].map(str::to_owned);
            member.waiting.push_back(event);
        }
    }

    fn nickname(&self, channel: &str, life: &Life) -> Option<String> {
        let mut members = self.0.get(channel)?.iter();
        let member = members.find(|member| std::ptr::eq(member.life, life))?;
        Some(member.nickname.clone())
    }
}

/// Fills a table in.
fn table<const N: usize>(reply: reply::Builder<'_>, columns: [&str; N], rows: &[[String; N]]) {
    let mut table = reply.init_table();
    let width = u32::try_from(N).unwrap_or(0);
    let mut heads = table.reborrow().init_columns(width);
    for (at, column) in (0..width).zip(columns) {
        heads.set(at, column);
    }
    let count = u32::try_from(rows.len()).unwrap_or(0);
    let mut list = table.init_rows(count);
    for (at, row) in (0..count).zip(rows) {
        let mut cells = list.reborrow().get(at).init_cells(width);
        for (at, cell) in (0..width).zip(row) {
            cells.set(at, cell);
        }
    }
}

/// Answers with a denial, and is done, unless the session lives and the lease runs.
macro_rules! alive {
    ($loan:expr, $reply:ident) => {
        if let Err(why) = $loan.check() {
            $crate::session::deny($reply.init_denied(), why);
            return Ok(());
        }
    };
}
pub(crate) use alive;

// === impl system_info::Server ===

impl system_info::Server for System {
    async fn motd(
        self: Rc<Self>,
        _: system_info::MotdParams,
        mut results: system_info::MotdResults,
    ) -> Result<(), Error> {
        #[cfg(feature = "faults")]
        self.0.life.world.settings.faults.hang().await;
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        reply.set_text(&self.0.life.world.settings.motd);
        Ok(())
    }

    async fn hostname(
        self: Rc<Self>,
        _: system_info::HostnameParams,
        mut results: system_info::HostnameResults,
    ) -> Result<(), Error> {
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        reply.set_text(&self.0.life.world.settings.name);
        Ok(())
    }

    async fn status(
        self: Rc<Self>,
        _: system_info::StatusParams,
        mut results: system_info::StatusResults,
    ) -> Result<(), Error> {
        let reply = results.get().init_reply();
        alive!(self.0, reply);
        let file = |path| std::fs::read_to_string(path).unwrap_or_default();
        let (uptime, load) = (file("/proc/uptime"), file("/proc/loadavg"));
        let first = |text: &str, words| {
            let words: Vec<_> = text.split_whitespace().take(words).collect();
            words.join(" ")
        };
        let sessions = self.0.life.world.lives.borrow().len().to_string();
        let pairs = [
            ("uptime in seconds", first(&uptime, 1)),
            ("load", first(&load, 3)),
            ("sessions", sessions),
        ];
        let mut fields = reply.init_fields(3);
        for (at, (name, value)) in (0..).zip(&pairs) {
            let mut pair = fields.reborrow().get(at);
            pair.set_name(name);
            pair.set_value(value);
        }
        Ok(())
    }
}

// === impl chat::Server ===

impl chat::Server for Chat {
    async fn join(
        self: Rc<Self>,
        params: chat::JoinParams,
        mut results: chat::JoinResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let (channel, nickname) = (read(params.get_channel())?, read(params.get_nickname())?);
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        let mut rooms = self.0.life.world.rooms.borrow_mut();
        let full = rooms.0.len() >= defaults::CHANNELS && !rooms.0.contains_key(&channel);
        if full || channel.is_empty() || rooms.nickname(&channel, &self.0.life).is_some() {
            deny(
                reply.init_denied(),
                (Kind::BadRequest, "full, nameless or joined already"),
            );
            return Ok(());
        }
        rooms.tell(&channel, &nickname, "joined", "");
        let member = Member {
            life: Rc::as_ptr(&self.0.life),
            nickname,
            waiting: VecDeque::new(),
        };
        rooms.0.entry(channel).or_default().push(member);
        reply.set_done(());
        Ok(())
    }

    async fn leave(
        self: Rc<Self>,
        params: chat::LeaveParams,
        mut results: chat::LeaveResults,
    ) -> Result<(), Error> {
        let channel = read(params.get()?.get_channel())?;
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        if self
            .0
            .life
            .world
            .rooms
            .borrow_mut()
            .leave(&channel, &self.0.life)
        {
            reply.set_done(());
        } else {
            deny(reply.init_denied(), (Kind::MethodDenied, "not joined"));
        }
        Ok(())
    }

    async fn send(
        self: Rc<Self>,
        params: chat::SendParams,
        mut results: chat::SendResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let (channel, text) = (read(params.get_channel())?, read(params.get_text())?);
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        let mut rooms = self.0.life.world.rooms.borrow_mut();
        match rooms.nickname(&channel, &self.0.life) {
            Some(nickname) => {
                rooms.tell(&channel, &nickname, "message", &text);
                reply.set_done(());
            }
            None => deny(reply.init_denied(), (Kind::MethodDenied, "not joined")),
        }
        Ok(())
    }

    async fn who(
        self: Rc<Self>,
        params: chat::WhoParams,
        mut results: chat::WhoResults,
    ) -> Result<(), Error> {
        let channel = read(params.get()?.get_channel())?;
        let reply = results.get().init_reply();
        alive!(self.0, reply);
        let rooms = self.0.life.world.rooms.borrow();
        if rooms.nickname(&channel, &self.0.life).is_none() {
            deny(reply.init_denied(), (Kind::MethodDenied, "not joined"));
            return Ok(());
        }
        let members = rooms.0.get(&channel).into_iter().flatten();
        let rows: Vec<_> = members.map(|member| [member.nickname.clone()]).collect();
        table(reply, ["member"], &rows);
        Ok(())
    }

    async fn poll(
        self: Rc<Self>,
        params: chat::PollParams,
        mut results: chat::PollResults,
    ) -> Result<(), Error> {
        let most = usize::from(params.get()?.get_most());
        let reply = results.get().init_reply();
        alive!(self.0, reply);
        let mut rows = Vec::new();
        for member in self
            .0
            .life
            .world
            .rooms
            .borrow_mut()
            .0
            .values_mut()
            .flatten()
        {
            if std::ptr::eq(member.life, Rc::as_ptr(&self.0.life)) {
                let left = most.saturating_sub(rows.len()).min(member.waiting.len());
                rows.extend(member.waiting.drain(..left));
            }
        }
        table(reply, ["channel", "sender", "kind", "text"], &rows);
        Ok(())
    }
}

// === impl notes::Server ===

impl notes::Server for Notes {
    async fn list(
        self: Rc<Self>,
        _: notes::ListParams,
        mut results: notes::ListResults,
    ) -> Result<(), Error> {
        let reply = results.get().init_reply();
        alive!(self.0, reply);
        let notes = self.0.life.world.notes.borrow();
        let own = notes.get(&self.0.life.account).into_iter().flatten();
        let rows: Vec<_> = own
            .map(|(name, text)| [name.clone(), text.len().to_string()])
            .collect();
        table(reply, ["name", "bytes"], &rows);
        Ok(())
    }

    async fn get(
        self: Rc<Self>,
        params: notes::GetParams,
        mut results: notes::GetResults,
    ) -> Result<(), Error> {
        let name = read(params.get()?.get_name())?;
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        let notes = self.0.life.world.notes.borrow();
        match notes
            .get(&self.0.life.account)
            .and_then(|own| own.get(&name))
        {
            Some(text) => reply.set_text(text),
            None => deny(reply.init_denied(), (Kind::BadRequest, "no such note")),
        }
        Ok(())
    }

    async fn put(
        self: Rc<Self>,
        params: notes::PutParams,
        mut results: notes::PutResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let (name, text) = (read(params.get_name())?, read(params.get_text())?);
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        let mut notes = self.0.life.world.notes.borrow_mut();
        let own = notes.entry(self.0.life.account.clone()).or_default();
        let full = own.len() >= defaults::NOTES && !own.contains_key(&name);
        if full || name.is_empty() || text.len() > defaults::NOTE {
            deny(
                reply.init_denied(),
                (Kind::BadRequest, "too many, too long or nameless"),
            );
            return Ok(());
        }
        own.insert(name, text);
        reply.set_done(());
        Ok(())
    }

    async fn delete(
        self: Rc<Self>,
        params: notes::DeleteParams,
        mut results: notes::DeleteResults,
    ) -> Result<(), Error> {
        let name = read(params.get()?.get_name())?;
        let mut reply = results.get().init_reply();
        alive!(self.0, reply);
        let mut notes = self.0.life.world.notes.borrow_mut();
        let own = notes.get_mut(&self.0.life.account);
        match own.and_then(|own| own.remove(&name)) {
            Some(_) => reply.set_done(()),
            None => deny(reply.init_denied(), (Kind::BadRequest, "no such note")),
        }
        Ok(())
    }
}

// === impl log_reader::Server and audit_reader::Server ===

fn lines(life: &Life, after: u64, most: u16, all: bool) -> Vec<[String; 4]> {
    let log = life.world.log.borrow();
    let wanted = log
        .iter()
        .filter(|(number, _, kind, _)| *number > after && (all || *kind != "connection"))
        .take(usize::from(most));
    wanted
        .map(|(number, at, kind, text)| {
            [
                number.to_string(),
                at.clone(),
                (*kind).to_owned(),
                text.clone(),
            ]
        })
        .collect()
}

impl log_reader::Server for Log {
    async fn read(
        self: Rc<Self>,
        params: log_reader::ReadParams,
        mut results: log_reader::ReadResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let reply = results.get().init_reply();
        alive!(self.0, reply);
        let rows = lines(&self.0.life, params.get_cursor(), params.get_most(), true);
        table(reply, ["cursor", "at", "kind", "text"], &rows);
        Ok(())
    }
}

impl audit_reader::Server for Audit {
    async fn read(
        self: Rc<Self>,
        params: audit_reader::ReadParams,
        mut results: audit_reader::ReadResults,
    ) -> Result<(), Error> {
        let most = params.get()?.get_most();
        let reply = results.get().init_reply();
        alive!(self.0, reply);
        let rows = lines(&self.0.life, 0, most, false);
        table(reply, ["number", "at", "kind", "text"], &rows);
        Ok(())
    }
}

// === impl service_catalog::Server ===

impl service_catalog::Server for Catalog {
    async fn list(
        self: Rc<Self>,
        _: service_catalog::ListParams,
        mut results: service_catalog::ListResults,
    ) -> Result<(), Error> {
        let result = results.get().init_result();
        alive!(self.0, result);
        let mut services = vec![("system", "System", "What this gateway says of itself.")];
        if self.0.life.profile != Profile::Anonymous {
            services.push(("chat", "Chat", "Rooms in which sessions talk."));
        }
        if self.0.life.profile == Profile::Operator {
            services.push(("notes", "Notes", "Short texts of an account."));
            services.push((
                "runner",
                "Service runner",
                "Starts and stops what may run here.",
            ));
        }
        let count = u32::try_from(services.len()).unwrap_or(0);
        let mut entries = result.init_entries(count);
        for (at, (id, label, summary)) in (0..count).zip(services) {
            let mut entry = entries.reborrow().get(at);
            entry.set_id(id);
            entry.set_label(label);
            entry.set_summary(summary);
            entry.set_cap_name(id);
            entry.set_status("running");
        }
        Ok(())
    }
}
