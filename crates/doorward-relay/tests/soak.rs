//! What takes too long for every change: `cargo xtask soak`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod room;

use std::time::Duration;

use doorward_relay::{LiveKit, Messages, RelayOptions};
use futures_util::{SinkExt as _, StreamExt as _};
use room::{Room, SLACK, SWITCH, connect, listen, options, put, read_head, room};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

const CLOSES: usize = 10_000;
const CYCLES: usize = 100_000;
/// Cycles after which everything that is made once has been made.
const WARM: usize = 5_000;

fn both_kinds() -> [RelayOptions; 2] {
    let mapped = RelayOptions {
        messages: Messages::LiveKit(LiveKit::default()),
        ..options()
    };
    [options(), mapped]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask soak"]
async fn r14_the_last_frames_before_a_close_are_never_lost_in_ten_thousand_runs() {
    let room = room().await;
    let (listener, url) = listen().await;
    let leave = put(8, &[&[0x10, 3]]);
    let said = leave.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let said = said.clone();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                socket.send(Message::binary(said)).await.unwrap();
                socket.close(None).await.unwrap();
            });
        }
    });
    for how in both_kinds() {
        let minted = room.open(&url, &how);
        for at in 0..CLOSES / 2 {
            let mut socket = connect(&room, &minted, "/rtc").await;
            let first = timeout(SLACK, socket.next()).await.unwrap();
            assert_eq!(first.unwrap().unwrap().into_data()[..], leave, "run {at}");
            let second = timeout(SLACK, socket.next()).await.unwrap();
            assert!(second.unwrap().unwrap().is_close(), "run {at}");
            drop(socket);
            idle(&room, 8).await;
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask soak"]
async fn r30_a_hundred_thousand_connections_leave_no_descriptor_and_no_memory_behind() {
    let room = room().await;
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                read_head(&mut stream).await;
                let answer = format!("{SWITCH}\r\n\u{2}\u{2}\u{1a}\0\u{8}\u{2}");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.write_all(&[3, 0xe8]).await;
            });
        }
    });
    let targets = both_kinds().map(|how| format!("{}/rtc", room.path(&room.open(&url, &how))));
    let mut warm = None;
    for at in 0..CYCLES {
        let target = &targets[at % targets.len()];
        let mut client = room.send("GET", target, true, "").await;
        match at % 3 {
            // Before the answer, in the middle, at the end.
            0 => {}
            1 => {
                timeout(SLACK, client.read_u8()).await.unwrap().unwrap();
            }
            _ => {
                let mut all = Vec::new();
                timeout(SLACK, client.read_to_end(&mut all))
                    .await
                    .unwrap()
                    .unwrap();
            }
        }
        drop(client);
        idle(&room, 8).await;
        if at == WARM {
            idle(&room, 0).await;
            warm = Some((descriptors(), resident()));
        }
    }
    idle(&room, 0).await;
    let (files, memory) = warm.unwrap();
    // A few are on their way to be closed.
    let more_files = descriptors().saturating_sub(files);
    assert!(more_files <= 32, "{more_files} descriptors more");
    let more_memory = resident().saturating_sub(memory);
    assert!(more_memory < 16 << 20, "{more_memory} bytes more");
}

/// Waits until at most `most` connections are open.
async fn idle(room: &Room, most: usize) {
    for _ in 0..60_000 {
        if room.relay.totals().connections <= most {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("connections stay open");
}

#[cfg(target_os = "linux")]
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Bytes of this process in memory.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes: usize = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kilobytes * 1024
}
