//! A server that says what a test wants, for what no real one can be made to say.

use std::sync::Arc;

use doorward_operator::{Gateway, Place};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use super::common::dialer;
use super::{database, look};
use doorward_operator::postgres::PostgresGateway;

/// Authentication messages.
pub(crate) const SIGNED_IN: u32 = 0;
pub(crate) const SASL: u32 = 10;
pub(crate) const CHALLENGE: u32 = 11;
pub(crate) const VOUCHES: u32 = 12;

/// The server's end of a connection that has begun.
pub(crate) struct Talk {
    stream: Box<dyn Duplex>,
}

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

impl Talk {
    async fn over(stream: impl Duplex + 'static) -> Self {
        let mut talk = Self {
            stream: Box::new(stream),
        };
        let length = talk.stream.read_u32().await.unwrap();
        talk.body(length).await.unwrap();
        talk
    }

    /// The next message, unless the other side is gone.
    pub(crate) async fn heard(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await.ok()?;
        let length = self.stream.read_u32().await.ok()?;
        Some((kind, self.body(length).await?))
    }

    async fn body(&mut self, length: u32) -> Option<Vec<u8>> {
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(body)
    }

    /// The other side may have hung up over what was said before.
    pub(crate) async fn say(&mut self, messages: &[u8]) {
        let _ = self.stream.write_all(messages).await;
    }

    pub(crate) async fn asks(&mut self, code: u32, said: &[u8]) {
        self.say(&message(b'R', &[&code.to_be_bytes(), said].concat()))
            .await;
    }

    /// Everything up to the next time that an answer is waited for: the kinds, and the
    /// text of the statement among it.
    pub(crate) async fn asked(&mut self) -> Option<(Vec<u8>, String)> {
        let (mut kinds, mut said) = (Vec::new(), String::new());
        loop {
            let (kind, body) = self.heard().await?;
            if matches!(kind, b'P' | b'Q') {
                said = String::from_utf8_lossy(&body).into_owned();
            }
            kinds.push(kind);
            if matches!(kind, b'S' | b'Q') {
                return Some((kinds, said));
            }
        }
    }

    /// Signs anybody in, and answers as `table` says until they leave.
    pub(crate) async fn serve(mut self, mut table: impl FnMut(&str) -> Table + Send) {
        self.asks(SIGNED_IN, b"").await;
        self.say(&ready()).await;
        let mut now = Table::default();
        while let Some((kinds, said)) = self.asked().await {
            let mut answer = Vec::new();
            for kind in kinds {
                match kind {
                    b'Q' => answer.extend(message(b'C', b"DONE\0")),
                    b'P' => {
                        now = table(&said);
                        answer.extend(message(b'1', b""));
                        answer.extend(now.described());
                    }
                    b'B' => answer.extend(message(b'2', b"")),
                    b'E' => {
                        answer.extend(now.rows());
                        answer.extend(message(b'C', b"SELECT 1\0"));
                    }
                    b'C' => answer.extend(message(b'3', b"")),
                    _ => {}
                }
            }
            answer.extend(ready());
            self.say(&answer).await;
        }
    }
}

/// What a statement takes and gives: types by their numbers.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) parameters: Vec<u32>,
    pub(crate) columns: Vec<u32>,
    pub(crate) row: Vec<Option<Vec<u8>>>,
    pub(crate) times: usize,
}

impl Table {
    fn described(&self) -> Vec<u8> {
        let mut taken = count(self.parameters.len());
        for ty in &self.parameters {
            taken.extend(ty.to_be_bytes());
        }
        let mut given = count(self.columns.len());
        for ty in &self.columns {
            // Name, table, column, type, size, modifier, format.
            given.extend(b"c\0\0\0\0\0\0\0");
            given.extend(ty.to_be_bytes());
            given.extend([0, 4, 0, 0, 0, 0, 0, 1]);
        }
        [message(b't', &taken), message(b'T', &given)].concat()
    }

    fn rows(&self) -> Vec<u8> {
        let mut row = count(self.row.len());
        for cell in &self.row {
            match cell {
                None => row.extend((-1i32).to_be_bytes()),
                Some(cell) => {
                    row.extend(u32::try_from(cell.len()).unwrap().to_be_bytes());
                    row.extend(cell);
                }
            }
        }
        message(b'D', &row).repeat(self.times)
    }
}

pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn count(count: usize) -> Vec<u8> {
    u16::try_from(count).unwrap().to_be_bytes().to_vec()
}

/// On a port, where it has to prove what it is.
pub(crate) async fn on_a_port<F: Future<Output = ()> + Send + 'static>(
    script: impl FnOnce(Talk) -> F + Send + 'static,
) -> (Arc<dyn Gateway>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        script(Talk::over(stream).await).await;
    });
    (at(place), serving)
}

/// On a socket, by whose owner it is known.
pub(crate) fn on_a_socket<F: Future<Output = ()> + Send + 'static>(
    script: impl FnOnce(Talk) -> F + Send + 'static,
) -> (Arc<dyn Gateway>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let place = Place::parse(&format!("unix:{}", path.display())).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        script(Talk::over(stream).await).await;
    });
    (at(place), folder)
}

fn at(place: Place) -> Arc<dyn Gateway> {
    let database = database(vec![look("one", &[], "select one")]);
    Arc::new(PostgresGateway::new(place, &dialer(), database))
}
