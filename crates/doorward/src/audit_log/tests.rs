use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use doorward_guard::audit::{Kind, Start, Why};
use tempfile::TempDir;

use super::*;

fn open(folder: &TempDir) -> AuditLog {
    AuditLog::open(&at(folder), &Clock::system()).unwrap()
}

fn at(folder: &TempDir) -> PathBuf {
    folder.path().join("state/audit.jsonl")
}

fn minted(number: u64) -> Event {
    Event::allowed(Kind::GrantMinted, "grants").count(number)
}

fn refused() -> Event {
    Event::refused("claim", &Rule::TicketInvalid.into(), "r-1")
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_decision_is_in_the_file_when_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    for number in 1..=50 {
        log.decide(minted(number)).unwrap();
        let last = lines(&at(&folder)).pop().unwrap();
        assert!(last.contains(&format!("\"count\":{number},")), "{last}");
        assert_eq!(log.recent(0, 1).first().unwrap().line(), last);
    }
    let report = verify(&at(&folder)).unwrap();
    assert_eq!(
        (report.files, report.records, report.start),
        (1, 51, Start::Whole)
    );
    assert_eq!(report.end, log.end());
    assert!(!report.unfinished);
}

#[test]
fn t99_the_file_is_private_and_links_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&at(&folder)), 0o600);
    assert_eq!(mode(at(&folder).parent().unwrap()), 0o700);
    for victim in ["audit.jsonl", "audit.jsonl.lock"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("victim"), "").unwrap();
        symlink(folder.path().join("victim"), folder.path().join(victim)).unwrap();
        let error =
            AuditLog::open(&folder.path().join("audit.jsonl"), &Clock::system()).unwrap_err();
        assert!(matches!(error, AuditError::NotPrivate { .. }), "{error}");
        assert_eq!(fs::read(folder.path().join("victim")).unwrap(), b"");
    }
}

#[test]
fn the_chain_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=3_u64 {
        let log = open(&folder);
        assert_eq!(
            log.recent(0, 100).len() as u64,
            (run - 1) * 10 + 1,
            "older records are remembered"
        );
        (0..10).for_each(|number| log.decide(minted(number)).unwrap());
        log.close();
        assert_eq!(verify(&at(&folder)).unwrap().records, run * 10 + 1);
        assert_eq!(
            log.decide(minted(1)).unwrap_err().rule(),
            Rule::Internal,
            "closed"
        );
    }
}

#[test]
fn one_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let second = AuditLog::open(&at(&folder), &Clock::system()).unwrap_err();
    assert!(matches!(second, AuditError::InUse { .. }), "{second}");
    drop(log);
    drop(open(&folder));
}

#[test]
fn t107_a_torn_end_is_kept_aside_and_told() {
    for torn in [
        "{\"seq\":99,\"ti",
        "\0\0\0\0\0\0\n\0\0",
        "garbage\nmore\n",
        "\u{fffd}\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let log = open(&folder);
        (0..5).for_each(|number| log.decide(minted(number)).unwrap());
        drop(log);
        let mut bytes = fs::read(at(&folder)).unwrap();
        bytes.extend(torn.as_bytes());
        fs::write(at(&folder), bytes).unwrap();
        let before = verify(&at(&folder));
        assert_eq!(
            before.is_ok_and(|report| report.unfinished),
            !torn.contains('\n')
        );
        let log = open(&folder);
        let told = log.recent(0, 1).remove(0);
        assert_eq!((&*told.kind, told.seq), ("audit.repaired", 7));
        assert!(
            told.detail
                .starts_with(&format!("{} unreadable bytes", torn.len()))
        );
        assert_eq!(
            fs::read(folder.path().join("state/audit.jsonl.torn")).unwrap(),
            torn.as_bytes()
        );
        log.decide(minted(1)).unwrap();
        assert_eq!(verify(&at(&folder)).unwrap().records, 8);
    }
}

#[test]
fn t107_a_file_without_any_record_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("state")).unwrap();
    fs::set_permissions(
        folder.path().join("state"),
        fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    fs::write(at(&folder), vec![0; 200_000]).unwrap();
    let log = open(&folder);
    assert_eq!(
        log.recent(0, 9)
            .iter()
            .map(|record| &*record.kind)
            .collect::<Vec<_>>(),
        ["audit.file", "audit.repaired"]
    );
    assert_eq!(verify(&at(&folder)).unwrap().records, 2);
}

