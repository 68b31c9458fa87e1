//! Commands as they are declared, and as they are sent.
//!
//! SSH hands one text to the login shell over there, so each element is quoted:
//! letters of every kind stand within single quotes, and the three that some shell
//! reads even there, `'`, `\` and `!`, stand outside behind a backslash. That reads
//! the same in POSIX shells, csh and fish; [`CANARY`] shows whether it does there.
//! Control characters, line breaks among them, are refused. A field is one whole element
//! or none, and one that begins with a dash is refused unless it was declared that it
//! may. Where it stands says nothing about that: a `--` may be of another program
//! (`sudo -- cat {file}`), and not every one knows it (`find -- {path}`).

use crate::declared::{Outline, Parameter, Undeclared};
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{Argument, FieldKind, Invocation};

/// A command that an operator declared: a program, its arguments, and which of them
/// are fields.
#[derive(Clone, Debug)]
pub struct Command {
    outline: Outline,
    elements: Vec<Element>,
}

/// A command without fields.
#[derive(Clone, Debug)]
pub struct Fixed(String);

#[derive(Clone, Debug)]
enum Element {
    Literal(String),
    /// A field's value.
    Field(Parameter),
    /// A word that is there if the field says yes.
    Flag {
        parameter: Parameter,
        word: String,
    },
}

/// A line that shows how a shell reads, and what comes of it where it reads as is
/// meant.
pub(super) const CANARY: (&str, &str) = (
    r#"'printf' '%s' ' '\''"'\\'n'\!'1 $HOME `a` ~ * ; | & # % ^ '"#,
    r#" '"\n!1 $HOME `a` ~ * ; | & # % ^ "#,
);

impl Command {
    /// The command `elements`, a program and its arguments. One that is `{name}` is
    /// replaced by the field of that name, or left out with it. A flag puts its word
    /// there, which `words` has by the flag's name.
    ///
    /// # Errors
    ///
    /// No program, or a field for one; control characters; fields that do not exist,
    /// are used nowhere, stand within another element, or have several lines or a
    /// secret, which any user of that machine could read; numbers below zero that may
    /// not begin with a dash; optional fields after an option, which would take what
    /// comes next; flags without a word, and words without a flag.
    pub fn new(
        outline: Outline,
        elements: &[String],
        words: &[(String, String)],
    ) -> Result<Self, Undeclared> {
        for (name, word) in words {
            let flags = outline.parameters().iter();
            let mut flags = flags.filter(|parameter| *parameter.kind() == FieldKind::Flag);
            if !flags.any(|flag| flag.name() == name) {
                return Err(Undeclared::Unknown(name.clone()));
            }
            plain(word)?;
        }
        let mut used = Vec::new();
        let mut option = false;
        let mut read = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            plain(element)?;
            let Some(name) = field_name(element) else {
                let mut names = outline.parameters().iter().map(Parameter::name);
                if let Some(name) = names.find(|name| element.contains(&format!("{{{name}}}"))) {
                    return Err(Undeclared::Inside(name.to_owned()));
                }
                option = element.starts_with('-') && element != "--";
                read.push(Element::Literal(element.clone()));
                continue;
            };
            let mut parameters = outline.parameters().iter();
            let parameter = parameters
                .find(|parameter| parameter.name() == name)
                .ok_or_else(|| Undeclared::Unknown(name.to_owned()))?;
            if at == 0 {
                return Err(Undeclared::Command);
            }
            used.push(name);
            let element = element_of(parameter, words)?;
            if option && !parameter.required() && matches!(element, Element::Field(_)) {
                return Err(Undeclared::Shifts(name.to_owned()));
            }
            option = false;
            read.push(element);
        }
        if read.is_empty() {
            return Err(Undeclared::Command);
        }
        let mut parameters = outline.parameters().iter();
        if let Some(unused) = parameters.find(|parameter| !used.contains(&parameter.name())) {
            return Err(Undeclared::Unused(unused.name().to_owned()));
        }
        Ok(Self {
            outline,
            elements: read,
        })
    }

    pub(super) fn outline(&self) -> &Outline {
        &self.outline
    }

    /// What is sent for `call`.
    ///
    /// # Errors
    ///
    /// `BadRequest` for values that do not match, have control characters, begin
    /// with a dash, or are too long together.
    pub(super) fn line(&self, call: &Invocation) -> Result<String, Denied> {
        let mut line = String::new();
        for element in &self.elements {
            match element {
                Element::Literal(text) => push(&mut line, text)?,
                Element::Flag { parameter, word } => {
                    if parameter.of(call)? == Some(&Argument::Flag(true)) {
                        push(&mut line, word)?;
                    }
                }
                Element::Field(parameter) => {
                    let value = match parameter.of(call)? {
                        None => continue,
                        Some(Argument::Text(text)) => text.clone(),
                        Some(Argument::Number(number)) => number.to_string(),
                        Some(Argument::Secret(_) | Argument::Flag(_)) => {
                            return Err(Denial::BadRequest.into());
                        }
                    };
                    let declared = matches!(parameter.kind(), FieldKind::Choice(_));
                    if value.starts_with('-') && !parameter.may_dash() && !declared {
                        let why = format!("{} begins with a dash", parameter.name());
                        return Err(Denial::BadRequest.because(why));
                    }
                    push(&mut line, &value)?;
                }
            }
        }
        Ok(line)
    }
}

