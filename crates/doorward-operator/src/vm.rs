//! What the browser sees: names, labels and texts. Nothing here can be turned back
//! into authority: no interface id, no handle, no address, no id of the session on
//! the gateway. A snapshot of every field name keeps it so.

use serde::Serialize;

use crate::gateway::{AuthKind, AuthStrength, Effect};
use crate::report::ReportStatus;
use crate::transcript::Kind;

macro_rules! view_models {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Serialize)]
            #[cfg_attr(feature = "types", derive(ts_rs::TS))]
            #[serde(rename_all = "camelCase")]
            pub struct $name {
                $($(#[$field_meta])* pub $field: $type,)*
            }
        )+
    };
}

view_models! {
    /// All that the panel shows at first.
    pub struct StateVm {
        /// Whose the gateway is.
        pub owner: OwnerVm,
        /// The gateway that is chosen; none is configured, if there is none.
        pub gateway: Option<GatewayVm>,
        /// Those that may be chosen.
        pub gateways: Vec<ChoiceVm>,
        /// The session on the gateway, if it is this browser session's.
        pub session: Option<SessionVm>,
        /// What the gateway waits to be told, if it is this browser session's.
        pub step: Option<StepVm>,
        /// What the session may use.
        pub caps: Vec<CapVm>,
    }

    /// Whose the gateway is.
    pub struct OwnerVm {
        /// To this browser session.
        pub state: OwnerState,
        /// RFC 3339: since when, if it is not free. Nothing else is told of others.
        pub since: Option<String>,
    }

    /// A gateway.
    pub struct GatewayVm {
        /// What it is called here.
        pub name: String,
        /// `capnp`, `ssh`, `postgres`.
        pub kind: String,
        /// Ways to sign in.
        pub methods: Vec<AuthMethodVm>,
    }

    /// A gateway that may be chosen.
    pub struct ChoiceVm {
        /// What it is called here.
        pub name: String,
        /// `capnp`, `ssh`, `postgres`.
        pub kind: String,
    }

    /// A way to sign in.
    pub struct AuthMethodVm {
        /// Which.
        pub kind: AuthKind,
        /// For people.
        pub label: String,
        /// Profiles that may be asked for; any, if there are none.
        pub profiles: Vec<String>,
        /// Whether it may come in several steps.
        pub interactive: bool,
        /// Whether it is offered.
        pub enabled: bool,
    }

    /// A session on a gateway.
    pub struct SessionVm {
        /// Which rights it has, by name.
        pub profile: String,
        /// Who it is, for people.
        pub principal_label: String,
        /// How well that was proven.
        pub auth_strength: AuthStrength,
        /// RFC 3339: it ends then, unless it is renewed.
        pub expires_at: Option<String>,
        /// What the gateway waits to be told before it gives more time.
        pub renewal: Option<StepVm>,
    }

    /// What the gateway waits to be told.
    pub struct StepVm {
        /// For people.
        pub prompt: String,
        /// Whether the answer is not to be shown while it is typed.
        pub secret: bool,
        /// What has to be signed, in base64, where it is a challenge.
        pub challenge: Option<String>,
    }

    /// Something that the session may use.
    pub struct CapVm {
        /// Names it in calls. Random in each session.
        pub r#ref: String,
        /// What the gateway calls it.
        pub name: String,
        /// What it is, for people.
        pub contract_label: String,
        /// What can be done with it.
        pub operations: Vec<OperationVm>,
        /// RFC 3339: it is lent until then.
        pub lease_expires_at: Option<String>,
    }

    /// Something that can be done.
    pub struct OperationVm {
        /// Names it in calls.
        pub name: String,
        /// For people.
        pub label: String,
        /// What it does over there.
        pub effect: Effect,
        /// What it takes.
        pub fields: Vec<FieldVm>,
    }

    /// An argument.
    pub struct FieldVm {
        /// Names it in calls.
        pub name: String,
        /// For people.
        pub label: String,
        /// What it takes.
        pub kind: FieldKindVm,
        /// Whether it has to be there.
        pub required: bool,
        /// The least number.
        #[cfg_attr(feature = "types", ts(type = "number | null"))]
        pub least: Option<i64>,
        /// The most: bytes of a text, or the number itself.
        #[cfg_attr(feature = "types", ts(type = "number | null"))]
        pub most: Option<i64>,
        /// What can be chosen.
        pub choices: Vec<String>,
    }

    /// What an operation gave. Of the last four, what `shape` says.
    pub struct CallResultVm {
        /// Finds the call in the audit.
        pub request_id: String,
        /// Which of the following it is.
        pub shape: Shape,
        /// Text, with line breaks.
        pub text: Option<String>,
        /// Names and values.
        pub fields: Vec<PairVm>,
        /// Heads of a table.
        pub columns: Vec<String>,
        /// Rows of a table. A cell without a value is `null`.
        pub rows: Vec<Vec<Option<String>>>,
        /// Whether something was left out.
        pub truncated: bool,
    }

    /// A name and a value.
    pub struct PairVm {
        /// The name.
        pub name: String,
        /// The value.
        pub value: String,
    }

    /// The body of every refusal, as the guard writes it.
    pub struct DenialVm {
        /// Its stable name.
        pub denial: String,
        /// What happened, for people.
        pub message: String,
        /// Finds it in the audit.
        pub request_id: String,
        /// It may be tried again after this.
        #[cfg_attr(feature = "types", ts(type = "number", optional))]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub retry_after_ms: Option<u64>,
        /// RFC 3339: since when something that stands in the way has stood there.
        #[cfg_attr(feature = "types", ts(optional))]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub since: Option<String>,
    }

    /// What signing in came to: the state as it is now, and what to send from now
    /// on.
    pub struct LoginVm {
        /// The state.
        pub state: StateVm,
        /// The tab's new CSRF token, if there is a session now: the one before it
        /// is void, as is the cookie before this answer's.
        pub csrf: Option<String>,
    }

    /// Something that happened.
    pub struct TranscriptRowVm {
        /// Counts up.
        #[cfg_attr(feature = "types", ts(type = "number"))]
        pub seq: u64,
        /// RFC 3339.
        pub at: String,
        /// What it is about.
        pub kind: Kind,
        /// In a line.
        pub summary: String,
        /// `ok`, or the name of a denial.
        pub outcome: String,
    }

    /// Something that happened, as the audit has it.
    pub struct AuditRowVm {
        /// RFC 3339.
        pub at: String,
        /// Such as `gateway.called`.
        pub kind: String,
        /// The name of a denial, if it was refused.
        pub denial: Option<String>,
        /// In a line.
        pub detail: String,
    }

    /// A service of the gateway.
    pub struct ServiceVm {
        /// For people.
        pub label: String,
        /// For people.
        pub summary: String,
        /// Whether it runs, in a word.
        pub status: String,
        /// The capability that it is, if the session has it.
        pub r#ref: Option<String>,
    }

    /// Something that can be launched.
    pub struct LauncherVm {
        /// Names it in launches.
        pub profile: String,
        /// For people.
        pub label: String,
        /// For people.
        pub summary: String,
        /// Whether it can be launched at all.
        pub supported: bool,
        /// Whether it runs, in a word.
        pub status: String,
        /// What it can be given.
        pub grants: Vec<LaunchGrantVm>,
    }

    /// What something that is launched can be given.
    pub struct LaunchGrantVm {
        /// Names it in launches.
        pub name: String,
        /// For people.
        pub label: String,
        /// Whether it does not run without.
        pub required: bool,
    }

    /// What became of a launch, or would.
    pub struct LaunchVm {
        /// Finds it in the audit.
        pub request_id: String,
        /// The profile.
        pub profile: String,
        /// In a word.
        pub status: String,
        /// Whether it can be launched.
        pub supported: bool,
        /// For people.
        pub message: String,
        /// The grants that it gets.
        pub grants: Vec<String>,
    }

    /// How the gateway is.
    pub struct HealthVm {
        /// In a word.
        pub state: HealthState,
        /// What its answer took.
        #[cfg_attr(feature = "types", ts(type = "number | null"))]
        pub latency_ms: Option<u64>,
    }

    /// What an automation said of its run.
    pub struct ReportVm {
        /// How it goes.
        pub status: ReportStatus,
        /// In a sentence.
        pub summary: String,
        /// RFC 3339.
        pub at: String,
    }
}

