//! The daemon's native socket, from the other side.

use std::time::Duration;

use doorward::NATIVE_HOST;
use doorward::runtime::{Instance, RuntimeDir, RuntimeInfo};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::failure::{Code, Failure};

/// The daemon is on this machine: what takes longer has gone wrong, or waits for
/// somebody to unlock a keyring.
const WITHIN: Duration = Duration::from_secs(60);
/// The longest answer: a full page of grants is a tenth of it.
const ANSWER: usize = 4 * 1024 * 1024;

/// A running doorward.
#[derive(Debug)]
pub(crate) struct Client {
    info: RuntimeInfo,
}

impl Client {
    /// Finds the instance, if it runs.
    pub(crate) fn find(instance: &Instance) -> Result<Option<Self>, Failure> {
        let running = RuntimeDir::open()?.find()?;
        let info = running.into_iter().find(|info| info.instance == *instance);
        Ok(info.map(|info| Self { info }))
    }

    /// As [`Client::find`]; it must run.
    pub(crate) fn of(instance: &Instance) -> Result<Self, Failure> {
        Self::find(instance)?.ok_or_else(|| Failure::not_running(instance))
    }

    /// What its runtime file says.
    pub(crate) fn info(&self) -> &RuntimeInfo {
        &self.info
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let asked = tokio::time::timeout(WITHIN, self.ask(method, path, body)).await;
        let (status, bytes) = asked.map_err(|_| {
            silent("it did not answer in time").next("`doorward doctor` looks into it.")
        })??;
        if status.is_success() {
            serde_json::from_slice(&bytes).map_err(silent)
        } else {
            Err(denied(status, &bytes))
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let stream = UnixStream::connect(&self.info.socket)
            .await
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                    Failure::not_running(&self.info.instance)
                }
                _ => silent(error),
            })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(silent)?;
        let connection = tokio::spawn(connection);
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(silent)?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static(NATIVE_HOST));
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Full::new(body.to_string().into());
        }
        let answer = sender.send_request(request).await.map_err(silent)?;
        let status = answer.status();
        let whole = Limited::new(answer.into_body(), ANSWER).collect().await;
        let whole = whole.map_err(silent)?.to_bytes();
        connection.abort();
        Ok((status, whole))
    }
}

/// It is there and makes no sense.
fn silent(error: impl std::fmt::Display) -> Failure {
    Failure::new(
        Code::Failed,
        "noAnswer",
        "doorward runs, but cannot be asked",
    )
    .why(error)
}

/// A denial, in words.
fn denied(status: StatusCode, body: &[u8]) -> Failure {
    let denial: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| denial.get(name).and_then(Value::as_str);
    let code = match status.as_u16() {
        401 | 403 | 429 => Code::Refused,
        _ => Code::Failed,
    };
    let name = text("denial").unwrap_or("denied");
    let what = match code {
        Code::Refused => "doorward refused",
        _ => "doorward could not do it",
    };
    let message = text("message").unwrap_or("it did not say why");
    let failure = Failure::new(code, name, what).why(message);
    match (status.is_server_error(), text("requestId")) {
        (true, Some(id)) => failure.next(format!("Request {id} in the log tells more.")),
        _ => failure,
    }
}
