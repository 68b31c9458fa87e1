//! What the owner does with a session: operations, catalogues, launches.

use std::sync::Arc;

use doorward_guard::audit::{Event, Kind};
use doorward_guard::{Moment, Refusal, Rule, SessionId, defaults as guard};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::rows::Entry;
use super::{Holding, Known, Operator, SURFACE, bounds};
use crate::defaults;
use crate::denial::Denial;
use crate::gateway::{
    Argument, Effect, Field, FieldKind, Invocation, LaunchStatus, Operation, Proof,
};
use crate::transcript::Kind as Row;
use crate::vm::{CallResultVm, LaunchGrantVm, LaunchVm, LauncherVm, ServiceVm};

/// One call, as the browser asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRequest {
    /// The capability's alias.
    pub r#ref: String,
    /// The operation.
    pub operation: String,
    /// Its arguments by name.
    #[serde(default)]
    pub fields: Map<String, Json>,
    /// The person was asked again: needed for what is destructive.
    #[serde(default)]
    pub confirmed: bool,
}

/// A launch, as the browser asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchRequest {
    /// The profile.
    pub profile: String,
    /// What it is given, by name.
    #[serde(default)]
    pub grants: Vec<String>,
}

impl Operator {
    /// Runs an operation for its owner.
    ///
    /// # Errors
    ///
    /// [`Rule::SessionAlreadyInUse`], [`Rule::Unauthenticated`],
    /// [`Rule::StaleSession`] for who is not the owner; [`Rule::UnknownCap`] for an
    /// alias of another session; [`Rule::BadRequest`], [`Rule::BodyTooLarge`] for
    /// arguments that do not fit, before anything is sent;
    /// [`Rule::ConfirmationNeeded`]; [`Rule::Busy`]; and the gateway's denials.
    pub async fn call(
        &self,
        session: &SessionId,
        request: &str,
        call: CallRequest,
    ) -> Result<CallResultVm, Refusal> {
        let holding = self.holding(session)?;
        let mut row = self.row(session, Row::Call, "call");
        let outcome = self.run(&holding, session, request, call, &mut row).await;
        row.came_to("ok", &outcome);
        outcome
    }

    /// Whether `call` is one that would change something over there, by its owner.
    pub(crate) fn changes(&self, session: &SessionId, call: &CallRequest) -> bool {
        self.holding(session).is_ok_and(|holding| {
            let found = find(&holding, call, self.clock.now());
            found.is_ok_and(|(_, operation)| operation.effect != Effect::Read)
        })
    }

