//! What a gateway lists, within bounds. A gateway that lists more, or names that
//! no call could carry, is cut down to what can be used.

use std::collections::HashSet;

use doorward_guard::rules::json::AUTHORITY_FIELDS;

use crate::defaults;
use crate::gateway::{AuthMethod, Capability, FieldKind, Operation, Output, Value};
use crate::text::Veil;
use crate::vm::{AuthMethodVm, CallResultVm, FieldKindVm, FieldVm, OperationVm, PairVm, Shape};

pub(super) fn methods(methods: Vec<AuthMethod>) -> Vec<AuthMethodVm> {
    methods
        .into_iter()
        .map(|method| AuthMethodVm {
            kind: method.kind,
            label: method.label,
            profiles: method.profiles,
            interactive: method.interactive,
            enabled: method.enabled,
        })
        .collect()
}

/// The first of each name, with operations that calls can name.
pub(super) fn capabilities(listed: Vec<Capability>) -> Vec<Capability> {
    let mut names = HashSet::new();
    listed
        .into_iter()
        .filter(|capability| {
            (1..=defaults::LABEL).contains(&capability.name.len())
                && names.insert(capability.name.clone())
        })
        .take(defaults::CAPABILITIES)
        .map(|mut capability| {
            capability.operations.retain(is_callable);
            capability.operations.truncate(defaults::OPERATIONS);
            capability
        })
        .collect()
}

fn is_callable(operation: &Operation) -> bool {
    let mut names = HashSet::new();
    is_name(&operation.name)
        && operation.fields.len() <= defaults::FIELDS
        && operation
            .fields
            .iter()
            .all(|field| is_field_name(&field.name) && names.insert(&field.name))
}

pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// One that the guard lets into a body.
pub(crate) fn is_field_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    is_name(name) && !AUTHORITY_FIELDS.contains(&plain.as_str())
}

pub(super) fn operations(operations: &[Operation], veil: &Veil) -> Vec<OperationVm> {
    operations
        .iter()
        .map(|operation| OperationVm {
            name: operation.name.clone(),
            label: veil.line(&operation.label, defaults::LABEL),
            effect: operation.effect,
            fields: operation
                .fields
                .iter()
                .map(|field| {
                    let (kind, least, most, choices) = field_kind(&field.kind);
                    FieldVm {
                        name: field.name.clone(),
                        label: veil.line(&field.label, defaults::LABEL),
                        kind,
                        required: field.required,
                        least,
                        most,
                        choices,
                    }
                })
                .collect(),
        })
        .collect()
}

fn field_kind(kind: &FieldKind) -> (FieldKindVm, Option<i64>, Option<i64>, Vec<String>) {
    let bytes = |most: &usize| i64::try_from(*most).ok();
    match kind {
        FieldKind::Line { most } => (FieldKindVm::Line, None, bytes(most), Vec::new()),
        FieldKind::Text { most } => (FieldKindVm::Text, None, bytes(most), Vec::new()),
        FieldKind::Secret { most } => (FieldKindVm::Secret, None, bytes(most), Vec::new()),
        FieldKind::Number { least, most } => {
            (FieldKindVm::Number, Some(*least), Some(*most), Vec::new())
        }
        FieldKind::Flag => (FieldKindVm::Flag, None, None, Vec::new()),
        FieldKind::Choice(choices) => (FieldKindVm::Choice, None, None, choices.clone()),
    }
}

/// The result as it is shown; `None` if it is too large for that.
pub(super) fn result(output: Output, veil: &Veil, request: &str) -> Option<CallResultVm> {
    if output.size() > defaults::RESULT {
        return None;
    }
    let line = |text: &str| veil.line(text, defaults::RESULT);
    let text = |text: &str| veil.text(text);
    let mut shown = CallResultVm {
        request_id: request.to_owned(),
        shape: Shape::Nothing,
        text: None,
        fields: Vec::new(),
        columns: Vec::new(),
        rows: Vec::new(),
        truncated: output.truncated,
    };
    match output.value {
        Value::Nothing => {}
        Value::Text(text) => {
            shown.shape = Shape::Text;
            shown.text = Some(veil.text(&text));
        }
        Value::Fields(fields) => {
            shown.shape = Shape::Fields;
            shown.truncated |= fields.len() > defaults::ROWS;
            shown.fields = fields
                .iter()
                .take(defaults::ROWS)
                .map(|(name, value)| PairVm {
                    name: line(name),
                    value: veil.text(value),
                })
                .collect();
        }
        Value::Table { columns, rows } => {
            shown.shape = Shape::Table;
            shown.truncated |= rows.len() > defaults::ROWS;
            shown.columns = columns.iter().map(|text| line(text)).collect();
            shown.rows = rows
                .iter()
                .take(defaults::ROWS)
                .map(|row| row.iter().map(|cell| cell.as_deref().map(text)).collect())
                .collect();
        }
    }
    // What is escaped gets longer: nine bytes for three, at the worst.
    (size(&shown) <= 2 * defaults::RESULT).then_some(shown)
}

