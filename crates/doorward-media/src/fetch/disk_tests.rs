use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _};

use super::super::stock::Edition;
use super::*;
use crate::name::Key;

const SIZE: u64 = 100 * BLOCK;
/// What is there beside the places of what is being written.
const KEPT: usize = 10;
const ALL: usize = KEPT + defaults::DISK_WRITES * 8;
const BYTES: u64 = (BLOCK + SEAL) * ALL as u64;

fn piece(number: u64) -> Piece {
    let key = Key::parse("film.mp4").unwrap();
    Edition::new(1, &key, "\"1\"".to_owned(), SIZE).block(number * BLOCK)
}

fn content(number: u64) -> Bytes {
    vec![u8::try_from(number + 1).unwrap(); usize::try_from(BLOCK).unwrap()].into()
}

fn disk(bytes: u64) -> Arc<Disk> {
    Arc::new(Disk::on(tempfile::tempfile().unwrap(), bytes).unwrap())
}

/// Writes pieces, and waits until that is over.
async fn put(disk: &Arc<Disk>, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        disk.put(piece(number), content(number));
        let all = u32::try_from(defaults::DISK_WRITES).unwrap();
        drop(disk.writes.acquire_many(all).await.unwrap());
    }
}

async fn get(disk: &Disk, number: u64) -> Option<Bytes> {
    disk.find(&piece(number))?.read().await.unwrap()
}

#[tokio::test]
async fn a_piece_comes_back_as_it_was() {
    let disk = disk(4 * BYTES);
    assert_eq!(get(&disk, 0).await, None);
    put(&disk, [0, 1]).await;
    assert_eq!(get(&disk, 0).await, Some(content(0)));
    assert_eq!(get(&disk, 1).await, Some(content(1)));
    for length in [1, BLOCK_LENGTH - 1, BLOCK_LENGTH + 1, 8 * BLOCK_LENGTH] {
        let number = u64::try_from(length % 90 + 2).unwrap();
        let bytes: Bytes = (0..length).map(|at| (at % 251) as u8).collect();
        disk.put(piece(number), bytes.clone());
        put(&disk, [0]).await;
        assert!(get(&disk, number).await == Some(bytes), "{length}");
    }
}

#[tokio::test]
async fn the_budget_holds_and_what_is_read_is_not_written_over() {
    let disk = disk(BYTES);
    put(&disk, [0]).await;
    let held = disk.find(&piece(0)).unwrap();
    for round in 0..5 {
        put(&disk, (1..60).map(|number| number + round % 2)).await;
    }
    assert!(disk.places.file.metadata().unwrap().len() <= BYTES);
    let kept: Vec<_> = (0..64).filter(|number| disk.has(&piece(*number))).collect();
    assert!((1..=KEPT).contains(&kept.len()), "{kept:?}");
    for number in kept {
        assert_eq!(get(&disk, number).await, Some(content(number)));
    }
    assert_eq!(held.read().await.unwrap(), Some(content(0)));
    // Once nobody reads them, all places are free but those of what is kept.
    let kept = disk.index.len();
    assert_eq!(disk.places.free().len(), ALL - kept);
}

#[tokio::test]
async fn the_file_shows_nothing_and_damage_is_a_miss() {
    let disk = disk(BYTES);
    put(&disk, [7, 8]).await;
    let mut raw = Vec::new();
    let mut file = disk.places.file.try_clone().unwrap();
    file.rewind().unwrap();
    file.read_to_end(&mut raw).unwrap();
    assert!(raw.len() > 100_000);
    assert!(
        !raw.windows(8)
            .any(|bytes| bytes == [8; 8] || bytes == [9; 8])
    );
    positional::write_all_at(&file, &[raw[1000] ^ 1], 1000).unwrap();
    assert_eq!(get(&disk, 7).await, None);
    assert_eq!(get(&disk, 8).await, Some(content(8)));
    file.set_len(10).unwrap();
    assert_eq!(get(&disk, 8).await, None, "cut short");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_keeps_nothing_and_loses_no_place() {
    let full = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/full")
        .unwrap();
    let disk = Arc::new(Disk::on(full, BYTES).unwrap());
    put(&disk, 0..50).await;
    assert!(!disk.has(&piece(0)));
    assert_eq!(disk.places.free().len(), ALL);
}

const _: () = assert!(
    BYTES <= 16 * 1024 * 1024,
    "what the docs of Media say is enough"
);

#[test]
fn too_little_is_refused() {
    for bytes in [0, BLOCK, BYTES - 3 * (BLOCK + SEAL)] {
        let error = Disk::on(tempfile::tempfile().unwrap(), bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
