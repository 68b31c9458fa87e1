//! What is known of each interface: its name for people, its operations, and how
//! they are sent.

use capnp::capability::{Client as AnyClient, FromClientHook as _};
use capnp::traits::HasTypeId as _;

use super::gateway_capnp::{
    audit_reader, chat, log_reader, notes, reply, service_catalog, service_runner, system_info,
};
use super::link::{broken, refused, text, unknown_answer};
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{Argument, Effect, Field, FieldKind, Invocation, Operation, Output, Value};

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    System,
    Chat,
    Notes,
    Log,
    Audit,
    Catalog,
    Runner,
}

pub(super) const CATALOG: u64 = service_catalog::Client::TYPE_ID;
pub(super) const RUNNER: u64 = service_runner::Client::TYPE_ID;

const ALL: [(u64, Contract); 7] = [
    (system_info::Client::TYPE_ID, Contract::System),
    (chat::Client::TYPE_ID, Contract::Chat),
    (notes::Client::TYPE_ID, Contract::Notes),
    (log_reader::Client::TYPE_ID, Contract::Log),
    (audit_reader::Client::TYPE_ID, Contract::Audit),
    (CATALOG, Contract::Catalog),
    (RUNNER, Contract::Runner),
];

/// A channel, a note's name, a profile.
const NAME: usize = 64;
/// A message of a chat.
const MESSAGE: usize = 2 * 1024;
/// A note: what a body of the API holds, with its escapes.
const NOTE: usize = 48 * 1024;

/// Ids of all interfaces that are known here: the browser never sees one.
pub fn interfaces() -> impl Iterator<Item = u64> {
    ALL.into_iter().map(|(id, _)| id)
}