fn size(shown: &CallResultVm) -> usize {
    let fields = shown
        .fields
        .iter()
        .map(|pair| pair.name.len() + pair.value.len());
    let cells = shown.rows.iter().flatten().flatten();
    let table = shown.columns.iter().chain(cells);
    shown.text.as_ref().map_or(0, String::len)
        + fields.sum::<usize>()
        + table.map(String::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Effect, Field};

    fn operation(name: &str, fields: &[&str]) -> Operation {
        Operation {
            name: name.to_owned(),
            label: name.to_owned(),
            fields: fields
                .iter()
                .map(|name| Field {
                    name: (*name).to_owned(),
                    label: String::new(),
                    kind: FieldKind::Flag,
                    required: false,
                })
                .collect(),
            effect: Effect::Read,
        }
    }

    fn capability(name: &str, operations: Vec<Operation>) -> Capability {
        Capability {
            name: name.to_owned(),
            contract: "x".to_owned(),
            label: "X".to_owned(),
            operations,
            lease: None,
        }
    }

    #[test]
    fn op_d3_an_operation_that_takes_an_authority_cannot_be_called() {
        let hostile = ["capId", "session_id", "source", "slot", "a b", "", "x\n"];
        let mut all: Vec<_> = hostile.map(|field| operation("op", &[field])).to_vec();
        all.push(operation("twice", &["a", "a"]));
        all.push(operation("b\u{202e}d", &[]));
        all.push(operation("good", &["text", "n"]));
        let kept = capabilities(vec![capability("a", all)]);
        let names: Vec<_> = kept[0].operations.iter().map(|op| &op.name).collect();
        assert_eq!(names, ["good"]);
    }

    #[test]
    fn of_a_gateway_that_lists_without_end_a_bounded_part_is_kept() {
        let many: Vec<_> = (0..10_000)
            .map(|number| capability(&format!("cap{number}"), vec![operation("op", &[]); 100]))
            .collect();
        let kept = capabilities(many);
        assert_eq!(kept.len(), defaults::CAPABILITIES);
        assert!(
            kept.iter()
                .all(|cap| cap.operations.len() == defaults::OPERATIONS)
        );
        let same = vec![
            capability("a", vec![]),
            capability("a", vec![]),
            capability("", vec![]),
        ];
        assert_eq!(capabilities(same).len(), 1);
    }

    #[test]
    fn op_m2_a_result_is_bounded_before_and_after_it_is_escaped() {
        let veil = Veil::default();
        let text = |text: String| result(Output::whole(Value::Text(text)), &veil, "r");
        assert!(text("x".repeat(defaults::RESULT)).is_some());
        assert!(text("x".repeat(defaults::RESULT + 1)).is_none());
        // Six bytes for one.
        assert!(text("\u{1b}".repeat(defaults::RESULT)).is_none());
        let table = |cell: Option<String>, rows: usize| {
            let rows = vec![vec![cell]; rows];
            let columns = vec!["a".to_owned()];
            result(Output::whole(Value::Table { columns, rows }), &veil, "r")
        };
        let shown = table(Some(String::new()), defaults::ROWS + 1).unwrap();
        assert!(shown.truncated && shown.rows.len() == defaults::ROWS);
        let long = "x".repeat(defaults::RESULT / 2);
        assert!(table(Some(long.clone()), 1).is_some() && table(Some(long), 2).is_none());
        // No value stays none.
        assert_eq!(table(None, 1).unwrap().rows, [[None]]);
    }
}
