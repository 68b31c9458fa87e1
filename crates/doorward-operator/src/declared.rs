//! Operations that a configuration declares, for gateways that have no list of
//! their own: a machine behind SSH, a database.
//!
//! What is declared is parsed here into what cannot be wrong later: names that a
//! call can carry, bounds that hold, patterns that match whole values in linear
//! time. Whatever is not declared cannot be asked for.

use std::collections::HashSet;
use std::time::Duration;

use regex::Regex;

use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{Argument, Capability, Effect, Field, FieldKind, Invocation, Operation};
use crate::room::bounds::{is_field_name, is_name};

/// An operation without the thing that it does.
#[derive(Clone, Debug)]
pub struct Outline {
    operation: Operation,
    parameters: Vec<Parameter>,
    within: Duration,
}

/// One parameter of an operation.
#[derive(Clone, Debug)]
pub struct Parameter {
    field: Field,
    pattern: Option<Regex>,
    dash: bool,
}

/// Why something cannot be declared as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undeclared {
    /// A name that no call could carry.
    #[error("{0:?} is no name: 1 to 64 letters, digits, - and _")]
    Name(String),
    /// A name that the guard refuses in bodies.
    #[error("{0:?} cannot be the name of a field: it is one that claims an authority")]
    Authority(String),
    /// A name that is there already.
    #[error("{0:?} is declared twice")]
    Twice(String),
    /// A label that is no line.
    #[error("a label is one line of at most {} bytes", defaults::LABEL)]
    Label,
    /// More than there is room for.
    #[error("there are more than {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most.
        most: usize,
    },
    /// A bound that holds for nothing, or for too much.
    #[error("{0} takes nothing: the least is over the most, or the most is 0")]
    Bounds(String),
    /// A text that would not fit into a call.
    #[error("{field} is at most {most} bytes")]
    Size {
        /// Which.
        field: String,
        /// The most.
        most: usize,
    },
    /// Choices that cannot be chosen from.
    #[error(
        "{0} needs 1 to {most} choices, each a different line without control characters",
        most = defaults::CHOICES
    )]
    Choices(String),
    /// A pattern that is none, or is not for texts.
    #[error("the pattern of {field} cannot be used: {why}")]
    Pattern {
        /// Which field.
        field: String,
        /// Why not.
        why: String,
    },
    /// A time out of bounds.
    #[error("it runs for 1 to {} seconds", defaults::RUNNING.as_secs())]
    Within,
    /// A command of nothing, or one with control characters in it.
    #[error("a command is a program and its arguments, none with control characters")]
    Command,
    /// A parameter that does not exist.
    #[error("{{{0}}} is no field that is declared here")]
    Unknown(String),
    /// A parameter that goes nowhere.
    #[error("the field {0} is nowhere in it")]
    Unused(String),
    /// A parameter within an element.
    #[error("{{{0}}} has to be an element of its own")]
    Inside(String),
    /// A value that could be taken for an option.
    #[error(
        "{0} may be below zero, and begins as an option does then: say dash = true if it is none there"
    )]
    Dash(String),
    /// A value whose absence would move the next one to its place.
    #[error(
        "{0} may be left out, and the option before it would take what comes after: make it needed"
    )]
    Shifts(String),
    /// A kind of field that it has no use for.
    #[error("the field {field} cannot be of this kind here: {why}")]
    Kind {
        /// Which field.
        field: String,
        /// Why not.
        why: &'static str,
    },
    /// A statement that is none.
    #[error("a statement is at most {} bytes, without NUL", defaults::STATEMENT)]
    Statement,
}

impl Outline {
    /// An operation called `name`, `label` for people, that takes `parameters`.
    ///
    /// # Errors
    ///
    /// Names that no call could carry or that are there twice, labels that are no
    /// line, more than [`defaults::FIELDS`] parameters.
    pub fn new(
        name: &str,
        label: &str,
        effect: Effect,
        parameters: Vec<Parameter>,
    ) -> Result<Self, Undeclared> {
        if !is_name(name) {
            return Err(Undeclared::Name(name.to_owned()));
        }
        let mut names = HashSet::new();
        for parameter in &parameters {
            if !names.insert(parameter.name()) {
                return Err(Undeclared::Twice(parameter.name().to_owned()));
            }
        }
        at_most("fields", parameters.len(), defaults::FIELDS)?;
        let operation = Operation {
            name: name.to_owned(),
            label: labelled(label, name)?,
            fields: parameters
                .iter()
                .map(|parameter| parameter.field.clone())
                .collect(),
            effect,
        };
        Ok(Self {
            operation,
            parameters,
            within: defaults::RUNNING,
        })
    }

