use futures_util::FutureExt as _;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn sessions() -> (Sessions, crate::FakeClock) {
    let (clock, hand) = Clock::fake();
    (Sessions::new(&clock, 7000, SessionLimits::STANDARD), hand)
}

fn claim(sessions: &Sessions, cookie: Option<&Token>) -> Claim {
    let ticket = sessions.ticket(false).unwrap();
    sessions.claim(&ticket.reveal(), cookie).unwrap()
}

fn rule<T>(result: Result<T, Refusal>) -> Option<Rule> {
    result.err().map(|refusal| refusal.rule())
}

#[test]
fn t49_a_ticket_is_good_once_and_for_a_minute() {
    let (sessions, hand) = sessions();
    let ticket = sessions.ticket(false).unwrap();
    assert!(sessions.claim(&ticket.reveal(), None).is_ok());
    assert_eq!(
        rule(sessions.claim(&ticket.reveal(), None)),
        Some(Rule::TicketInvalid)
    );
    let late = sessions.ticket(false).unwrap();
    hand.advance(defaults::TICKET_LIFE);
    assert_eq!(
        rule(sessions.claim(&late.reveal(), None)),
        Some(Rule::TicketInvalid)
    );
}

#[test]
fn t37_the_cookie_alone_opens_nothing() {
    let (sessions, _hand) = sessions();
    let mine = claim(&sessions, None);
    let other = claim(&sessions, None);
    assert!(
        sessions
            .prove(Some(&mine.cookie), Some(&mine.proof))
            .is_ok()
    );
    assert_eq!(
        rule(sessions.prove(None, Some(&mine.proof))),
        Some(Rule::BrowserSessionRequired)
    );
    assert_eq!(
        rule(sessions.prove(Some(&mine.cookie), None)),
        Some(Rule::TabProofRequired)
    );
    let foreign = sessions.prove(Some(&mine.cookie), Some(&other.proof));
    assert_eq!(rule(foreign), Some(Rule::TabProofRequired));
}

#[test]
fn t41_joining_rotates_the_id_and_keeps_the_tabs() {
    let (sessions, _hand) = sessions();
    let first = claim(&sessions, None);
    let second = claim(&sessions, Some(&first.cookie));
    assert!(second.joined);
    assert_eq!(first.session, second.session);
    let old = sessions.prove(Some(&first.cookie), Some(&first.proof));
    assert_eq!(rule(old), Some(Rule::BrowserSessionExpired));
    assert!(
        sessions
            .prove(Some(&second.cookie), Some(&first.proof))
            .is_ok()
    );
    assert!(
        sessions
            .prove(Some(&second.cookie), Some(&second.proof))
            .is_ok()
    );
}

#[test]
fn t41_an_id_that_was_not_issued_is_never_continued() {
    let (sessions, _hand) = sessions();
    let planted = Token::random();
    let claimed = claim(&sessions, Some(&planted));
    assert!(!claimed.joined);
    assert_ne!(claimed.cookie, planted);
    assert!(
        sessions
            .prove(Some(&planted), Some(&claimed.proof))
            .is_err()
    );
}

#[test]
fn a_ninth_tab_replaces_the_one_that_was_silent_longest() {
    let (sessions, hand) = sessions();
    let first = claim(&sessions, None);
    let mut last = claim(&sessions, Some(&first.cookie));
    let second = last.proof.clone();
    for _ in 2..defaults::SESSION_TABS {
        hand.advance(Duration::from_secs(1));
        last = claim(&sessions, Some(&last.cookie));
    }
    // The first tab speaks; the second has been closed.
    hand.advance(Duration::from_secs(1));
    assert!(
        sessions
            .prove(Some(&last.cookie), Some(&first.proof))
            .is_ok()
    );
    let ninth = claim(&sessions, Some(&last.cookie));
    assert!(ninth.joined);
    assert_eq!(
        sessions.view(&ninth.session).unwrap().tabs,
        defaults::SESSION_TABS
    );
    assert!(
        sessions
            .prove(Some(&ninth.cookie), Some(&first.proof))
            .is_ok()
    );
    assert!(sessions.prove(Some(&ninth.cookie), Some(&second)).is_err());
}

#[test]
fn take_over_ends_the_others() {
    let (sessions, _hand) = sessions();
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    sessions.on_end(move |id, reason| ear.lock().unwrap().push((id.clone(), reason)));
    let first = claim(&sessions, None);
    let ticket = sessions.ticket(true).unwrap();
    let second = sessions.claim(&ticket.reveal(), None).unwrap();
    assert_eq!(second.ended, std::slice::from_ref(&first.session));
    assert!(
        sessions
            .prove(Some(&first.cookie), Some(&first.proof))
            .is_err()
    );
    assert!(
        sessions
            .prove(Some(&second.cookie), Some(&second.proof))
            .is_ok()
    );
    assert_eq!(
        *told.lock().unwrap(),
        [(first.session, EndReason::TakenOver)]
    );
}

