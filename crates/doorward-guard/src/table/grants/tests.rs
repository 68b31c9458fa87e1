use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake};

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn options() -> GrantOptions {
    GrantOptions {
        life: HOUR,
        idle: None,
        owner: None,
        origins: Origins::Any,
        uses: Uses {
            framed: false,
            document: false,
        },
    }
}

fn rule(found: Result<Arc<Grant<u32>>, Refusal>) -> Option<Rule> {
    found.err().map(|refusal| refusal.rule())
}

#[test]
fn m3_a_grant_ends_exactly_at_its_time() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let (token, grant) = grants.mint(7, options()).unwrap();
    hand.advance(HOUR - Duration::from_nanos(1));
    assert_eq!(grants.find(&token.reveal()).unwrap().data, 7);
    hand.advance(Duration::from_nanos(1));
    assert_eq!(rule(grants.find(&token.reveal())), Some(Rule::GrantExpired));
    assert_eq!(grant.fate(), Fate::Expired);
}

#[test]
fn m4_after_ten_minutes_it_was_never_there() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let (token, grant) = grants.mint(7, options()).unwrap();
    assert!(grants.revoke(grant.id().as_str()));
    assert_eq!(rule(grants.find(&token.reveal())), Some(Rule::GrantRevoked));
    hand.advance(defaults::GRANT_AFTERLIFE);
    grants.sweep();
    assert_eq!(rule(grants.find(&token.reveal())), Some(Rule::GrantUnknown));
    assert!(grants.by_id(grant.id().as_str()).is_none());
    assert_eq!(grants.table.read().unwrap().shelf.len(), 0);
}

#[test]
fn m2_unknown_and_malformed_are_one() {
    let (clock, _hand) = Clock::fake();
    let grants = Grants::<u32>::new(&clock);
    let long = "A".repeat(5_000);
    let swapped = Token::random().reveal().to_ascii_uppercase();
    for text in ["", "x", &long, &swapped, &Token::random().reveal(), "%41"] {
        assert_eq!(rule(grants.find(text)), Some(Rule::GrantUnknown));
    }
}

#[test]
fn idle_time_is_pushed_back_by_use() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let idle = Some(Duration::from_secs(60));
    let (token, grant) = grants.mint(7, GrantOptions { idle, ..options() }).unwrap();
    hand.advance(Duration::from_secs(50));
    grant.touch(clock.now());
    hand.advance(Duration::from_secs(50));
    assert!(grants.find(&token.reveal()).is_ok());
    hand.advance(Duration::from_secs(10));
    assert_eq!(rule(grants.find(&token.reveal())), Some(Rule::GrantExpired));
}

#[test]
fn m41_renew_keeps_the_token() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let (token, grant) = grants.mint(7, options()).unwrap();
    hand.advance(HOUR / 2);
    grants.renew(grant.id().as_str(), HOUR).unwrap();
    hand.advance(HOUR / 2 + Duration::from_secs(1));
    assert!(grants.find(&token.reveal()).is_ok());
    hand.advance(HOUR);
    assert_eq!(
        grants.renew(grant.id().as_str(), HOUR).unwrap_err().rule(),
        Rule::NotFound
    );
}

#[test]
fn m7_a_grant_ends_once() {
    let (clock, _hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    grants.on_end(move |grant, fate| ear.lock().unwrap().push((grant.data, fate)));
    let (_, grant) = grants.mint(7, options()).unwrap();
    assert!(grants.revoke(grant.id().as_str()));
    assert!(!grants.revoke(grant.id().as_str()));
    assert_eq!(*told.lock().unwrap(), [(7, Fate::Revoked)]);
}

#[test]
fn m6_only_the_chosen_end() {
    let (clock, _hand) = Clock::fake();
    let grants = Grants::new(&clock);
    for number in 0..10 {
        grants.mint(number, options()).unwrap();
    }
    assert_eq!(
        grants.revoke_where(Fate::Closed, |grant| grant.data % 2 == 0),
        5
    );
    assert!(grants.live().iter().all(|grant| grant.data % 2 == 1));
}

#[test]
fn t62_a_full_table_mints_no_more() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::with_capacity(&clock, 2);
    grants.mint(1, options()).unwrap();
    grants.mint(2, options()).unwrap();
    assert_eq!(
        grants.mint(3, options()).unwrap_err().rule(),
        Rule::CapacityReached
    );
    hand.advance(HOUR);
    grants.sweep();
    hand.advance(defaults::GRANT_AFTERLIFE);
    grants.sweep();
    assert!(grants.mint(3, options()).is_ok());
}

