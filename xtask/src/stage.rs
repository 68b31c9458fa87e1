//! A stage of the suite, how it ended, and the table at the end of a run.

use std::time::{Duration, Instant};

use anyhow::Result;

/// One stage, in the order of the suite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn() -> Result<Ending>,
}

/// A stage that did not fail.
#[derive(Debug)]
pub(crate) enum Ending {
    Passed,
    /// What is missing, and what to do about it.
    Skipped(String),
}

/// What the table keeps of a stage that ran.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    took: Duration,
    verdict: Verdict,
}

#[derive(Debug)]
enum Verdict {
    Passed,
    Skipped(String),
    Failed(String),
}

impl Stage {
    /// Runs the stage. A skip fails where `strict`, as in CI.
    pub(crate) fn measure(self, strict: bool) -> Row {
        println!("\n== {}: {}", self.name, self.what);
        let start = now();
        let verdict = match (self.run)() {
            Ok(Ending::Passed) => Verdict::Passed,
            Ok(Ending::Skipped(why)) if strict => {
                Verdict::Failed(format!("skipped, and CI is set: {why}"))
            }
            Ok(Ending::Skipped(why)) => Verdict::Skipped(why),
            Err(cause) => Verdict::Failed(format!("{cause:#}")),
        };
        match &verdict {
            Verdict::Passed => {}
            Verdict::Skipped(why) => println!("{} skipped: {why}", self.name),
            Verdict::Failed(why) => println!("{} FAILED: {why}", self.name),
        }
        Row {
            name: self.name,
            took: start.elapsed(),
            verdict,
        }
    }
}

/// Prints the table and the verdict of the run; its last line is for machines. True if nothing failed.
pub(crate) fn report(rows: &[Row]) -> bool {
    println!();
    let mut passed = 0;
    let mut failed = 0;
    for Row {
        name,
        took,
        verdict,
    } in rows
    {
        let (word, why) = match verdict {
            Verdict::Passed => ("ok", ""),
            Verdict::Skipped(why) => ("skipped", why.as_str()),
            Verdict::Failed(why) => ("FAILED", why.as_str()),
        };
        match verdict {
            Verdict::Passed => passed += 1,
            Verdict::Skipped(_) => {}
            Verdict::Failed(_) => failed += 1,
        }
        println!("{name:<12} {:>8.1} s  {word:<8} {why}", took.as_secs_f64());
    }
    println!("{passed} passed, {failed} failed");
    failed == 0
}

#[expect(
    clippy::disallowed_methods,
    reason = "wall time of a chore, not of the product"
)]
fn now() -> Instant {
    Instant::now()
}

/// Runs `work` and tells how many seconds it took.
pub(crate) fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}