#[test]
fn t45_idle_and_absolute_time_end_a_session() {
    let (sessions, hand) = sessions();
    let idle = claim(&sessions, None);
    hand.advance(defaults::SESSION_IDLE);
    let over = sessions.prove(Some(&idle.cookie), Some(&idle.proof));
    assert_eq!(rule(over), Some(Rule::BrowserSessionExpired));
    sessions.touch(&idle.session);
    assert!(
        sessions
            .prove(Some(&idle.cookie), Some(&idle.proof))
            .is_err(),
        "not revived"
    );

    let busy = claim(&sessions, None);
    let mut elapsed = Duration::ZERO;
    while elapsed + 20 * MINUTE < defaults::SESSION_ABSOLUTE {
        hand.advance(20 * MINUTE);
        elapsed += 20 * MINUTE;
        sessions.touch(&busy.session);
        assert!(
            sessions
                .prove(Some(&busy.cookie), Some(&busy.proof))
                .is_ok()
        );
    }
    hand.advance(20 * MINUTE);
    let over = sessions.prove(Some(&busy.cookie), Some(&busy.proof));
    assert_eq!(rule(over), Some(Rule::BrowserSessionExpired));
}

#[test]
fn a_two_hour_film_keeps_its_session() {
    // The stream touches the session while bytes flow; nobody moves the mouse.
    let (sessions, hand) = sessions();
    let claim = claim(&sessions, None);
    for _ in 0..120 {
        hand.advance(MINUTE);
        sessions.touch(&claim.session);
        sessions.sweep();
    }
    assert!(
        sessions
            .prove(Some(&claim.cookie), Some(&claim.proof))
            .is_ok()
    );
}

#[test]
fn polling_does_not_keep_a_session() {
    let (sessions, hand) = sessions();
    let claim = claim(&sessions, None);
    for _ in 0..29 {
        hand.advance(MINUTE);
        assert!(
            sessions
                .prove(Some(&claim.cookie), Some(&claim.proof))
                .is_ok()
        );
    }
    hand.advance(MINUTE);
    assert!(
        sessions
            .prove(Some(&claim.cookie), Some(&claim.proof))
            .is_err()
    );
}

#[test]
fn t47_wrong_tickets_shut_the_door_but_never_for_a_right_one() {
    let (sessions, _hand) = sessions();
    let wrong = Token::random();
    assert_eq!(
        rule(sessions.claim(&wrong.reveal(), None)),
        Some(Rule::TicketInvalid)
    );
    assert_eq!(
        rule(sessions.claim(&wrong.reveal(), None)),
        Some(Rule::LockedOut)
    );
    let right = sessions.ticket(false).unwrap();
    assert!(sessions.claim(&right.reveal(), None).is_ok());
}

#[test]
fn t44_a_ticket_that_races_has_one_winner() {
    let (sessions, _hand) = sessions();
    for _ in 0..500 {
        let ticket = sessions.ticket(false).unwrap();
        let wins = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| sessions.claim(&ticket.reveal(), None).is_ok()))
                .collect();
            racers
                .into_iter()
                .map(|r| r.join().unwrap())
                .filter(|&w| w)
                .count()
        });
        assert_eq!(wins, 1);
        sessions.revoke_all(EndReason::Revoked);
    }
}

#[test]
fn op_k4_the_cookie_is_named_for_the_port_and_secure_by_one_switch() {
    for (transport, name, secure) in [
        (CookieTransport::Plain, "doorward_7000", ""),
        (CookieTransport::Secure, "__Host-doorward_7000", "; Secure"),
    ] {
        let clock = Clock::system();
        let sessions = Sessions::over(transport, &clock, 7000, SessionLimits::STANDARD);
        assert_eq!(sessions.cookie_name(), name);
        let id = Token::random();
        let value = id.reveal();
        let attributes = format!("HttpOnly; SameSite=Strict; Path=/{secure}");
        assert_eq!(
            sessions.set_cookie(&id),
            format!("{name}={}; {attributes}; Max-Age=43200", value.as_str())
        );
        assert_eq!(
            sessions.clear_cookie(),
            format!("{name}=; {attributes}; Max-Age=0")
        );
    }
}

#[test]
fn whoever_waits_for_the_end_hears_of_it_last_and_with_the_table_too() {
    let (sessions, _hand) = sessions();
    let prove = |claim: &Claim| sessions.prove(Some(&claim.cookie), Some(&claim.proof));
    let (revoked, left) = (claim(&sessions, None), claim(&sessions, None));
    let (revoked, left) = (prove(&revoked).unwrap(), prove(&left).unwrap());
    let waiting = revoked.clone();
    let early = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&early);
    sessions.on_end(move |_, _| {
        let told = waiting.ended().now_or_never().is_some();
        *heard.lock().unwrap() = Some((waiting.life.is_over(), told));
    });
    assert!(revoked.ended().now_or_never().is_none());
    assert!(sessions.revoke(revoked.id.as_str(), EndReason::Revoked));
    assert_eq!(*early.lock().unwrap(), Some((true, false)));
    assert!(revoked.ended().now_or_never().is_some());
    assert!(left.ended().now_or_never().is_none());
    drop(sessions);
    assert!(left.ended().now_or_never().is_some());
}
