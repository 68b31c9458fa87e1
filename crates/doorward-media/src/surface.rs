//! `/m/<token>`: bytes.

use std::sync::Arc;

use doorward_guard::{Answer, Call, Capability, Permit, Policy, Surface};

use crate::error::MediaError;
use crate::grant::MediaGrant;
use crate::media::Media;
use crate::play::play;

impl Media {
    /// The bytes of every grant, for the content listener. Preflights and HEAD
    /// come with it.
    #[must_use]
    pub fn surface(self: &Arc<Self>) -> Surface<Capability<MediaGrant>, Self> {
        let book = Arc::clone(&self.grants);
        Surface::new("media", "/m", Policy::media(), book, Arc::clone(self)).get("/{token}", bytes)
    }
}

async fn bytes(
    media: Arc<Media>,
    permit: Permit<Capability<MediaGrant>>,
    call: Call,
) -> Result<Answer, MediaError> {
    let grant = permit.proof();
    grant.touch(media.clock.now());
    let answer = match media.stats.request(grant) {
        Ok(()) => {
            let (method, headers) = (call.method(), call.headers());
            play(grant, &media.stats, &media.clock, method, headers).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &answer {
        media.stats.failed(grant, error);
    }
    answer
}
