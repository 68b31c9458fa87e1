//! Which bytes are read and which are left to the connection.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::future::poll_fn;
use std::sync::Arc;

use doorward_guard::raw::is_placeholder;

use super::super::super::Read;
use super::super::{Folder, RelPath, open};
use super::*;

const LENGTH: u64 = 300_000;

/// The chunks of a file that lies on a disk of this machine.
async fn chunks(folder: &tempfile::TempDir) -> FileChunks {
    std::fs::write(folder.path().join("a.bin"), vec![7; 300_000]).unwrap();
    let opened = Arc::new(Folder::open(folder.path()).unwrap());
    let path = RelPath::parse("a.bin").unwrap();
    let file = open(opened, path, None).await.unwrap();
    let Read::Bytes(reading) = file.read(None) else {
        unreachable!("everything is asked for");
    };
    match reading.chunks {
        crate::source::Chunks::File(mut chunks) => {
            // Whatever the tests run on.
            chunks.cache = Cache::Asked;
            chunks
        }
        crate::source::Chunks::Stored(_) => unreachable!("it is a file"),
    }
}

async fn next(chunks: &mut FileChunks) -> Option<Result<Bytes, MediaError>> {
    poll_fn(|cx| chunks.poll_next(cx)).await
}

#[tokio::test]
async fn unarmed_every_byte_is_read_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut chunks = chunks(&folder).await;
    let mut all = Vec::new();
    while let Some(bytes) = next(&mut chunks).await {
        let bytes = bytes.unwrap();
        assert!(!is_placeholder(&bytes));
        all.extend_from_slice(&bytes);
    }
    assert_eq!(all, vec![7; 300_000]);
}

#[tokio::test]
async fn armed_all_but_the_end_is_left_to_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let mut chunks = chunks(&folder).await;
    let lane = Arc::new(Lane::default());
    chunks.raw().unwrap().arm(&lane);
    let first = next(&mut chunks).await.unwrap().unwrap();
    assert!(is_placeholder(&first));
    assert_eq!(first.len() as u64, LENGTH - CHUNK);
    let Some(Piece::File { at, length, .. }) = lane.next() else {
        unreachable!("a piece was promised");
    };
    assert_eq!((at, length), (0, first.len()));
    lane.sent(length);
    let last = next(&mut chunks).await.unwrap().unwrap();
    assert_eq!(last, vec![7; 65_536]);
    assert!(next(&mut chunks).await.is_none());
}

#[tokio::test]
async fn m20_a_change_after_the_last_piece_is_seen_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut chunks = chunks(&folder).await;
    chunks.raw().unwrap().arm(&Arc::default());
    next(&mut chunks).await.unwrap().unwrap();
    let file = File::options()
        .write(true)
        .open(folder.path().join("a.bin"));
    file.unwrap().set_len(LENGTH + 1).unwrap();
    assert!(matches!(
        next(&mut chunks).await,
        Some(Err(MediaError::Changed))
    ));
    assert!(next(&mut chunks).await.is_none());
}

#[tokio::test]
async fn behind_an_unknown_file_system_nothing_is_sent_raw() {
    let folder = tempfile::tempdir().unwrap();
    let mut chunks = chunks(&folder).await;
    chunks.cache = Cache::Unknown;
    assert!(chunks.raw().is_none());
    assert!(!is_placeholder(&next(&mut chunks).await.unwrap().unwrap()));
}

#[test]
fn bytes_that_are_brought_into_the_cache_are_held_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    std::fs::write(&path, vec![7; 300_000]).unwrap();
    let file = File::open(path).unwrap();
    cached::warm(&file, 100, 299_900).unwrap();
    assert!(cached::warm(&file, 100, 299_901).is_err(), "behind the end");
    assert!(!Cache::Unknown.holds(&file, 0, 1));
    assert!(Cache::Always.holds(&file, 0, 1));
}