#[test]
fn m41_renew_never_shortens() {
    let (clock, _hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let (_, grant) = grants.mint(7, options()).unwrap();
    let before = grant.expires();
    grants.renew(grant.id().as_str(), HOUR / 4).unwrap();
    assert_eq!(grant.expires(), before);
}

#[test]
fn a_sweep_looks_only_at_what_is_due() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::new(&clock);
    for number in 0..1_000 {
        grants.mint(number, options()).unwrap();
    }
    let soon = GrantOptions {
        life: Duration::from_secs(5),
        ..options()
    };
    let (_, first) = grants.mint(1_000, soon).unwrap();
    hand.advance(Duration::from_secs(5));
    assert_eq!(grants.take_due(clock.now()), Some(vec![first.name()]));
    assert_eq!(grants.take_due(clock.now()), None);
}

#[test]
fn m4_ends_that_moved_are_kept_and_nothing_is_left_behind() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let idle = GrantOptions {
        idle: Some(Duration::from_secs(60)),
        ..options()
    };
    let (token, grant) = grants.mint(1, idle).unwrap();
    for _ in 0..10 {
        hand.advance(Duration::from_millis(59_500));
        grants.find(&token.reveal()).unwrap().touch(clock.now());
        grants.sweep();
        assert_eq!((grant.fate(), grants.len()), (Fate::Live, 1));
    }
    grants.renew(grant.id().as_str(), HOUR * 3).unwrap();
    hand.advance(Duration::from_secs(61));
    grants.sweep();
    assert_eq!((grant.fate(), grants.len()), (Fate::Expired, 0));
    hand.advance(HOUR * 4);
    grants.sweep();
    let table = grants.table.read().unwrap();
    assert_eq!(table.shelf.len(), 0);
    assert!(table.due.is_empty() && table.shelf.owners().next().is_none());
}

