//! Pages that the console and the native socket share.

use doorward_guard::audit::{Link, Record, Select, verify};
use serde::{Deserialize, Serialize};

use crate::bridge::{House, ListenerRow};

/// Audit events in one page, unless it is asked for fewer.
const AUDIT_PAGE: usize = 200;
/// And at most.
const AUDIT_PAGE_MOST: usize = 500;

/// Every listener, surface and policy.
#[derive(Debug, Serialize)]
pub(crate) struct RoutesPage {
    listeners: Vec<ListenerRow>,
}

/// Which audit events.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    after: Option<u64>,
    limit: Option<usize>,
    kind: Option<String>,
    surface: Option<String>,
}

/// The latest audit events, newest last.
#[derive(Debug, Serialize)]
pub(crate) struct AuditPage {
    events: Vec<Record>,
    chain: ChainState,
}

#[derive(Debug, Serialize)]
struct ChainState {
    verified: bool,
    at: String,
}

pub(crate) fn routes_page(house: &House) -> RoutesPage {
    RoutesPage {
        listeners: house.table(),
    }
}

/// The page that `query` asks for, and whether all that is held in memory still
/// hangs together.
pub(crate) fn audit_page(house: &House, query: AuditQuery) -> AuditPage {
    let held = house.audit().select(&Select::after(0, usize::MAX));
    // The oldest that is held may follow one that is only in the file.
    let start = held.first().map(|first| Link {
        seq: first.seq.saturating_sub(1),
        hash: first.prev.clone(),
    });
    let verified = verify(held.iter().map(Record::line), start.as_ref()).is_ok();
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let events = house.audit().select(&Select {
        after: query.after.unwrap_or(0),
        limit: query.limit.unwrap_or(AUDIT_PAGE).min(AUDIT_PAGE_MOST),
        kind: some(query.kind),
        surface: some(query.surface),
    });
    AuditPage {
        events,
        chain: ChainState {
            verified,
            at: house.clock().rfc3339(house.clock().now()),
        },
    }
}