#[test]
fn rotation_keeps_eight_files_in_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = at(&folder);
    let log = AuditLog::open_with(&path, &Clock::system(), 2_000).unwrap();
    let mut follow = Follow::new(&path, Select::default());
    let mut followed = Vec::new();
    for number in 0..200 {
        log.decide(minted(number)).unwrap();
        followed.extend(follow.poll().unwrap());
    }
    let report = verify(&path).unwrap();
    assert_eq!(
        (report.files, report.start),
        (defaults::AUDIT_FILES, Start::Rotated)
    );
    assert_eq!(report.end, log.end());
    for (_, file) in book::older_files(&path).unwrap() {
        let first = Record::read(&lines(&file)[0]).unwrap();
        assert_eq!(first.kind, "audit.file");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    // Nothing is missing or doubled for one who follows, or asks for the tail.
    let seqs: Vec<_> = followed.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=log.end().seq).collect::<Vec<_>>());
    let last = tail(&path, &Select::after(0, 40)).unwrap();
    assert_eq!(last, followed[followed.len() - 40..]);
    let kinds = Select {
        kind: Some("audit".to_owned()),
        ..Select::after(0, 3)
    };
    assert_eq!(tail(&path, &kinds).unwrap().len(), 3);
    drop(log);
    // A restart between two files: the current one is missing.
    fs::rename(&path, folder.path().join("state/audit.jsonl.999")).unwrap();
    let log = AuditLog::open_with(&path, &Clock::system(), 2_000).unwrap();
    log.decide(minted(1)).unwrap();
    assert_eq!(verify(&path).unwrap().end, log.end());
}

#[test]
fn verify_names_the_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = at(&folder);
    let log = AuditLog::open_with(&path, &Clock::system(), 2_000).unwrap();
    (0..30).for_each(|number| log.decide(minted(number)).unwrap());
    drop(log);
    let older = book::older_files(&path).unwrap();
    let (_, victim) = older[1].clone();
    let original = fs::read_to_string(&victim).unwrap();
    let wrong = |text: String| {
        fs::write(&victim, text).unwrap();
        let trouble = verify(&path).unwrap_err();
        fs::write(&victim, &original).unwrap();
        match trouble {
            Trouble::Broken { path, broken } => (path, broken.line, broken.why),
            other => panic!("{other}"),
        }
    };
    let altered = wrong(original.replacen("\"surface\":\"grants\"", "\"surface\":\"Grants\"", 1));
    assert_eq!(altered, (victim.clone(), 2, Why::Altered));
    let lines: Vec<_> = original.split_inclusive('\n').collect();
    let (path_of, line, why) = wrong(lines[..lines.len() - 1].concat());
    assert_eq!(
        (path_of, line),
        (older[2].1.clone(), 1),
        "the next file does not follow: {why}"
    );
    fs::remove_file(&victim).unwrap();
    assert!(matches!(verify(&path), Err(Trouble::Broken { .. })));
    assert!(matches!(
        verify(&folder.path().join("none")),
        Err(Trouble::Missing { .. })
    ));
}

#[test]
fn t107_a_full_disk_fails_decisions_closed_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    log.decide(minted(1)).unwrap();
    drop(log);
    let clock = Clock::system();
    let mut book = Book::open(&at(&folder), &clock, defaults::AUDIT_FILE).unwrap();
    let before = fs::read(at(&folder)).unwrap();
    let end = book.end().clone();
    // Every write to it fails with ENOSPC.
    let device = fs::OpenOptions::new()
        .append(true)
        .open("/dev/full")
        .unwrap();
    let real = book.replace_file(device);
    let error = book.append(&minted(2)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
    assert_eq!(book.end(), &end, "the chain did not move");
    book.replace_file(real);
    book.append(&minted(3)).unwrap();
    let after = fs::read(at(&folder)).unwrap();
    assert!(after.starts_with(&before));
    drop(book);
    assert_eq!(verify(&at(&folder)).unwrap().records, 3);
}

