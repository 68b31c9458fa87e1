//! What the guard tells about itself: every surface, its policy and its routes,
//! and what it refused. One table for `doorward routes`, the Doors panel and the
//! test that holds it against the checked-in copy.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::Method;
use serde::Serialize;

use super::Guard;
use crate::policy::{CallerKind, Rules};
use crate::refusal::Rule;

/// One surface.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SurfaceRow {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub prefix: &'static str,
    /// What callers prove.
    pub caller: CallerKind,
    /// Its rules.
    pub policy: PolicyRow,
    /// Its rules in words.
    pub words: Vec<String>,
    /// Its routes, in the order in which they were added.
    pub routes: Vec<RouteRow>,
    /// What it refused since it was opened.
    pub refused: Vec<RefusedRow>,
}

/// The rules of a surface.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRow {
    /// As the guard reads them.
    #[serde(flatten)]
    pub rules: Rules,
    /// What a proven caller draws from, such as `50/s, burst 200`.
    pub rate: Option<String>,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteRow {
    /// The method.
    pub method: String,
    /// The whole path.
    pub path: String,
}

/// How often one rule was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedRow {
    /// The denial's name.
    pub denial: &'static str,
    /// How often.
    pub count: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<Rule, u64>>);

impl Tally {
    pub(super) fn count(&self, rule: Rule) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(rule).or_default() += 1;
    }

    pub(super) fn rows(&self) -> Vec<RefusedRow> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|(rule, &count)| RefusedRow {
                denial: rule.name(),
                count,
            })
            .collect()
    }
}

impl PolicyRow {
    pub(super) fn new(rules: &Rules) -> Self {
        let rate = rules
            .rate()
            .map(|rate| format!("{}/s, burst {}", rate.per_second, rate.burst));
        Self {
            rules: rules.clone(),
            rate,
        }
    }
}

impl RouteRow {
    pub(super) fn new(method: &Method, prefix: &str, path: &str) -> Self {
        let path = match (prefix, path) {
            ("/", path) => path.to_owned(),
            (prefix, "/") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}{path}"),
        };
        Self {
            method: method.to_string(),
            path,
        }
    }
}

impl Guard {
    /// Every surface, by prefix.
    #[must_use]
    pub fn table(&self) -> Vec<SurfaceRow> {
        let mut rows: Vec<_> = self.doors.iter().map(|door| door.row()).collect();
        rows.sort_by_key(|row| row.prefix);
        rows
    }

    /// What was refused before a door was found.
    #[must_use]
    pub fn strays(&self) -> Vec<RefusedRow> {
        self.strays.rows()
    }
}