    async fn run(
        &self,
        holding: &Holding,
        session: &SessionId,
        request: &str,
        call: CallRequest,
        row: &mut Entry<'_>,
    ) -> Result<CallResultVm, Refusal> {
        let (known, operation) = find(holding, &call, self.clock.now()).map_err(|rule| {
            let refusal = Refusal::from(rule);
            self.denied(session, request, "call", &refusal);
            refusal
        })?;
        let name = format!("{}.{}", known.capability.name, operation.name);
        row.about(name.clone());
        let arguments = arguments(operation, call.fields)
            .inspect_err(|refusal| self.denied(session, request, &name, refusal))?;
        // What a person types may be hidden too.
        let shown = summary(&name, &arguments);
        row.about(holding.veil.line(&shown, guard::LOG_FIELD));
        self.allow(session, request, &name, operation, call.confirmed)?;
        let place = holding.actor.place()?;
        let invocation = Invocation {
            capability: known.capability.name.clone(),
            contract: known.capability.contract.clone(),
            operation: operation.name.clone(),
            arguments,
        };
        let answer = holding
            .actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.invoke(invocation).await })
            })
            .await;
        drop(place);
        let answer = answer.and_then(|output| {
            bounds::result(output, &holding.veil, request)
                .ok_or_else(|| Denial::ResultTooLarge.into())
        });
        self.settled(holding, session, request, &name, answer)
    }

    /// Writes the call down. What changes something is written down before it is
    /// done, or not done.
    fn allow(
        &self,
        session: &SessionId,
        request: &str,
        name: &str,
        operation: &Operation,
        confirmed: bool,
    ) -> Result<(), Refusal> {
        if operation.effect == Effect::Destructive && !confirmed {
            let refusal = Refusal::from(Rule::ConfirmationNeeded);
            self.denied(session, request, name, &refusal);
            return Err(refusal);
        }
        let event = Event::allowed(Kind::GatewayCalled, SURFACE)
            .subject(session.as_str())
            .request(request)
            .detail(name);
        match operation.effect {
            Effect::Read => self.audit.record(event),
            Effect::Write | Effect::Destructive => self.audit.decide(event)?,
        }
        Ok(())
    }

    /// The gateway's services.
    ///
    /// # Errors
    ///
    /// As of [`call`](Self::call).
    pub async fn services(
        &self,
        session: &SessionId,
        request: &str,
    ) -> Result<Vec<ServiceVm>, Refusal> {
        let holding = self.holding(session)?;
        let _place = holding.actor.place()?;
        let listed = holding
            .actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.catalogue().await })
            })
            .await;
        let listed = self.settled(&holding, session, request, "services", listed)?;
        let (veil, now) = (&holding.veil, self.clock.now());
        let alias = |name: &String| {
            let known = holding.caps.values();
            let mut known = known
                .filter(|known| known.is_lent(now))
                .filter(|known| known.capability.name == *name);
            known.next().map(|known| known.alias.clone())
        };
        Ok(listed
            .into_iter()
            .take(defaults::CATALOGUE)
            .map(|service| ServiceVm {
                label: veil.line(&service.label, defaults::LABEL),
                summary: veil.line(&service.summary, defaults::SENTENCE),
                status: veil.line(&service.status, defaults::LABEL),
                r#ref: service.capability.as_ref().and_then(alias),
            })
            .collect())
    }

    /// What can be launched.
    ///
    /// # Errors
    ///
    /// As of [`call`](Self::call).
    pub async fn launchers(
        &self,
        session: &SessionId,
        request: &str,
    ) -> Result<Vec<LauncherVm>, Refusal> {
        let holding = self.holding(session)?;
        let _place = holding.actor.place()?;
        let listed = holding
            .actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.launchers().await })
            })
            .await;
        let listed = self.settled(&holding, session, request, "launchers", listed)?;
        let veil = &holding.veil;
        Ok(listed
            .into_iter()
            .filter(|launcher| launcher.profile.len() <= defaults::LABEL)
            .take(defaults::CATALOGUE)
            .map(|launcher| LauncherVm {
                profile: veil.line(&launcher.profile, defaults::LABEL),
                label: veil.line(&launcher.label, defaults::LABEL),
                summary: veil.line(&launcher.summary, defaults::SENTENCE),
                supported: launcher.supported,
                status: veil.line(&launcher.status, defaults::LABEL),
                grants: launcher
                    .grants
                    .iter()
                    .take(defaults::FIELDS)
                    .map(|grant| LaunchGrantVm {
                        name: veil.line(&grant.name, defaults::LABEL),
                        label: veil.line(&grant.label, defaults::LABEL),
                        required: grant.required,
                    })
                    .collect(),
            })
            .collect())
    }

    /// Whether something could be launched now.
    ///
    /// # Errors
    ///
    /// As of [`call`](Self::call).
    pub async fn probe(
        &self,
        session: &SessionId,
        request: &str,
        profile: String,
    ) -> Result<LaunchVm, Refusal> {
        let holding = self.holding(session)?;
        fits(&profile, &[])?;
        let _place = holding.actor.place()?;
        let what = format!("probe {profile}");
        let mut row = self.row(session, Row::Launch, what.as_str());
        let answer = holding
            .actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.probe(profile).await })
            })
            .await;
        let answer = self.settled(&holding, session, request, &what, answer);
        row.came_to("ok", &answer);
        answer.map(|status| launched(&holding, request, &status))
    }

    /// Launches something. Written down before it is done.
    ///
    /// # Errors
    ///
    /// As of [`call`](Self::call).
    pub async fn launch(
        &self,
        session: &SessionId,
        request: &str,
        launch: LaunchRequest,
    ) -> Result<LaunchVm, Refusal> {
        let holding = self.holding(session)?;
        let LaunchRequest { profile, grants } = launch;
        fits(&profile, &grants)?;
        let what = format!("launch {profile}");
        let event = Event::allowed(Kind::GatewayCalled, SURFACE)
            .subject(session.as_str())
            .request(request)
            .detail(&what);
        self.audit.decide(event)?;
        let _place = holding.actor.place()?;
        let mut row = self.row(session, Row::Launch, what.as_str());
        let answer = holding
            .actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.launch(profile, grants).await })
            })
            .await;
        let answer = self.settled(&holding, session, request, &what, answer);
        row.came_to("ok", &answer);
        answer.map(|status| launched(&holding, request, &status))
    }
}

