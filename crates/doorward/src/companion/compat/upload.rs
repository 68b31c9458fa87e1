//! `/api/browse/{drive}/upload`: a file in a form, of any size, written as it arrives.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use doorward_companion::defaults;
use doorward_companion::drives::Receiving;
use doorward_guard::{Answer, Call, Payload, Refusal, Rule};
use http::header::CONTENT_TYPE;
use http_body_util::BodyDataStream;
use multer::{Field, Multipart};
use serde_json::json;

use super::super::Companion;
use super::browse::At;
use super::{Permitted, refused, said};

pub(super) async fn upload(
    room: Arc<Companion>,
    permit: Permitted,
    call: Call,
) -> Result<Answer, Refusal> {
    let At { path } = call.query()?;
    let spot = room.spot(&permit, call.param("drive"), &path).await?;
    let kind = call.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| Rule::UnsupportedContentType)?;
    let Payload::Stream(body) = call.into_payload() else {
        return Err(Rule::UnsupportedContentType.into());
    };
    // Others wait their turn elsewhere: this many are read at once.
    let place = Arc::clone(&room.compat.uploads).try_acquire_owned();
    let _place = place.map_err(|_| Rule::Busy)?;
    let mut form = Multipart::new(BodyDataStream::new(body), boundary);
    let mut file = loop {
        let field = form.next_field().await.map_err(|error| broken(&error))?;
        let Some(field) = field else {
            return Err(said(Rule::UnexpectedForm, "Missing 'file' field"));
        };
        if field.name() == Some("file") {
            break field;
        }
    };
    let mut receiving = room.at_once(&permit).receive(spot).await.map_err(refused)?;
    let size = take(&mut receiving, &mut file).await?;
    drop(file);
    // Whole is what has its end.
    while form
        .next_field()
        .await
        .map_err(|error| broken(&error))?
        .is_some()
    {}
    let entry = receiving.finish().await.map_err(refused)?;
    let modified = entry.modified_at.as_deref().unwrap_or_default();
    Ok(Answer::json(&json!({
        "status": "ok",
        "path": entry.path,
        "size": size,
        "last_modified": modified.strip_suffix('Z').map(|at| format!("{at}+00:00")),
    })))
}

/// Writes a field as it arrives, in pieces that are worth a write each.
async fn take(receiving: &mut Receiving, field: &mut Field<'_>) -> Result<u64, Refusal> {
    let (mut size, mut piece) = (0_u64, BytesMut::new());
    loop {
        let chunk: Option<Bytes> = field.chunk().await.map_err(|error| broken(&error))?;
        let is_last = chunk.is_none();
        if let Some(chunk) = chunk {
            size += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            piece.extend_from_slice(&chunk);
        }
        if piece.len() >= defaults::COMPAT_PIECE || is_last && !piece.is_empty() {
            let bytes = piece.split().freeze();
            receiving.write(bytes).await.map_err(refused)?;
        }
        if is_last {
            return Ok(size);
        }
    }
}

fn broken(error: &multer::Error) -> Refusal {
    let late = match error {
        multer::Error::StreamReadFailed(why) => why
            .downcast_ref::<std::io::Error>()
            .is_some_and(|why| why.kind() == std::io::ErrorKind::TimedOut),
        _ => false,
    };
    match late {
        true => Rule::RequestTimeout.into(),
        false => Refusal::from(Rule::UnexpectedForm).note(error.to_string()),
    }
}