/// Whose the gateway is, to the browser session that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum OwnerState {
    /// Nobody's.
    Free,
    /// It is signing in.
    Trying,
    /// Its own.
    Mine,
    /// Another's.
    InUse,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum FieldKindVm {
    /// One line.
    Line,
    /// Text.
    Text,
    /// One line that is not shown.
    Secret,
    /// A whole number.
    Number,
    /// Yes or no.
    Flag,
    /// One of `choices`.
    Choice,
}

/// The shape of what an operation gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Shape {
    /// It was done.
    Nothing,
    /// `text`.
    Text,
    /// `fields`.
    Fields,
    /// `columns` and `rows`.
    Table,
}

/// How a gateway is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum HealthState {
    /// This browser session has no connection to it.
    Idle,
    /// It answers.
    Up,
    /// It answers slowly.
    Degraded,
    /// It does not.
    Down,
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// One of each, with everything that may be there.
    fn all() -> Vec<(&'static str, Value)> {
        let text = || "x".to_owned();
        let step = || StepVm {
            prompt: text(),
            secret: true,
            challenge: None,
        };
        let cap = CapVm {
            r#ref: text(),
            name: text(),
            contract_label: text(),
            operations: vec![OperationVm {
                name: text(),
                label: text(),
                effect: Effect::Read,
                fields: vec![FieldVm {
                    name: text(),
                    label: text(),
                    kind: FieldKindVm::Line,
                    required: true,
                    least: None,
                    most: Some(1),
                    choices: vec![],
                }],
            }],
            lease_expires_at: None,
        };
        let state = StateVm {
            owner: OwnerVm {
                state: OwnerState::Mine,
                since: Some(text()),
            },
            gateway: Some(GatewayVm {
                name: text(),
                kind: text(),
                methods: vec![AuthMethodVm {
                    kind: AuthKind::Password,
                    label: text(),
                    profiles: vec![],
                    interactive: false,
                    enabled: true,
                }],
            }),
            gateways: vec![ChoiceVm {
                name: text(),
                kind: text(),
            }],
            session: Some(SessionVm {
                profile: text(),
                principal_label: text(),
                auth_strength: AuthStrength::Password,
                expires_at: None,
                renewal: Some(step()),
            }),
            step: Some(step()),
            caps: vec![cap],
        };
        let value = |value: serde_json::Result<Value>| value.unwrap();
        vec![
            (
                "LoginVm",
                value(serde_json::to_value(LoginVm {
                    state,
                    csrf: Some(text()),
                })),
            ),
            (
                "CallResultVm",
                value(serde_json::to_value(CallResultVm {
                    request_id: text(),
                    shape: Shape::Table,
                    text: None,
                    fields: vec![PairVm {
                        name: text(),
                        value: text(),
                    }],
                    columns: vec![],
                    rows: vec![],
                    truncated: false,
                })),
            ),
            (
                "DenialVm",
                value(serde_json::to_value(DenialVm {
                    denial: text(),
                    message: text(),
                    request_id: text(),
                    retry_after_ms: Some(1),
                    since: Some(text()),
                })),
            ),
            (
                "TranscriptRowVm",
                value(serde_json::to_value(TranscriptRowVm {
                    seq: 1,
                    at: text(),
                    kind: Kind::Call,
                    summary: text(),
                    outcome: text(),
                })),
            ),
            (
                "AuditRowVm",
                value(serde_json::to_value(AuditRowVm {
                    at: text(),
                    kind: text(),
                    denial: None,
                    detail: text(),
                })),
            ),
            (
                "ServiceVm",
                value(serde_json::to_value(ServiceVm {
                    label: text(),
                    summary: text(),
                    status: text(),
                    r#ref: None,
                })),
            ),
            (
                "LauncherVm",
                value(serde_json::to_value(LauncherVm {
                    profile: text(),
                    label: text(),
                    summary: text(),
                    supported: true,
                    status: text(),
                    grants: vec![LaunchGrantVm {
                        name: text(),
                        label: text(),
                        required: true,
                    }],
                })),
            ),
            (
                "LaunchVm",
                value(serde_json::to_value(LaunchVm {
                    request_id: text(),
                    profile: text(),
                    status: text(),
                    supported: true,
                    message: text(),
                    grants: vec![],
                })),
            ),
            (
                "HealthVm",
                value(serde_json::to_value(HealthVm {
                    state: HealthState::Up,
                    latency_ms: Some(1),
                })),
            ),
            (
                "ReportVm",
                value(serde_json::to_value(ReportVm {
                    status: ReportStatus::Passed,
                    summary: text(),
                    at: text(),
                })),
            ),
        ]
    }

    fn names(path: &str, value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    into.insert(path.clone());
                    names(&path, value, into);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| names(path, item, into)),
            _ => {}
        }
    }

    #[test]
    fn op_d1_the_browser_sees_these_fields_and_no_others() {
        let mut seen = BTreeSet::new();
        for (name, value) in all() {
            names(name, &value, &mut seen);
        }
        for name in &seen {
            let name = name.to_lowercase();
            for word in [
                "interface",
                "handle",
                "slot",
                "sessionid",
                "address",
                "contract.",
            ] {
                assert!(!name.contains(word), "{name}");
            }
        }
        let seen: Vec<_> = seen.into_iter().collect();
        insta::assert_snapshot!("view_model_fields", seen.join("\n"));
    }
}
