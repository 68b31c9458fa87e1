//! `doorward audit`: reads the log itself, so it needs no running doorward.

use std::path::PathBuf;
use std::time::Duration;

use doorward::audit_log::{self, Follow, Report};
use doorward::config::{Config, Flags};
use doorward::guard::audit::{Outcome, Record, Select, Start};
use doorward::runtime::Instance;
use serde_json::{Value, json};

use crate::args::{Audit, AuditCommand, Log, Tail, Verify};
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::term::{Paint, remark, say, say_json, thousands};

/// How often `-f` looks.
const LOOK: Duration = Duration::from_millis(250);

pub(crate) async fn run(audit: Audit, instance: Instance) -> Result<(), Failure> {
    match audit.command {
        AuditCommand::Tail(tail) => show(&tail).await,
        AuditCommand::Verify(verify) => check(&verify, &instance).await,
    }
}

async fn show(tail: &Tail) -> Result<(), Failure> {
    let path = path(&tail.log)?;
    let unreadable = |error| {
        Failure::new(
            Code::Failed,
            "audit",
            format!("cannot read {}", path.display()),
        )
        .why(error)
    };
    let mut select = Select::after(0, tail.lines);
    select.kind.clone_from(&tail.kind);
    let paint = Paint::stdout();
    let records = audit_log::tail(&path, &select).map_err(unreadable)?;
    if records.is_empty() && !tail.log.json {
        remark(&format!("Nothing is written in {} so far.", path.display()));
    }
    for record in &records {
        print(record, tail.log.json, paint)?;
    }
    if !tail.follow {
        return Ok(());
    }
    select.after = match records.last() {
        Some(last) => last.seq,
        // None of that kind yet: go on behind whatever there is.
        None => audit_log::tail(&path, &Select::after(0, 1))
            .map_err(unreadable)?
            .last()
            .map_or(0, |last| last.seq),
    };
    let mut follow = Follow::new(&path, select);
    loop {
        for record in follow.poll().map_err(unreadable)? {
            print(&record, tail.log.json, paint)?;
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Records are clean: they were escaped on entry, and others are not read.
fn print(record: &Record, json: bool, paint: Paint) -> Result<(), Failure> {
    if json {
        return say(&record.line());
    }
    let decided = match record.denial.as_deref() {
        Some(denial) => paint.red(denial),
        None if record.outcome == Outcome::Refused => paint.red("refused"),
        None => paint.green("allowed"),
    };
    let count = match record.count {
        1 => String::new(),
        count => format!(" ×{}", thousands(count)),
    };
    let rest = [record.subject.as_deref(), Some(&*record.detail)];
    let rest: Vec<_> = rest
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    let line = format!(
        "{:>6}  {}  {:<16}  {:<12}  {decided}{count}  {}",
        record.seq,
        paint.dim(&record.time),
        record.kind,
        record.surface,
        rest.join("  ")
    );
    say(line.trim_end())
}

async fn check(verify: &Verify, instance: &Instance) -> Result<(), Failure> {
    let path = path(&verify.log)?;
    // Asked before the files are read: they can only have grown since.
    let known = match Client::find(instance)? {
        Some(client) if verify.log.path.is_none() => latest(&client).await,
        _ => None,
    };
    let report = audit_log::verify(&path).map_err(|trouble| {
        let missing = matches!(trouble, audit_log::Trouble::Missing { .. });
        let failure = Failure::new(
            Code::Failed,
            if missing {
                "auditMissing"
            } else {
                "auditBroken"
            },
            if missing {
                "there is nothing to verify"
            } else {
                "the audit log is not whole"
            },
        );
        failure.why(trouble)
    })?;
    let compared = match known {
        Some((seq, hash)) => Some(compare(&path, &report, seq, &hash)?),
        None => None,
    };
    tell(verify.log.json, &report, compared.is_some())
}

/// Records cut off the end leave a whole chain behind; the daemon remembers.
fn compare(path: &std::path::Path, report: &Report, seq: u64, hash: &str) -> Result<(), Failure> {
    let there = audit_log::tail(path, &Select::after(seq.saturating_sub(1), usize::MAX));
    let same = there
        .ok()
        .and_then(|records| records.into_iter().find(|record| record.seq == seq))
        .is_some_and(|record| record.hash == hash);
    if same {
        return Ok(());
    }
    let why = if report.end.seq < seq {
        format!(
            "the running doorward wrote record {seq}, and the file ends with {}",
            report.end.seq
        )
    } else {
        format!("record {seq} is not the one that the running doorward wrote")
    };
    Err(Failure::new(
        Code::Failed,
        "auditCut",
        "the audit log is not what was written",
    )
    .why(why)
    .next("If that doorward writes to another file, name it with --audit."))
}

async fn latest(client: &Client) -> Option<(u64, String)> {
    let page: Value = client.get("/native/audit?limit=1").await.ok()?;
    let event = page.get("events")?.as_array()?.last()?;
    Some((
        event.get("seq")?.as_u64()?,
        event.get("hash")?.as_str()?.to_owned(),
    ))
}

fn tell(json: bool, report: &Report, compared: bool) -> Result<(), Failure> {
    if json {
        return say_json(&json!({
            "verified": true,
            "files": report.files,
            "records": report.records,
            "complete": report.start == Start::Whole,
            "unfinished": report.unfinished,
            "comparedWithDaemon": compared,
            "end": { "seq": report.end.seq, "hash": report.end.hash },
        }));
    }
    let paint = Paint::stdout();
    say(&format!(
        "{}  {} records in {} {}, up to {} {}",
        paint.green("whole"),
        thousands(report.records),
        report.files,
        if report.files == 1 { "file" } else { "files" },
        report.end.seq,
        paint.dim(report.end.hash.get(..12).unwrap_or_default()),
    ))?;
    if report.start == Start::Rotated {
        say("The oldest files are no longer kept.")?;
    }
    if report.unfinished {
        say("The last line is not finished: it is being written, or a crash cut it.")?;
    }
    if !compared {
        say("No running doorward was asked: records missing at the end cannot be told.")?;
    }
    Ok(())
}

fn path(log: &Log) -> Result<PathBuf, Failure> {
    let flags = Flags {
        config: log.config.clone(),
        audit_path: log.path.clone(),
        ..Flags::default()
    };
    Ok(Config::load(&flags)?.audit_path)
}