impl Fixed {
    /// The command `elements`, as they are.
    ///
    /// # Errors
    ///
    /// No program, and control characters.
    pub fn new(elements: &[String]) -> Result<Self, Undeclared> {
        let mut line = String::new();
        for element in elements {
            plain(element)?;
            push(&mut line, element).map_err(|_| Undeclared::Command)?;
        }
        if line.is_empty() {
            return Err(Undeclared::Command);
        }
        Ok(Self(line))
    }

    pub(super) fn line(&self) -> &str {
        &self.0
    }
}

fn element_of(parameter: &Parameter, words: &[(String, String)]) -> Result<Element, Undeclared> {
    let unfit = |why| Undeclared::Kind {
        field: parameter.name().to_owned(),
        why,
    };
    match parameter.kind() {
        FieldKind::Flag => {
            let mut words = words.iter();
            let found = words.find(|(name, _)| name == parameter.name());
            let (_, word) =
                found.ok_or_else(|| unfit("a flag needs the word that it stands for"))?;
            return Ok(Element::Flag {
                parameter: parameter.clone(),
                word: word.clone(),
            });
        }
        FieldKind::Text { .. } => return Err(unfit("a command takes single lines")),
        FieldKind::Secret { .. } => {
            return Err(unfit("everybody there can read a command's arguments"));
        }
        FieldKind::Number { least, .. } if *least < 0 && !parameter.may_dash() => {
            return Err(Undeclared::Dash(parameter.name().to_owned()));
        }
        FieldKind::Number { .. } | FieldKind::Line { .. } | FieldKind::Choice(_) => {}
    }
    Ok(Element::Field(parameter.clone()))
}

/// The name in `{name}`, if that is all there is.
fn field_name(element: &str) -> Option<&str> {
    let name = element.strip_prefix('{')?.strip_suffix('}')?;
    crate::room::bounds::is_name(name).then_some(name)
}

fn plain(element: &str) -> Result<(), Undeclared> {
    if element.contains(char::is_control) {
        return Err(Undeclared::Command);
    }
    Ok(())
}