    /// Ends after `within` instead of [`defaults::RUNNING`].
    ///
    /// # Errors
    ///
    /// [`Undeclared::Within`] for less than a second, and for more than that.
    pub fn within(mut self, within: Duration) -> Result<Self, Undeclared> {
        if within < Duration::from_secs(1) || within > defaults::RUNNING {
            return Err(Undeclared::Within);
        }
        self.within = within;
        Ok(self)
    }

    pub(crate) fn operation(&self) -> &Operation {
        &self.operation
    }

    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    pub(crate) fn time(&self) -> Duration {
        self.within
    }
}

impl Parameter {
    /// A parameter called `name`, `label` for people, that has to be given.
    ///
    /// # Errors
    ///
    /// Names that no body could carry, labels that are no line, and bounds that
    /// hold for nothing or for more than a call may hold.
    pub fn new(name: &str, label: &str, kind: FieldKind) -> Result<Self, Undeclared> {
        if !is_name(name) {
            return Err(Undeclared::Name(name.to_owned()));
        }
        if !is_field_name(name) {
            return Err(Undeclared::Authority(name.to_owned()));
        }
        match &kind {
            FieldKind::Line { most } | FieldKind::Text { most } | FieldKind::Secret { most } => {
                if *most == 0 {
                    return Err(Undeclared::Bounds(name.to_owned()));
                }
                if *most > defaults::ARGUMENTS {
                    return Err(Undeclared::Size {
                        field: name.to_owned(),
                        most: defaults::ARGUMENTS,
                    });
                }
            }
            FieldKind::Number { least, most } if least > most => {
                return Err(Undeclared::Bounds(name.to_owned()));
            }
            FieldKind::Number { .. } | FieldKind::Flag => {}
            FieldKind::Choice(choices) => {
                let mut seen = HashSet::new();
                let good = |choice: &String| is_label(choice) && seen.insert(choice.clone());
                let count = (1..=defaults::CHOICES).contains(&choices.len());
                if !count || !choices.iter().all(good) {
                    return Err(Undeclared::Choices(name.to_owned()));
                }
            }
        }
        Ok(Self {
            field: Field {
                name: name.to_owned(),
                label: labelled(label, name)?,
                kind,
                required: true,
            },
            pattern: None,
            dash: false,
        })
    }

    /// It may be left out.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.field.required = false;
        self
    }

    /// It may begin with a dash where a command takes it, which is refused otherwise:
    /// programs read it as an option. Only for programs that take none there.
    #[must_use]
    pub fn with_dash(mut self) -> Self {
        self.dash = true;
        self
    }

    /// The whole text has to match `pattern`, a regular expression.
    ///
    /// # Errors
    ///
    /// [`Undeclared::Pattern`] for one that is none or too large, and for a
    /// parameter that is no text.
    pub fn matching(mut self, pattern: &str) -> Result<Self, Undeclared> {
        let wrong = |why: &str| Undeclared::Pattern {
            field: self.field.name.clone(),
            why: why.to_owned(),
        };
        let is_text = matches!(
            self.field.kind,
            FieldKind::Line { .. } | FieldKind::Text { .. } | FieldKind::Secret { .. }
        );
        if !is_text {
            return Err(wrong("only texts have one"));
        }
        if pattern.len() > defaults::PATTERN {
            return Err(wrong("it is too long"));
        }
        let whole = regex::RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
            .size_limit(1 << 20)
            .build()
            .map_err(|error| wrong(&error.to_string()))?;
        // On its own too, so that it cannot close the group around it.
        Regex::new(pattern).map_err(|error| wrong(&error.to_string()))?;
        self.pattern = Some(whole);
        Ok(self)
    }

    pub(crate) fn name(&self) -> &str {
        &self.field.name
    }

    pub(crate) fn may_dash(&self) -> bool {
        self.dash
    }

    pub(crate) fn required(&self) -> bool {
        self.field.required
    }

    pub(crate) fn kind(&self) -> &FieldKind {
        &self.field.kind
    }

    /// Its value in `call`, which has the parameter's kind and bounds already.
    ///
    /// # Errors
    ///
    /// `BadRequest` for a text that does not match.
    pub(crate) fn of<'a>(&self, call: &'a Invocation) -> Result<Option<&'a Argument>, Denied> {
        let mut arguments = call.arguments.iter();
        let found = arguments.find(|(name, _)| name == self.name());
        let Some((_, argument)) = found else {
            return Ok(None);
        };
        let text = match argument {
            Argument::Text(text) => text,
            Argument::Secret(proof) => proof.reveal(),
            Argument::Number(_) | Argument::Flag(_) => return Ok(Some(argument)),
        };
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => {
                Err(Denial::BadRequest.because(format!("{} does not match", self.name())))
            }
            _ => Ok(Some(argument)),
        }
    }
}