#[test]
fn owners_are_those_with_live_grants() {
    let (clock, _hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let owner = SessionId::random();
    let owned = GrantOptions {
        owner: Some(owner.clone()),
        ..options()
    };
    let (_, first) = grants.mint(1, owned.clone()).unwrap();
    let (_, second) = grants.mint(2, owned).unwrap();
    assert_eq!(grants.owners(), std::slice::from_ref(&owner));
    grants.revoke(first.id().as_str());
    assert_eq!(grants.owners(), [owner]);
    grants.revoke(second.id().as_str());
    assert!(grants.owners().is_empty());
}

#[test]
fn a_listing_is_newest_first_page_by_page() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let minted: Vec<_> = (0..10)
        .map(|number| {
            hand.advance(Duration::from_millis(1));
            grants.mint(number, options()).unwrap().1
        })
        .collect();
    grants.revoke(minted[8].id().as_str());
    let page = |after: Option<&str>| -> Vec<u32> {
        let page = grants.newest(after, 3).unwrap();
        page.iter().map(|grant| grant.data).collect()
    };
    assert_eq!(page(None), [9, 7, 6]);
    assert_eq!(page(Some(minted[6].id().as_str())), [5, 4, 3]);
    grants.revoke(minted[6].id().as_str());
    assert_eq!(page(Some(minted[6].id().as_str())), [5, 4, 3], "it ended");
    grants.revoke(minted[9].id().as_str());
    assert_eq!(page(None), [7, 5, 4], "the newest ended");
    assert_eq!(page(Some(minted[1].id().as_str())), [0]);
    assert!(page(Some(minted[0].id().as_str())).is_empty());
    for unknown in ["", "g_", "s_AAAAAAAAAAA", "g_AAAAAAAAAAA", "g_AAAAAAAAAAB"] {
        assert!(grants.newest(Some(unknown), 3).is_none(), "{unknown}");
    }
    // What is due is looked up by full seconds.
    hand.advance(defaults::GRANT_AFTERLIFE + Duration::from_secs(1));
    grants.sweep();
    assert!(grants.newest(Some(minted[6].id().as_str()), 3).is_none());
    let all: Vec<_> = grants.live().iter().map(|grant| grant.data).collect();
    assert_eq!(all, [7, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn m6_what_a_session_owns_ends_with_it_and_nothing_else() {
    let (clock, _hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let (mine, other) = (SessionId::random(), SessionId::random());
    for number in 0..9 {
        let owner = [None, Some(mine.clone()), Some(other.clone())];
        let owner = owner[number as usize % 3].clone();
        grants
            .mint(number, GrantOptions { owner, ..options() })
            .unwrap();
    }
    assert_eq!(grants.revoke_owned(Fate::SessionEnded, &mine), 3);
    assert_eq!(grants.revoke_owned(Fate::SessionEnded, &mine), 0);
    assert_eq!(grants.owners(), [other]);
    let left: Vec<_> = grants.live().iter().map(|grant| grant.data).collect();
    assert_eq!(left, [8, 6, 5, 3, 2, 0]);
}

#[test]
fn places_are_used_again_and_keep_nobody_elses_grant() {
    let (clock, hand) = Clock::fake();
    let grants = Grants::new(&clock);
    for round in 0..5 {
        let minted: Vec<_> = (0..20)
            .map(|number| grants.mint(round * 20 + number, options()).unwrap())
            .collect();
        for (token, grant) in minted.iter().rev().step_by(2) {
            assert!(grants.revoke(grant.id().as_str()));
            assert!(grants.revoke_token(&token.reveal()).is_none());
        }
        for (token, grant) in minted.iter().rev().skip(1).step_by(2) {
            assert_eq!(grants.find(&token.reveal()).unwrap().data, grant.data);
            assert!(grants.revoke_token(&token.reveal()).is_some());
        }
        assert!(grants.is_empty() && grants.live().is_empty());
        hand.advance(defaults::GRANT_AFTERLIFE);
        grants.sweep();
        for (token, grant) in &minted {
            assert!(grants.find(&token.reveal()).is_err());
            assert!(grants.by_id(grant.id().as_str()).is_none());
        }
    }
    let table = grants.table();
    assert_eq!((table.shelf.len(), table.shelf.places()), (0, 20));
}

#[test]
fn its_name_tells_nothing_of_its_token() {
    let (clock, _hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let (token, grant) = grants.mint(7, options()).unwrap();
    let id = grant.id();
    assert!(id.as_str().starts_with("g_") && id.as_str().len() == 13);
    assert!(!token.reveal().contains(&id.as_str()[2..]));
    assert_eq!(grants.by_id(id.as_str()).unwrap().data, 7);
}

#[test]
fn m5_who_waits_for_its_end_is_woken() {
    struct Bell(AtomicUsize);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (clock, _hand) = Clock::fake();
    let grants = Grants::new(&clock);
    let (_, grant) = grants.mint(7, options()).unwrap();
    let bell = Arc::new(Bell(AtomicUsize::new(0)));
    let waker = Arc::clone(&bell).into();
    let mut cx = Context::from_waker(&waker);
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(grant.ended())).collect();
    for one in &mut waiting {
        assert!(one.as_mut().poll(&mut cx).is_pending());
    }
    assert!(grants.revoke(grant.id().as_str()));
    assert_eq!(bell.0.load(Ordering::SeqCst), 3);
    waiting.push(Box::pin(grant.ended()));
    for one in &mut waiting {
        assert_eq!(one.as_mut().poll(&mut cx), Poll::Ready(Fate::Revoked));
    }
}

#[test]
fn a_grant_is_small() {
    // Beside what its room keeps: with the counts of its `Arc`, its place (16 and 5
    // bytes, the table of names half to seven eighths full) and its place among the
    // due (8), some 110 bytes.
    assert!(std::mem::size_of::<Grant<()>>() <= 72);
}
