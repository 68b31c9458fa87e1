//! `/api/viewer`: files as they are, to be shown or saved.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use doorward_companion::defaults;
use doorward_companion::drives::{DriveError, Reading};
use doorward_guard::caller::{Stamped, Transport};
use doorward_guard::{Answer, BoxError, Call, Policy, Refusal, Rule, Surface};
use doorward_media::disposition::content_disposition;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;

use super::super::Companion;
use super::book::Roll;
use super::browse::At;
use super::{Permitted, refused, said};

impl Companion {
    pub(super) fn compat_viewer(self: &Arc<Self>) -> Surface<Stamped<Roll>, Self> {
        Surface::new(
            "compatViewer",
            "/api/viewer",
            Policy::dangerous_stamped_reading(),
            self.compat.stamps.by(Transport::Either),
            Arc::clone(self),
        )
        .get("/{drive}/file", show)
        .get("/{drive}/download", download)
    }

    async fn hand_out(
        &self,
        permit: &Permitted,
        call: Call,
        attachment: bool,
    ) -> Result<Answer, Refusal> {
        let At { path } = call.query()?;
        let spot = self.spot(permit, call.param("drive"), &path).await?;
        let reading = self.at_once(permit).read(spot).await;
        let Reading {
            file,
            size,
            name,
            media_type,
        } = reading.map_err(|error| match error {
            DriveError::NotAFile => said(Rule::NotAFile, "Cannot view a directory"),
            error => refused(error),
        })?;
        let kind = media_type.and_then(|kind| HeaderValue::from_str(&kind).ok());
        let octets = || HeaderValue::from_static("application/octet-stream");
        Ok(
            Answer::stream(StatusCode::OK, StreamBody::new(pieces(file, size)))
                .header(CONTENT_TYPE, kind.unwrap_or_else(octets))
                .header(CONTENT_LENGTH, HeaderValue::from(size))
                .header(CONTENT_DISPOSITION, content_disposition(attachment, &name)),
        )
    }
}

async fn show(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    room.hand_out(&permit, call, false).await
}

async fn download(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    room.hand_out(&permit, call, true).await
}

/// The first `size` bytes of `file`. One that has become shorter breaks off.
fn pieces(
    file: File,
    size: u64,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>> + Send {
    let begin = (Arc::new(file), size);
    stream::try_unfold(begin, |(file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let reader = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || {
            let most = left.min(defaults::COMPAT_PIECE as u64);
            let mut piece = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
            (&*reader).take(most).read_to_end(&mut piece).map(|_| piece)
        });
        let piece = read.await??;
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if length == 0 {
            return Err("the file has become shorter".into());
        }
        let left = left.saturating_sub(length);
        Ok(Some((Frame::data(Bytes::from(piece)), (file, left))))
    })
}