/// Puts `element` behind the others, quoted.
fn push(line: &mut String, element: &str) -> Result<(), Denied> {
    if element.contains(char::is_control) {
        return Err(Denial::BadRequest.because("an argument has control characters"));
    }
    if !line.is_empty() {
        line.push(' ');
    }
    let mut within = false;
    for c in element.chars() {
        let outside = matches!(c, '\'' | '\\' | '!');
        if outside == within {
            line.push('\'');
            within = !within;
        }
        if outside {
            line.push('\\');
        }
        line.push(c);
    }
    if element.is_empty() {
        line.push_str("''");
    }
    if within {
        line.push('\'');
    }
    if line.len() > defaults::COMMAND {
        return Err(Denial::BadRequest.because("the command is too long to send"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gateway::Effect;

    fn words(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn field(name: &str, kind: FieldKind) -> Parameter {
        Parameter::new(name, "", kind).unwrap().optional()
    }

    fn command(
        parameters: Vec<Parameter>,
        elements: &[&str],
        flags: &[(&str, &str)],
    ) -> Result<Command, Undeclared> {
        let outline = Outline::new("op", "", Effect::Read, parameters).unwrap();
        let flags: Vec<_> = flags
            .iter()
            .map(|(name, word)| ((*name).to_owned(), (*word).to_owned()))
            .collect();
        Command::new(outline, &words(elements), &flags)
    }

    fn line(command: &Command, arguments: &[(&str, Argument)]) -> Result<String, Denial> {
        let call = Invocation {
            capability: String::new(),
            contract: String::new(),
            operation: String::new(),
            arguments: arguments
                .iter()
                .map(|(name, argument)| ((*name).to_owned(), argument.clone()))
                .collect(),
        };
        command.line(&call).map_err(|denied| denied.denial)
    }

    fn text(text: &str) -> Argument {
        Argument::Text(text.to_owned())
    }

    const LINE: FieldKind = FieldKind::Line { most: 256 };

    #[test]
    fn each_element_is_quoted_and_fields_that_are_left_out_leave_nothing() {
        let command = command(
            vec![
                field("unit", LINE).with_dash(),
                field("lines", FieldKind::Number { least: 1, most: 9 }),
                field("all", FieldKind::Flag),
            ],
            &[
                "journalctl",
                "{all}",
                "lines",
                "{lines}",
                "",
                "--",
                "{unit}",
            ],
            &[("all", "--all")],
        )
        .unwrap();
        assert_eq!(line(&command, &[]).unwrap(), "'journalctl' 'lines' '' '--'");
        let all = [
            ("unit", text("-a'b\\c! $(d)")),
            ("lines", Argument::Number(3)),
            ("all", Argument::Flag(true)),
        ];
        assert_eq!(
            line(&command, &all).unwrap(),
            r"'journalctl' '--all' 'lines' '3' '' '--' '-a'\''b'\\'c'\!' $(d)'"
        );
        let no = [("all", Argument::Flag(false))];
        assert_eq!(line(&command, &no).unwrap(), line(&command, &[]).unwrap());
    }

    #[test]
    fn what_could_be_an_option_or_another_line_is_refused() {
        let command = command(vec![field("a", LINE)], &["cat", "{a}"], &[]).unwrap();
        for bad in [
            "-n",
            "--",
            "-",
            "a\nb",
            "a\rb",
            "a\0b",
            "\u{1b}[31m",
            "\u{85}",
            "\t",
        ] {
            assert_eq!(
                line(&command, &[("a", text(bad))]),
                Err(Denial::BadRequest),
                "{bad:?}"
            );
        }
        let long = "'".repeat(defaults::COMMAND / 2);
        assert_eq!(
            line(&command, &[("a", text(&long))]),
            Err(Denial::BadRequest)
        );
    }

    #[test]
    fn a_dash_is_allowed_by_the_field_and_never_by_its_place() {
        for elements in [
            &["cat", "--", "{a}"][..],
            &["sudo", "--", "cat", "{a}"],
            &["find", "--", "{a}"],
        ] {
            let kept = command(vec![field("a", LINE)], elements, &[]).unwrap();
            let dash = [("a", text("-n"))];
            assert_eq!(line(&kept, &dash), Err(Denial::BadRequest), "{elements:?}");
            let free = command(vec![field("a", LINE).with_dash()], elements, &[]).unwrap();
            assert!(line(&free, &dash).unwrap().ends_with(" '-n'"));
        }
    }

    #[test]
    fn a_field_that_is_left_out_moves_nothing_to_an_option() {
        let grep = &["grep", "-e", "{a}", "--", "{b}"][..];
        let needed = |name| Parameter::new(name, "", LINE).unwrap();
        let wrong = command(vec![field("a", LINE), needed("b")], grep, &[]).unwrap_err();
        assert_eq!(wrong, Undeclared::Shifts("a".to_owned()));
        // After `--` nothing is an option, and a flag is one by itself.
        command(vec![needed("a"), field("b", LINE)], grep, &[]).unwrap();
        let all = [("a", "--all")];
        command(
            vec![field("a", FieldKind::Flag)],
            &["ls", "-l", "{a}"],
            &all,
        )
        .unwrap();
    }

    #[test]
    fn the_canary_is_quoted_as_everything_is() {
        let (sent, expected) = CANARY;
        assert_eq!(
            Fixed::new(&words(&["printf", "%s", expected]))
                .unwrap()
                .line(),
            sent
        );
        assert_eq!(split(sent).unwrap(), ["printf", "%s", expected]);
    }

    #[test]
    fn a_choice_that_begins_with_a_dash_was_declared() {
        let choice = FieldKind::Choice(words(&["-v", "-q"]));
        let command = command(vec![field("a", choice)], &["cat", "{a}"], &[]).unwrap();
        assert_eq!(line(&command, &[("a", text("-v"))]).unwrap(), "'cat' '-v'");
    }

    #[test]
    fn a_command_that_is_none_is_told_why() {
        let number = |least| FieldKind::Number { least, most: 9 };
        let secret = FieldKind::Secret { most: 9 };
        let many = FieldKind::Text { most: 9 };
        for (parameters, elements, flags, told) in [
            (vec![], &[][..], &[][..], "a command is a program"),
            (vec![], &["a\nb"], &[], "a command is a program"),
            (
                vec![field("a", LINE)],
                &["{a}"],
                &[],
                "a command is a program",
            ),
            (
                vec![field("a", LINE)],
                &["x", "--y={a}"],
                &[],
                "an element of its own",
            ),
            (
                vec![field("a", LINE)],
                &["x"],
                &[],
                "the field a is nowhere",
            ),
            (vec![], &["x", "{b}"], &[], "{b} is no field"),
            (
                vec![field("a", number(-1))],
                &["x", "{a}"],
                &[],
                "dash = true",
            ),
            (
                vec![field("a", secret)],
                &["x", "{a}"],
                &[],
                "everybody there",
            ),
            (vec![field("a", many)], &["x", "{a}"], &[], "single lines"),
            (
                vec![field("a", FieldKind::Flag)],
                &["x", "{a}"],
                &[],
                "needs the word",
            ),
            (
                vec![field("a", LINE)],
                &["x", "{a}"],
                &[("a", "-a")],
                "{a} is no field",
            ),
        ] {
            let why = command(parameters, elements, flags)
                .unwrap_err()
                .to_string();
            assert!(why.contains(told), "{elements:?}: {why}");
        }
        let below = field("a", number(-1)).with_dash();
        let below = command(vec![below], &["x", "{a}"], &[]).unwrap();
        assert_eq!(
            line(&below, &[("a", Argument::Number(-1))]).unwrap(),
            "'x' '-1'"
        );
        // Braces of a program's own language stay.
        assert!(command(vec![], &["awk", "{print $1}"], &[]).is_ok());
        assert!(Fixed::new(&[]).is_err() && Fixed::new(&words(&["a", "b\0"])).is_err());
        assert_eq!(
            Fixed::new(&words(&["a", "b c"])).unwrap().line(),
            "'a' 'b c'"
        );
    }

    /// What a POSIX shell makes of a line without expansions.
    fn split(line: &str) -> Option<Vec<String>> {
        let (mut elements, mut element, mut quoted) = (Vec::new(), None, false);
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '\'' => {
                    quoted = !quoted;
                    element.get_or_insert_with(String::new);
                }
                c if quoted => element.get_or_insert_with(String::new).push(c),
                '\\' => element.get_or_insert_with(String::new).push(chars.next()?),
                ' ' => elements.extend(element.take()),
                // Anything else outside of quotes could mean something.
                _ => return None,
            }
        }
        elements.extend(element.take());
        (!quoted).then_some(elements)
    }

    proptest! {
        #[test]
        fn every_value_arrives_as_one_element(value in "[^\\p{Cc}]{0,60}") {
            let any = field("a", LINE).with_dash();
            let command = command(vec![any], &["p", "--", "{a}", "z"], &[]).unwrap();
            let line = line(&command, &[("a", text(&value))]).unwrap();
            prop_assert_eq!(split(&line), Some(words(&["p", "--", &value, "z"])));
        }
    }
}