impl Contract {
    pub(super) fn of(interface: u64) -> Option<Self> {
        let found = ALL.into_iter().find(|(id, _)| *id == interface);
        found.map(|(_, contract)| contract)
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::Chat => "Chat",
            Self::Notes => "Notes",
            Self::Log => "Log",
            Self::Audit => "Audit",
            Self::Catalog => "Services",
            Self::Runner => "Service runner",
        }
    }

    pub(super) fn operations(self) -> Vec<Operation> {
        let channel = || line("channel", "Channel", NAME);
        let name = || line("name", "Name", NAME);
        let profile = || line("profile", "Profile", NAME);
        match self {
            Self::System => vec![
                operation("motd", "Message of the day", Effect::Read, vec![]),
                operation("hostname", "Name", Effect::Read, vec![]),
                operation("status", "Status", Effect::Read, vec![]),
            ],
            Self::Chat => vec![
                operation(
                    "join",
                    "Join",
                    Effect::Write,
                    vec![channel(), line("nickname", "Nickname", NAME)],
                ),
                operation("leave", "Leave", Effect::Write, vec![channel()]),
                operation(
                    "send",
                    "Send",
                    Effect::Write,
                    vec![channel(), line("text", "Message", MESSAGE)],
                ),
                operation("who", "Who is there", Effect::Read, vec![channel()]),
                operation(
                    "poll",
                    "What is new",
                    Effect::Read,
                    vec![number("most", "At most", 1, 500)],
                ),
            ],
            Self::Notes => vec![
                operation("list", "List", Effect::Read, vec![]),
                operation("get", "Read", Effect::Read, vec![name()]),
                operation(
                    "put",
                    "Write",
                    Effect::Write,
                    vec![
                        name(),
                        Field {
                            kind: FieldKind::Text { most: NOTE },
                            ..line("text", "Text", 0)
                        },
                    ],
                ),
                operation("delete", "Delete", Effect::Destructive, vec![name()]),
            ],
            Self::Log => vec![operation(
                "read",
                "Read",
                Effect::Read,
                vec![
                    Field {
                        required: false,
                        ..number("cursor", "After", 0, i64::MAX)
                    },
                    number("most", "At most", 1, 500),
                ],
            )],
            Self::Audit => vec![operation(
                "read",
                "Read",
                Effect::Read,
                vec![number("most", "At most", 1, 500)],
            )],
            // The room asks these itself.
            Self::Catalog => vec![],
            Self::Runner => vec![
                operation("attach", "Its last lines", Effect::Read, vec![profile()]),
                operation("stop", "Stop", Effect::Destructive, vec![profile()]),
            ],
        }
    }

    /// Sends a call, measured, and reads its answer.
    pub(super) async fn run(self, client: AnyClient, call: &Invocation) -> Result<Output, Denied> {
        /// Fills a request in, measures and sends it, and reads its reply.
        macro_rules! send {
            ($client:ident, $request:ident $(, $set:ident = $value:expr)*) => {{
                let mut request = $client.$request();
                $(request.get().$set($value);)*
                let size = request.get().into_reader().total_size().map_err(broken)?;
                measured(size)?;
                let response = request.send().promise.await.map_err(broken)?;
                let reply = response.get().and_then(|results| results.get_reply());
                read(reply.map_err(broken)?)
            }};
        }
        let text = |name| text_of(call, name);
        let hook = client.hook;
        match self {
            Self::System => {
                let client = system_info::Client::new(hook);
                match call.operation.as_str() {
                    "motd" => send!(client, motd_request),
                    "hostname" => send!(client, hostname_request),
                    "status" => send!(client, status_request),
                    _ => Err(Denial::MethodDenied.into()),
                }
            }
            Self::Chat => {
                let client = chat::Client::new(hook);
                match call.operation.as_str() {
                    "join" => send!(
                        client,
                        join_request,
                        set_channel = text("channel"),
                        set_nickname = text("nickname")
                    ),
                    "leave" => send!(client, leave_request, set_channel = text("channel")),
                    "send" => send!(
                        client,
                        send_request,
                        set_channel = text("channel"),
                        set_text = text("text")
                    ),
                    "who" => send!(client, who_request, set_channel = text("channel")),
                    "poll" => send!(client, poll_request, set_most = most(call)),
                    _ => Err(Denial::MethodDenied.into()),
                }
            }
            Self::Notes => {
                let client = notes::Client::new(hook);
                match call.operation.as_str() {
                    "list" => send!(client, list_request),
                    "get" => send!(client, get_request, set_name = text("name")),
                    "put" => send!(
                        client,
                        put_request,
                        set_name = text("name"),
                        set_text = text("text")
                    ),
                    "delete" => send!(client, delete_request, set_name = text("name")),
                    _ => Err(Denial::MethodDenied.into()),
                }
            }
            Self::Log => {
                let client = log_reader::Client::new(hook);
                let cursor = number_of(call, "cursor").unwrap_or(0);
                let cursor = u64::try_from(cursor).unwrap_or(0);
                send!(
                    client,
                    read_request,
                    set_cursor = cursor,
                    set_most = most(call)
                )
            }
            Self::Audit => {
                let client = audit_reader::Client::new(hook);
                send!(client, read_request, set_most = most(call))
            }
            Self::Catalog => Err(Denial::MethodDenied.into()),
            Self::Runner => {
                let client = service_runner::Client::new(hook);
                match call.operation.as_str() {
                    "attach" => send!(client, attach_request, set_profile_id = text("profile")),
                    "stop" => send!(client, stop_request, set_profile_id = text("profile")),
                    _ => Err(Denial::MethodDenied.into()),
                }
            }
        }
    }
}

fn operation(name: &str, label: &str, effect: Effect, fields: Vec<Field>) -> Operation {
    Operation {
        name: name.to_owned(),
        label: label.to_owned(),
        fields,
        effect,
    }
}

fn line(name: &str, label: &str, most: usize) -> Field {
    Field {
        name: name.to_owned(),
        label: label.to_owned(),
        kind: FieldKind::Line { most },
        required: true,
    }
}

fn number(name: &str, label: &str, least: i64, most: i64) -> Field {
    Field {
        kind: FieldKind::Number { least, most },
        ..line(name, label, 0)
    }
}

fn text_of<'a>(call: &'a Invocation, name: &str) -> &'a str {
    let mut arguments = call.arguments.iter();
    match arguments.find(|(known, _)| known == name) {
        Some((_, Argument::Text(text))) => text,
        _ => "",
    }
}

fn number_of(call: &Invocation, name: &str) -> Option<i64> {
    let mut arguments = call.arguments.iter();
    match arguments.find(|(known, _)| known == name) {
        Some((_, Argument::Number(number))) => Some(*number),
        _ => None,
    }
}

