//! Commands, launches and statements of gateways, and their fields.

use doorward_operator::declared::{Outline, Parameter, Undeclared};
use doorward_operator::defaults;
use doorward_operator::gateway::{Effect, FieldKind};
use doorward_operator::postgres::Statement;
use doorward_operator::ssh::{Command, Fixed, Launch};

use super::error::ConfigError;
use super::keys::{self, Key, Nested};
use super::value::Value;
use super::written::Entry;

/// Where what is common to commands and statements is written.
struct Common {
    name: &'static Key,
    label: &'static Key,
    effect: &'static Key,
    within: &'static Key,
    field: &'static Nested,
}

static COMMAND: Common = Common {
    name: &keys::COMMAND_NAME,
    label: &keys::COMMAND_LABEL,
    effect: &keys::COMMAND_EFFECT,
    within: &keys::COMMAND_WITHIN,
    field: &keys::COMMAND_FIELD,
};

static STATEMENT: Common = Common {
    name: &keys::STATEMENT_NAME,
    label: &keys::STATEMENT_LABEL,
    effect: &keys::STATEMENT_EFFECT,
    within: &keys::STATEMENT_WITHIN,
    field: &keys::STATEMENT_FIELD,
};

impl Entry {
    pub(super) fn command(&self) -> Result<Command, ConfigError> {
        if self.settings.written(&keys::COMMAND_EFFECT).is_none() {
            let why = "a command says what it does: \"read\", \"write\" or \"destructive\"";
            return Err(self.wrong(&keys::COMMAND_EFFECT, why));
        }
        let outline = self.outline(&COMMAND)?;
        let words: Vec<_> = self
            .parts(&keys::COMMAND_FIELD)
            .filter_map(|field| {
                let name = field.settings.text(&keys::FIELD_NAME)?;
                Some((name, field.settings.text(&keys::FIELD_WORD)?))
            })
            .collect();
        let run = self.settings.list(&keys::COMMAND_RUN);
        Command::new(outline, &run, &words)
            .map_err(|error| self.undeclared(&keys::COMMAND_RUN, &error))
    }

    pub(super) fn launch(&self) -> Result<Launch, ConfigError> {
        let text = |key| self.settings.text(key).unwrap_or_default();
        let fixed = |key: &'static Key| {
            Fixed::new(&self.settings.list(key)).map_err(|error| self.undeclared(key, &error))
        };
        let (probe, start) = (fixed(&keys::LAUNCH_PROBE)?, fixed(&keys::LAUNCH_START)?);
        let profile = text(&keys::LAUNCH_PROFILE);
        let (label, summary) = (text(&keys::LAUNCH_LABEL), text(&keys::LAUNCH_SUMMARY));
        Launch::new(&profile, &label, &summary, probe, start)
            .map_err(|error| self.undeclared(&keys::LAUNCH_PROFILE, &error))
    }

    pub(super) fn statement(&self) -> Result<Statement, ConfigError> {
        let outline = self.outline(&STATEMENT)?;
        for field in self.parts(&keys::STATEMENT_FIELD) {
            for (key, why) in [
                (&keys::FIELD_WORD, "a statement has no words"),
                (&keys::FIELD_DASH, "a statement reads no dash as an option"),
            ] {
                if field.settings.written(key).is_some() {
                    return Err(field.wrong(key, why));
                }
            }
        }
        let sql = self.settings.text(&keys::STATEMENT_SQL);
        Statement::new(outline, &sql.unwrap_or_default())
            .map_err(|error| self.undeclared(&keys::STATEMENT_SQL, &error))
    }

    fn outline(&self, common: &Common) -> Result<Outline, ConfigError> {
        let settings = &self.settings;
        let text = |key| settings.text(key).unwrap_or_default();
        let parameters = self.parts(common.field).map(Self::parameter);
        let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
        let effect = match text(common.effect).as_str() {
            "destructive" => Effect::Destructive,
            "write" => Effect::Write,
            _ => Effect::Read,
        };
        let (name, label) = (text(common.name), text(common.label));
        let outline = Outline::new(&name, &label, effect, parameters)
            .map_err(|error| self.undeclared(common.name, &error))?;
        match settings.value(common.within) {
            Some(Value::Time(within)) => outline
                .within(within)
                .map_err(|error| self.undeclared(common.within, &error)),
            _ => Ok(outline),
        }
    }

    fn parameter(&self) -> Result<Parameter, ConfigError> {
        let settings = &self.settings;
        let text = |key| settings.text(key).unwrap_or_default();
        let whole = |key| match settings.value(key) {
            Some(Value::Whole(number)) => Some(number),
            _ => None,
        };
        let kind = text(&keys::FIELD_KIND);
        for (key, kinds) in &OF_KINDS {
            if settings.written(key).is_some() && !kinds.contains(&kind.as_str()) {
                let why = format!("a field of kind {kind} has none");
                return Err(self.wrong(key, &why));
            }
        }
        let (least, most) = (whole(&keys::FIELD_LEAST), whole(&keys::FIELD_MOST));
        // Less than nothing is nothing.
        let bytes = most.map_or(defaults::LABEL, |most| usize::try_from(most).unwrap_or(0));
        let (kind, key) = match (kind.as_str(), least, most) {
            ("number", Some(least), Some(most)) => {
                (FieldKind::Number { least, most }, &keys::FIELD_MOST)
            }
            ("number", ..) => {
                let why = "a number needs its least and its most";
                return Err(self.wrong(&keys::FIELD_MOST, why));
            }
            ("choice", ..) => {
                let choices = settings.list(&keys::FIELD_CHOICES);
                (FieldKind::Choice(choices), &keys::FIELD_CHOICES)
            }
            ("flag", ..) => (FieldKind::Flag, &keys::FIELD_NAME),
            ("text", ..) => (FieldKind::Text { most: bytes }, &keys::FIELD_MOST),
            ("secret", ..) => (FieldKind::Secret { most: bytes }, &keys::FIELD_MOST),
            _ => (FieldKind::Line { most: bytes }, &keys::FIELD_MOST),
        };
        let named = Parameter::new(&text(&keys::FIELD_NAME), &text(&keys::FIELD_LABEL), kind);
        let mut parameter = named.map_err(|error| match error {
            Undeclared::Name(_) | Undeclared::Authority(_) | Undeclared::Label => {
                self.undeclared(&keys::FIELD_NAME, &error)
            }
            error => self.undeclared(key, &error),
        })?;
        if let Some(pattern) = settings.text(&keys::FIELD_PATTERN) {
            parameter = parameter
                .matching(&pattern)
                .map_err(|error| self.undeclared(&keys::FIELD_PATTERN, &error))?;
        }
        if settings.flag(&keys::FIELD_DASH) {
            parameter = parameter.with_dash();
        }
        if settings.flag(&keys::FIELD_OPTIONAL) {
            parameter = parameter.optional();
        }
        Ok(parameter)
    }

    fn undeclared(&self, key: &'static Key, error: &Undeclared) -> ConfigError {
        self.wrong(key, &error.to_string())
    }
}

/// Keys that not every kind of field has.
static OF_KINDS: [(&Key, &[&str]); 6] = [
    (&keys::FIELD_LEAST, &["number"]),
    (&keys::FIELD_MOST, &["number", "line", "text", "secret"]),
    (&keys::FIELD_CHOICES, &["choice"]),
    (&keys::FIELD_PATTERN, &["line", "text", "secret"]),
    (&keys::FIELD_WORD, &["flag"]),
    (&keys::FIELD_DASH, &["number", "line"]),
];
