//! What was measured, and what it comes to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;

/// Figures by work, server and unit, in the order of the rounds.
#[derive(Debug, Default)]
pub(super) struct Book {
    figures: BTreeMap<(String, String, &'static str), Vec<f64>>,
    pub(super) rows: Vec<Row>,
}

/// One row of the table of targets.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) work: String,
    pub(super) against: String,
    /// Ours over theirs, one for each round; or the figure itself.
    pub(super) ratios: Vec<f64>,
    pub(super) goal: Goal,
    /// Ours and theirs with the unit, as read.
    pub(super) reached: String,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// A figure of its own with a unit, no ratio.
    Below(f64, &'static str),
}

impl Goal {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) | Self::Below(most, _) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least} ×"),
            Self::AtMost(most) => format!("≤ {most} ×"),
            Self::Below(most, unit) => format!("≤ {most} {unit}"),
        }
    }

    /// How good it is, on a scale on which 1 is the goal and more is better.
    fn score(self, value: f64) -> f64 {
        match self {
            Self::AtLeast(least) => value / least,
            Self::AtMost(most) | Self::Below(most, _) => (most + 1e-9) / (value + 1e-9),
        }
    }
}

impl Row {
    pub(super) fn value(&self) -> f64 {
        median(self.ratios.clone())
    }

    pub(super) fn met(&self) -> bool {
        self.goal.met(self.value())
    }

    pub(super) fn score(&self, value: f64) -> f64 {
        self.goal.score(value)
    }

    fn line(&self) -> String {
        let (least, value, most) = spread(self.ratios.clone());
        let unit = match self.goal {
            Goal::Below(_, unit) => format!(" {unit}"),
            _ => " ×".to_owned(),
        };
        format!(
            "| {} | {} | {} | {}{unit} ({} to {}) | {} | {} |",
            self.work,
            self.against,
            self.goal.text(),
            short(value),
            short(least),
            short(most),
            self.reached,
            if self.met() { "yes" } else { "**no**" }
        )
    }
}

impl Book {
    pub(super) fn add(&mut self, work: &str, server: &str, unit: &'static str, value: f64) {
        println!("{work}: {server}: {} {unit}", short(value));
        let key = (work.to_owned(), server.to_owned(), unit);
        self.figures.entry(key).or_default().push(value);
    }

    fn of(&self, work: &str, server: &str, unit: &'static str) -> Vec<f64> {
        let key = (work.to_owned(), server.to_owned(), unit);
        self.figures.get(&key).cloned().unwrap_or_default()
    }

    /// A row that holds doorward against the best of `servers`, round by round.
    pub(super) fn compare(&mut self, work: &str, servers: &[&str], unit: &'static str, goal: Goal) {
        let ours = self.of(work, "doorward", unit);
        let all: Vec<(&str, Vec<f64>)> = servers
            .iter()
            .map(|server| (*server, self.of(work, server, unit)))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        let better = |a: f64, b: f64| match goal {
            Goal::AtLeast(_) => a.max(b),
            _ => a.min(b),
        };
        let ratios: Vec<f64> = ours
            .iter()
            .enumerate()
            .filter_map(|(round, own)| {
                let theirs = all.iter().filter_map(|(_, values)| values.get(round));
                theirs.copied().reduce(better).map(|best| own / best)
            })
            .collect();
        let best = all
            .iter()
            .map(|(name, values)| (*name, median(values.clone())));
        let best = best.reduce(|a, b| if better(a.1, b.1) == a.1 { a } else { b });
        let Some((name, theirs)) = best.filter(|_| !ratios.is_empty()) else {
            println!("skipped: {work}: nothing to hold it against");
            return;
        };
        let against = match servers.len() {
            1 => name.to_owned(),
            _ => format!("best of {}, here {name}", servers.join(", ")),
        };
        self.rows.push(Row {
            work: format!("{work}, {unit}"),
            against,
            ratios,
            goal,
            reached: format!("{} to {}", short(median(ours)), short(theirs)),
        });
    }

    /// A row with a figure of its own.
    pub(super) fn figure(&mut self, work: &str, server: &str, unit: &'static str, most: f64) {
        let values = self.of(work, server, unit);
        if values.is_empty() {
            return;
        }
        self.rows.push(Row {
            work: work.to_owned(),
            against: "a figure of its own".to_owned(),
            reached: short(median(values.clone())),
            ratios: values,
            goal: Goal::Below(most, unit),
        });
    }

    /// The table of targets.
    pub(super) fn targets(&self) -> String {
        let mut text = String::from(
            "| work | against | target | reached: median (least to most) | doorward to peer | met |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            text.push_str(&row.line());
            text.push('\n');
        }
        text
    }

    /// Every figure.
    pub(super) fn everything(&self) -> Result<String> {
        let mut text = String::from(
            "| work | server | unit | median | least to most |\n|---|---|---|---|---|\n",
        );
        for ((work, server, unit), values) in &self.figures {
            let (least, value, most) = spread(values.clone());
            writeln!(
                text,
                "| {work} | {server} | {unit} | {} | {} to {} |",
                short(value),
                short(least),
                short(most)
            )?;
        }
        Ok(text)
    }
}

/// Three digits that tell.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(super) fn median(values: Vec<f64>) -> f64 {
    spread(values).1
}

/// Least, median, most.
pub(super) fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let last = values.len().saturating_sub(1);
    // Of an even number, between the two in the middle.
    let middle = (at(last / 2) + at(values.len() / 2)) / 2.0;
    (at(0), middle, at(last))
}
