//! A face that an app brings: each request comes out of a channel.

use tokio::sync::{mpsc, oneshot};

use super::approve::{Answer, Approve, Asked, Asking, News, OnScreen};

/// Requests and news that wait for an app that does not look. There is one request
/// at a time.
const AHEAD: usize = 8;

/// The face; give it to [`Approval::By`](super::Approval::By).
#[derive(Debug)]
pub struct Hook(mpsc::Sender<Hooked>);

/// Where an app hears what to show.
#[derive(Debug)]
pub struct Hooks(mpsc::Receiver<Hooked>);

/// Something to show.
#[derive(Debug)]
pub enum Hooked {
    /// A page asks.
    Request(Request),
    /// What came of it.
    News(News),
}

/// One request. Dropping it is as good as closing its window.
#[derive(Debug)]
pub struct Request {
    asked: Asked,
    on_screen: OnScreen,
    answer: oneshot::Sender<Answer>,
}

impl Hook {
    /// A face, and where its requests come out.
    #[must_use]
    pub fn new() -> (Self, Hooks) {
        let (tell, told) = mpsc::channel(AHEAD);
        (Self(tell), Hooks(told))
    }
}

impl Hooks {
    /// The next thing to show; `None` once there is no companion.
    pub async fn next(&mut self) -> Option<Hooked> {
        self.0.recv().await
    }
}

impl Request {
    /// What to show.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The window can be seen: an approval counts from one second after this.
    pub fn opened(&self) {
        self.on_screen.now();
    }

    /// Waits until the request is over without an answer: then the window goes.
    pub async fn over(&mut self) {
        self.answer.closed().await;
    }

    /// What the person said. After the end it counts for nothing.
    pub fn answer(self, answer: Answer) {
        let _ = self.answer.send(answer);
    }
}

// === impl Approve ===

impl Approve for Hook {
    fn name(&self) -> &'static str {
        "window"
    }

    fn ask<'a>(&'a self, asked: &'a Asked, on_screen: OnScreen) -> Asking<'a, Answer> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let request = Request {
                asked: asked.clone(),
                on_screen,
                answer,
            };
            if self.0.try_send(Hooked::Request(request)).is_err() {
                return Answer::NotShown;
            }
            answered.await.unwrap_or(Answer::Closed)
        })
    }

    fn tell<'a>(&'a self, news: &'a News) -> Asking<'a, ()> {
        Box::pin(async move {
            // Who does not listen has no window.
            let _ = self.0.try_send(Hooked::News(news.clone()));
        })
    }
}