/// All that is declared for a gateway, as its one capability: `name` is what it is, too.
pub(crate) fn capability<'a>(
    name: &str,
    label: &str,
    outlines: impl Iterator<Item = &'a Outline>,
    lease: Duration,
) -> Capability {
    Capability {
        name: name.to_owned(),
        contract: name.to_owned(),
        label: label.to_owned(),
        operations: outlines.map(|one| one.operation.clone()).collect(),
        lease: Some(lease),
    }
}

/// What `call` asks for of the capability `name`, found by its outline.
///
/// # Errors
///
/// `UnknownCap`, `InterfaceMismatch`, and `MethodDenied` for what is not declared.
pub(crate) fn asked_for<'a, T>(
    call: &Invocation,
    name: &str,
    declared: &'a [T],
    outline: impl Fn(&T) -> &Outline,
) -> Result<&'a T, Denied> {
    if call.capability != name {
        return Err(Denial::UnknownCap.into());
    }
    if call.contract != name {
        return Err(Denial::InterfaceMismatch.into());
    }
    let mut declared = declared.iter();
    let found = declared.find(|one| outline(one).operation.name == call.operation);
    found.ok_or_else(|| Denial::MethodDenied.into())
}

/// That `names` are different, and not too many.
pub(crate) fn all_different<'a>(
    what: &'static str,
    names: impl ExactSizeIterator<Item = &'a str>,
) -> Result<(), Undeclared> {
    at_most(what, names.len(), defaults::DECLARED)?;
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Undeclared::Twice(name.to_owned()));
        }
    }
    Ok(())
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), Undeclared> {
    if count > most {
        return Err(Undeclared::TooMany { what, most });
    }
    Ok(())
}

pub(crate) fn labelled(label: &str, name: &str) -> Result<String, Undeclared> {
    match label {
        "" => Ok(name.to_owned()),
        label if is_label(label) => Ok(label.to_owned()),
        _ => Err(Undeclared::Label),
    }
}

fn is_label(text: &str) -> bool {
    (1..=defaults::LABEL).contains(&text.len()) && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> Parameter {
        Parameter::new(name, "", FieldKind::Line { most: 8 }).unwrap()
    }

    fn call(text: &str) -> Invocation {
        Invocation {
            capability: String::new(),
            contract: String::new(),
            operation: String::new(),
            arguments: vec![("a".to_owned(), Argument::Text(text.to_owned()))],
        }
    }

    #[test]
    fn what_no_call_could_carry_cannot_be_declared() {
        let kind = || FieldKind::Line { most: 8 };
        for (name, kind) in [
            ("", kind()),
            ("a b", kind()),
            ("{a}", kind()),
            ("session_id", kind()),
            ("capId", kind()),
            ("a", FieldKind::Line { most: 0 }),
            (
                "a",
                FieldKind::Text {
                    most: defaults::ARGUMENTS + 1,
                },
            ),
            ("a", FieldKind::Number { least: 2, most: 1 }),
            ("a", FieldKind::Choice(vec![])),
            ("a", FieldKind::Choice(vec!["x".to_owned(), "x".to_owned()])),
            ("a", FieldKind::Choice(vec!["x\ny".to_owned()])),
            ("a", FieldKind::Choice(vec![String::new()])),
        ] {
            assert!(
                Parameter::new(name, "", kind.clone()).is_err(),
                "{name} {kind:?}"
            );
        }
        let outline = |name, label, parameters| Outline::new(name, label, Effect::Read, parameters);
        assert_eq!(
            outline("op", "", vec![line("a"), line("a")]).unwrap_err(),
            Undeclared::Twice("a".to_owned())
        );
        assert!(outline("o p", "", vec![]).is_err());
        assert_eq!(
            outline("op", "a\nb", vec![]).unwrap_err(),
            Undeclared::Label
        );
        let good = outline("op", "", vec![line("a").optional()]).unwrap();
        assert_eq!(good.operation().label, "op");
        assert!(!good.operation().fields[0].required);
        for within in [Duration::ZERO, defaults::CALL] {
            assert_eq!(good.clone().within(within).unwrap_err(), Undeclared::Within);
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_text_or_it_is_refused() {
        let field = line("a").matching("[a-z]+|x1").unwrap();
        for good in ["abc", "x1"] {
            assert!(field.of(&call(good)).unwrap().is_some(), "{good}");
        }
        for bad in ["", "abc1", "1abc", "x1\n", "\nx1", "a b", "ABC"] {
            let denied = field.of(&call(bad)).unwrap_err();
            assert_eq!(denied.denial, Denial::BadRequest, "{bad:?}");
        }
        for wrong in ["(", "a)|(?:b", "a{99999999}", &"a".repeat(300)] {
            assert!(line("a").matching(wrong).is_err(), "{wrong}");
        }
        let flag = Parameter::new("a", "", FieldKind::Flag).unwrap();
        assert!(flag.matching("a").is_err());
    }
}