fn most(call: &Invocation) -> u16 {
    let most = number_of(call, "most").unwrap_or(1);
    u16::try_from(most).unwrap_or(1)
}

/// A message over the other side's limit would end the connection.
fn measured(size: capnp::MessageSize) -> Result<(), Denied> {
    let most = u64::try_from(defaults::ARGUMENTS).unwrap_or(u64::MAX);
    if size.word_count.saturating_mul(8) > most {
        return Err(Denial::BadRequest.because("the arguments are too large to send"));
    }
    Ok(())
}

fn read(reply: reply::Reader<'_>) -> Result<Output, Denied> {
    let value = match reply.which().map_err(|_| unknown_answer())? {
        reply::Done(()) => Value::Nothing,
        reply::Text(shown) => Value::Text(text(shown)),
        reply::Fields(fields) => Value::Fields(
            fields
                .map_err(broken)?
                .iter()
                .take(defaults::ROWS + 1)
                .map(|pair| (text(pair.get_name()), text(pair.get_value())))
                .collect(),
        ),
        reply::Table(table) => {
            let table = table.map_err(broken)?;
            let columns = table.get_columns().map_err(broken)?;
            let columns: Vec<_> = columns.iter().map(text).collect();
            let mut rows = Vec::new();
            let mut size = 0;
            for row in table
                .get_rows()
                .map_err(broken)?
                .iter()
                .take(defaults::ROWS + 1)
            {
                // Every row is as long as the heads, whatever was sent of it.
                size += columns.len() * defaults::CELL;
                if size > defaults::RESULT {
                    return Err(Denial::ResultTooLarge.into());
                }
                let cells = row.get_cells().map_err(broken)?;
                let mut shown: Vec<_> = cells.iter().map(|cell| Some(text(cell))).collect();
                shown.resize(columns.len(), Some(String::new()));
                for at in row.get_absent().map_err(broken)? {
                    if let Some(cell) = shown.get_mut(usize::from(at)) {
                        *cell = None;
                    }
                }
                rows.push(shown);
            }
            Value::Table { columns, rows }
        }
        reply::Denied(denied) => return Err(refused(denied)),
    };
    Ok(Output {
        value,
        truncated: reply.get_truncated(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_without_a_value_is_not_an_empty_one() {
        let mut message = capnp::message::Builder::new_default();
        let mut table = message.init_root::<reply::Builder<'_>>().init_table();
        let mut columns = table.reborrow().init_columns(3);
        for (at, name) in (0..).zip(["a", "b", "c"]) {
            columns.set(at, name);
        }
        let mut rows = table.init_rows(2);
        let mut first = rows.reborrow().get(0);
        let mut cells = first.reborrow().init_cells(2);
        cells.set(0, "");
        cells.set(1, "NULL");
        // One gateway says less than there are columns, and more than there are cells.
        let mut absent = first.init_absent(2);
        absent.set(0, 2);
        absent.set(1, 9);
        rows.get(1).init_cells(1).set(0, "x");
        let reply = message.get_root_as_reader::<reply::Reader<'_>>().unwrap();
        let Value::Table { rows, .. } = read(reply).unwrap().value else {
            panic!("no table")
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            rows,
            [
                [text(""), text("NULL"), None],
                [text("x"), text(""), text("")]
            ]
        );
    }

    #[test]
    fn op_m2_rows_of_nothing_count_as_long_as_their_heads() {
        for (columns, rows, fits) in [
            (100_000, 0, true),
            (100_000, 1, false),
            (64, 1_024, true),
            (64, 1_025, false),
        ] {
            let mut message = capnp::message::Builder::new_default();
            let mut table = message.init_root::<reply::Builder<'_>>().init_table();
            table.reborrow().init_columns(columns);
            table.init_rows(rows);
            let reply = message.get_root_as_reader::<reply::Reader<'_>>().unwrap();
            let denied = read(reply).map_err(|denied| denied.denial);
            let expected = if fits {
                None
            } else {
                Some(Denial::ResultTooLarge)
            };
            assert_eq!(denied.err(), expected, "{columns} {rows}");
        }
    }
}
