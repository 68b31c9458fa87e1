//! Statements as they are declared, and their parameters as they are bound.
//!
//! Parameters are sent as text beside the statement, so that the server reads them
//! by the types that the statement gives them. They are never part of it.

use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use zeroize::Zeroizing;

use crate::declared::{Outline, Undeclared};
use crate::defaults;
use crate::denial::Denied;
use crate::gateway::{Argument, Effect, Invocation};

/// A statement that an operator declared: one, with a parameter for each field.
#[derive(Clone, Debug)]
pub struct Statement {
    outline: Outline,
    sql: String,
}

/// A parameter's value. `Debug` says nothing of it.
pub(super) struct Bound(Option<Zeroizing<String>>);

impl Statement {
    /// The statement `sql`, whose `$1` is the first field of `outline`, and so on. A
    /// field that is left out is NULL.
    ///
    /// # Errors
    ///
    /// No statement, or a longer one than [`defaults::STATEMENT`]; fields that it
    /// does not use. Whether it is one statement, and good, the server says when it
    /// is first called.
    pub fn new(outline: Outline, sql: &str) -> Result<Self, Undeclared> {
        if sql.trim().is_empty() || sql.len() > defaults::STATEMENT || sql.contains('\0') {
            return Err(Undeclared::Statement);
        }
        for (number, parameter) in (1..).zip(outline.parameters()) {
            if !uses(sql, number) {
                return Err(Undeclared::Unused(parameter.name().to_owned()));
            }
        }
        Ok(Self {
            outline,
            sql: sql.to_owned(),
        })
    }

    pub(super) fn outline(&self) -> &Outline {
        &self.outline
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn read_only(&self) -> bool {
        self.outline.operation().effect == Effect::Read
    }

    /// The parameters of `call`, in their order.
    ///
    /// # Errors
    ///
    /// `BadRequest` for texts that do not match.
    pub(super) fn bind(&self, call: &Invocation) -> Result<Vec<Bound>, Denied> {
        let parameters = self.outline.parameters().iter();
        parameters
            .map(|parameter| {
                let argument = parameter.of(call)?;
                let text = argument.map(|argument| match argument {
                    Argument::Text(text) => text.clone(),
                    Argument::Secret(proof) => proof.reveal().to_owned(),
                    Argument::Number(number) => number.to_string(),
                    Argument::Flag(flag) => flag.to_string(),
                });
                Ok(Bound(text.map(Zeroizing::new)))
            })
            .collect()
    }
}

/// Whether `$number` is in it, and not only as the beginning of a longer one.
fn uses(sql: &str, number: usize) -> bool {
    sql.match_indices(&format!("${number}")).any(|(at, found)| {
        let rest = sql.get(at + found.len()..).unwrap_or_default();
        !rest.starts_with(|c: char| c.is_ascii_digit())
    })
}

// === impl Bound ===

impl ToSql for Bound {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bound(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declared::Parameter;
    use crate::gateway::{FieldKind, Proof};

    fn outline(names: &[&str]) -> Outline {
        let kind = FieldKind::Line { most: 9 };
        let parameters = names
            .iter()
            .map(|name| Parameter::new(name, "", kind.clone()).unwrap())
            .collect();
        Outline::new("op", "", Effect::Read, parameters).unwrap()
    }

    #[test]
    fn a_statement_uses_every_field() {
        for (names, sql, good) in [
            (&["a"][..], "select $1", true),
            (&["a", "b"], "select $2 + $1", true),
            (&["a"], "select 1", false),
            (&["a"], "select $10", false),
            (&["a", "b"], "select $1", false),
            (&[], "select 1", true),
            (&[], " \n", false),
            (&[], "select '\0'", false),
        ] {
            let declared = Statement::new(outline(names), sql);
            assert_eq!(declared.is_ok(), good, "{sql:?}");
        }
        let long = "x".repeat(defaults::STATEMENT + 1);
        assert!(Statement::new(outline(&[]), &long).is_err());
    }

    #[test]
    fn op_k6_a_bound_value_shows_nothing() {
        let statement = Statement::new(outline(&["a"]), "select $1").unwrap();
        let call = Invocation {
            capability: String::new(),
            contract: String::new(),
            operation: String::new(),
            arguments: vec![(
                "a".to_owned(),
                Argument::Secret(Proof::new("hunter2".to_owned())),
            )],
        };
        let bound = statement.bind(&call).unwrap();
        assert!(!format!("{bound:?}").contains("hunter2"));
        let mut sent = BytesMut::new();
        bound[0].to_sql(&Type::TEXT, &mut sent).unwrap();
        assert_eq!(&sent[..], b"hunter2");
    }
}