fn launched(holding: &Holding, request: &str, status: &LaunchStatus) -> LaunchVm {
    let veil = &holding.veil;
    LaunchVm {
        request_id: request.to_owned(),
        profile: veil.line(&status.profile, defaults::LABEL),
        status: veil.line(&status.status, defaults::LABEL),
        supported: status.supported,
        message: veil.line(&status.message, defaults::SENTENCE),
        grants: status
            .grants
            .iter()
            .take(defaults::FIELDS)
            .map(|grant| veil.line(grant, defaults::LABEL))
            .collect(),
    }
}

fn fits(profile: &str, grants: &[String]) -> Result<(), Refusal> {
    let is_name = |name: &str| (1..=defaults::LABEL).contains(&name.len());
    let all = is_name(profile) && grants.iter().all(|grant| is_name(grant));
    if all && grants.len() <= defaults::FIELDS {
        Ok(())
    } else {
        Err(Rule::BadRequest.into())
    }
}

/// Capability and operation of a call, if both are of this session still.
fn find<'a>(
    holding: &'a Holding,
    call: &CallRequest,
    now: Moment,
) -> Result<(&'a Arc<Known>, &'a Operation), Rule> {
    let known = holding.caps.get(&call.r#ref);
    let known = known
        .filter(|known| known.is_lent(now))
        .ok_or(Rule::UnknownCap)?;
    let mut operations = known.capability.operations.iter();
    let operation = operations
        .find(|operation| operation.name == call.operation)
        .ok_or(Rule::MethodDenied)?;
    Ok((known, operation))
}

/// What was sent, read by the operation's fields.
fn arguments(
    operation: &Operation,
    mut sent: Map<String, Json>,
) -> Result<Vec<(String, Argument)>, Refusal> {
    let mut arguments = Vec::new();
    let mut size = 0;
    for field in &operation.fields {
        let value = match sent.remove(&field.name) {
            None | Some(Json::Null) if field.required => {
                return Err(misfit(field, "is needed"));
            }
            None | Some(Json::Null) => continue,
            Some(value) => value,
        };
        let argument = argument(field, value)?;
        size += field.name.len() + argument.size();
        arguments.push((field.name.clone(), argument));
    }
    if !sent.is_empty() {
        return Err(Rule::UnknownField.into());
    }
    if size > defaults::ARGUMENTS {
        return Err(Rule::BodyTooLarge.into());
    }
    Ok(arguments)
}

fn argument(field: &Field, value: Json) -> Result<Argument, Refusal> {
    let wrong = |why| Err(misfit(field, why));
    match (&field.kind, value) {
        (
            FieldKind::Line { most } | FieldKind::Text { most } | FieldKind::Secret { most },
            Json::String(text),
        ) => {
            if text.len() > *most {
                return wrong("is too long");
            }
            let lines = matches!(field.kind, FieldKind::Text { .. });
            let breaks = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
            if text.contains(breaks) {
                return wrong("has control characters");
            }
            Ok(match field.kind {
                FieldKind::Secret { .. } => Argument::Secret(Proof::new(text)),
                _ => Argument::Text(text),
            })
        }
        (FieldKind::Number { least, most }, Json::Number(number)) => match number.as_i64() {
            Some(number) if (*least..=*most).contains(&number) => Ok(Argument::Number(number)),
            _ => wrong("is out of range"),
        },
        (FieldKind::Flag, Json::Bool(flag)) => Ok(Argument::Flag(flag)),
        (FieldKind::Choice(choices), Json::String(text)) if choices.contains(&text) => {
            Ok(Argument::Text(text))
        }
        _ => wrong("is of another kind"),
    }
}

/// The field's name is the gateway's own, and what was sent is not told.
fn misfit(field: &Field, why: &str) -> Refusal {
    Refusal::from(Rule::BadRequest).note(format!("{} {why}", field.name))
}

/// What the transcript shows. Secrets are not in it.
fn summary(name: &str, arguments: &[(String, Argument)]) -> String {
    let mut summary = name.to_owned();
    for (name, argument) in arguments {
        let shown = match argument {
            Argument::Text(text) => text.clone(),
            Argument::Secret(_) => "(hidden)".to_owned(),
            Argument::Number(number) => number.to_string(),
            Argument::Flag(flag) => flag.to_string(),
        };
        summary.push_str(&format!(" {name}={shown}"));
        // It is cut to this anyway.
        if summary.len() > guard::LOG_FIELD {
            break;
        }
    }
    summary
}

// === impl Argument ===

impl Argument {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Secret(proof) => proof.reveal().len(),
            Self::Number(_) => 8,
            Self::Flag(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operation() -> Operation {
        let field = |name: &str, kind, required| Field {
            name: name.to_owned(),
            label: name.to_owned(),
            kind,
            required,
        };
        Operation {
            name: "op".to_owned(),
            label: "Op".to_owned(),
            fields: vec![
                field("line", FieldKind::Line { most: 8 }, true),
                field("text", FieldKind::Text { most: 70_000 }, false),
                field("pin", FieldKind::Secret { most: 8 }, false),
                field("count", FieldKind::Number { least: 1, most: 9 }, false),
                field("all", FieldKind::Flag, false),
                field("mode", FieldKind::Choice(vec!["a".to_owned()]), false),
            ],
            effect: Effect::Read,
        }
    }

    fn read(fields: &Json) -> Result<Vec<(String, Argument)>, Rule> {
        let fields = fields.as_object().unwrap().clone();
        arguments(&operation(), fields).map_err(|refusal| refusal.rule())
    }

    #[test]
    fn arguments_are_of_the_kind_that_is_declared() {
        let all = json!({
            "mode": "a", "all": true, "count": 9, "pin": "12", "text": "a\nb", "line": "x",
        });
        let names: Vec<_> = read(&all)
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["line", "text", "pin", "count", "all", "mode"]);
        for wrong in [
            json!({}),
            json!({ "line": null }),
            json!({ "line": 1 }),
            json!({ "line": "too long a line" }),
            json!({ "line": "a\nb" }),
            json!({ "line": "x", "text": "\u{1b}[31m" }),
            json!({ "line": "x", "pin": "a\tb" }),
            json!({ "line": "x", "count": 0 }),
            json!({ "line": "x", "count": 10 }),
            json!({ "line": "x", "count": 1.5 }),
            json!({ "line": "x", "count": "1" }),
            json!({ "line": "x", "all": "yes" }),
            json!({ "line": "x", "mode": "b" }),
            json!({ "line": ["x"] }),
        ] {
            assert_eq!(read(&wrong), Err(Rule::BadRequest), "{wrong}");
        }
        assert_eq!(
            read(&json!({ "line": "x", "more": 1 })),
            Err(Rule::UnknownField)
        );
    }

    #[test]
    fn op_m2_arguments_over_the_limit_are_not_sent() {
        let text = |bytes: usize| read(&json!({ "line": "x", "text": "x".repeat(bytes) }));
        // Two names and a line take nine.
        assert!(text(defaults::ARGUMENTS - 9).is_ok());
        assert_eq!(text(defaults::ARGUMENTS - 8), Err(Rule::BodyTooLarge));
        assert_eq!(text(70_001), Err(Rule::BadRequest));
    }

    #[test]
    fn op_l3_a_secret_is_not_in_the_summary() {
        let arguments = read(&json!({ "line": "x", "pin": "4711" })).unwrap();
        let summary = summary("a.op", &arguments);
        assert_eq!(summary, "a.op line=x pin=(hidden)");
    }
}
