//! `GET /api/events`: what happens, as it happens.
//!
//! Server-sent-event framing, read with `fetch`, because `EventSource` cannot
//! send the tab proof. Heartbeats every fifteen seconds; ids, so that a tab that
//! was away catches up; ends with its session.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_guard::events::{Event, Subscription};
use doorward_guard::table::sessions::SessionProof;
use doorward_guard::{Answer, BoxError, Call, Permit, Policy, Session, Surface};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use crate::bridge::House;

const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream outlives its session by this at most.
const FAREWELL: Duration = Duration::from_millis(800);

/// The event stream. Its own surface: outside of the in-flight and drain limits.
pub(super) fn surface(house: &Arc<House>) -> Surface<Session, House> {
    let sessions = Arc::clone(house.sessions());
    Surface::new(
        "events",
        "/api/events",
        Policy::console_events(),
        sessions,
        Arc::clone(house),
    )
    .get("/", listen)
}

struct Listener {
    session: SessionProof,
    subscription: Subscription,
    beat: Instant,
    greeted: bool,
    over: bool,
}

async fn listen(house: Arc<House>, permit: Permit<Session>, call: Call) -> Answer {
    let seen = call.header("last-event-id").and_then(|id| id.parse().ok());
    let listener = Listener {
        session: permit.proof().clone(),
        subscription: house.events().subscribe(seen),
        beat: Instant::now() + HEARTBEAT,
        greeted: false,
        over: false,
    };
    let session = permit.proof().clone();
    let frames = stream::unfold(listener, |mut listener| async {
        let text = listener.next().await?;
        Some((Ok::<_, BoxError>(Frame::data(text)), listener))
    });
    Answer::stream(StatusCode::OK, StreamBody::new(frames))
        .header(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))
        .until(async move {
            session.ended().await;
            // Time for a tab that reads to hear why.
            tokio::time::sleep(FAREWELL).await;
        })
}

impl Listener {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if !self.greeted {
            self.greeted = true;
            return Some(self.catch_up());
        }
        loop {
            tokio::select! {
                // What happened is told before that it is over.
                biased;
                event = self.subscription.live.recv() => match event {
                    Ok(event) if event.is_for(&self.session.id) => {
                        self.over = event.kind == "session.ended";
                        return Some(frame(&event));
                    }
                    Ok(_of_others) => {}
                    Err(RecvError::Lagged(_)) => return Some(resync()),
                    Err(RecvError::Closed) => return None,
                },
                () = self.session.ended() => return None,
                () = sleep_until(self.beat) => {
                    self.beat = Instant::now() + HEARTBEAT;
                    return Some(Bytes::from_static(b": beat\n\n"));
                }
            }
        }
    }

    fn catch_up(&mut self) -> Bytes {
        let mut text = b": here\n\n".to_vec();
        if self.subscription.gap {
            text.extend_from_slice(&resync());
        }
        for event in std::mem::take(&mut self.subscription.missed) {
            if event.is_for(&self.session.id) {
                text.extend_from_slice(&frame(&event));
            }
        }
        text.into()
    }
}

fn frame(event: &Event) -> Bytes {
    // JSON text has no line breaks of its own.
    format!(
        "id: {}\nevent: {}\ndata: {}\n\n",
        event.id, event.kind, event.data
    )
    .into()
}

fn resync() -> Bytes {
    Bytes::from_static(b"event: resync\ndata: {}\n\n")
}