#[test]
fn t107_while_nothing_can_be_written_nothing_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let path = at(&folder);
    // Tiny files: the next decision must begin a new one, and cannot.
    let log = AuditLog::open_with(&path, &Clock::system(), 1).unwrap();
    log.decide(minted(1)).unwrap();
    let state = folder.path().join("state");
    let away = folder.path().join("away");
    fs::rename(&state, &away).unwrap();
    fs::write(&state, "in the way").unwrap();
    let refusal = log.decide(minted(2)).unwrap_err();
    assert_eq!(refusal.rule(), Rule::Internal);
    assert!(
        refusal
            .note
            .as_deref()
            .unwrap_or_default()
            .contains("cannot be written"),
        "{refusal:?}"
    );
    assert!(log.failure().is_some());
    log.record(refused());
    fs::remove_file(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    log.decide(minted(3)).unwrap();
    assert_eq!(log.failure(), None);
    log.close();
    assert!(verify(&path).is_ok());
    let counts: Vec<_> = tail(&path, &Select::after(0, 99)).unwrap();
    let of = |kind: &str| {
        counts
            .iter()
            .filter(|record| record.kind == kind)
            .map(|record| record.count)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("grant.minted"),
        [1, 3],
        "what failed is not written later"
    );
    assert_eq!(
        of("audit.lost").iter().sum::<u64>() + of("refused").iter().sum::<u64>(),
        1
    );
}

#[test]
fn t107_a_removed_file_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    log.decide(minted(1)).unwrap();
    fs::remove_file(at(&folder)).unwrap();
    log.decide(minted(2)).unwrap();
    let report = verify(&at(&folder)).unwrap();
    assert_eq!(
        (report.records, report.start),
        (2, Start::Rotated),
        "the gap is told"
    );
    assert_eq!(report.end, log.end());
}

#[test]
fn t106_a_flood_of_refusals_neither_blocks_nor_crowds_out_decisions() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let stop = AtomicBool::new(false);
    let flood: u64 = std::thread::scope(|scope| {
        let flooders: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut sent = 0;
                    while !stop.load(Ordering::Relaxed) {
                        log.record(refused());
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        (1..=500).for_each(|number| log.decide(minted(number)).unwrap());
        stop.store(true, Ordering::Relaxed);
        flooders
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    log.close();
    let all = tail(&at(&folder), &Select::after(0, 10_000)).unwrap();
    let refused: u64 = all
        .iter()
        .filter(|record| record.kind == "refused")
        .map(|record| record.count)
        .sum();
    assert_eq!(refused, flood, "every one is counted");
    assert!(all.len() < 520, "{} lines", all.len());
    assert_eq!(verify(&at(&folder)).unwrap().records, all.len() as u64);
}

#[test]
fn notes_that_do_not_fit_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    // Proven callers' refusals are not coalesced; more than the queue holds.
    let proven = || refused().subject("s_1");
    let sent = 20_000;
    (0..sent).for_each(|_| log.record(proven()));
    log.close();
    let all = tail(&at(&folder), &Select::after(0, usize::MAX)).unwrap();
    let told: u64 = all
        .iter()
        .filter(|record| record.kind == "refused" || record.kind == "audit.lost")
        .map(|record| record.count)
        .sum();
    assert_eq!(told, sent);
}

#[test]
fn a_held_refusal_is_told_within_about_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    (0..5).for_each(|_| log.record(refused()));
    #[expect(
        clippy::disallowed_methods,
        reason = "the writer's own timing is what is tested"
    )]
    let start = Instant::now();
    let counts = loop {
        let counts: Vec<_> = log.recent(1, 9).iter().map(|record| record.count).collect();
        if counts.len() == 2 || start.elapsed() > Duration::from_secs(10) {
            break counts;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(counts, [1, 4]);
}

#[tokio::test]
async fn listeners_hear_every_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut live = log.subscribe();
    log.decide(minted(7)).unwrap();
    let heard = live.recv().await.unwrap();
    assert_eq!((heard.count, &heard.link()), (7, &log.end()));
}

#[test]
fn a_decision_that_came_too_late_is_told_as_given_up() {
    let slip = Arc::new(Slip::default());
    let waiting = Arc::clone(&slip);
    let waiter = std::thread::spawn(move || waiting.wait());
    assert_eq!(waiter.join().unwrap(), writer::Fate::Late);
    // The writer comes to it now, and leaves it out.
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    log.queue.try_send(Job::Decision(minted(1), slip)).unwrap();
    log.decide(minted(2)).unwrap();
    log.close();
    let all = tail(&at(&folder), &Select::after(1, 9)).unwrap();
    assert_eq!(
        all.iter().map(|record| record.count).collect::<Vec<_>>(),
        [2]
    );
}
