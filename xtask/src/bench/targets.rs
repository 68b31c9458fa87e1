//! The targets: what is held against whom, and how far it is to reach.

use super::book::{Book, Goal};
use super::media::{CONNECTIONS, streams};

/// Makes the rows of everything that was measured.
pub(super) fn rows(book: &mut Book) {
    for connections in CONNECTIONS {
        let work = format!("store, {}", streams(connections));
        book.compare(
            &work,
            &["nginx", "haproxy", "rclone"],
            "MB/s",
            Goal::AtLeast(1.0),
        );
        book.compare(&work, &["nginx"], "CPU s/GiB", Goal::AtMost(0.6));
    }
    for connections in [1, 8] {
        let work = format!("store over TLS, {}", streams(connections));
        book.compare(&work, &["reqwest"], "MB/s", Goal::AtLeast(1.0));
    }
    let work = "objects of 16 KiB, 16 connections";
    book.compare(work, &["nginx"], "requests/s", Goal::AtLeast(1.0));
    book.compare(work, &["reference"], "requests/s", Goal::AtLeast(3.0));
    book.compare(
        "random ranges of 64 KiB",
        &["nginx"],
        "ms p50",
        Goal::AtMost(1.0),
    );
    book.compare(
        "far store, steady",
        &["one GET"],
        "MB/s",
        Goal::AtLeast(5.0),
    );
    book.compare(
        "far store, seek of 4 MiB",
        &["one GET"],
        "ms p50",
        Goal::AtMost(0.3),
    );
    book.figure("far store, second look", "doorward", "requests", 0.0);
    book.figure("slow stream of a store", "doorward", "KiB", 64.0);
    book.figure("slow stream of a file", "doorward", "KiB", 64.0);
    for connections in CONNECTIONS {
        let work = format!("local file, {}", streams(connections));
        book.compare(&work, &["nginx sendfile"], "MB/s", Goal::AtLeast(1.0));
        book.compare(&work, &["nginx sendfile"], "CPU s/GiB", Goal::AtMost(1.2));
    }
    let work = "local files of 16 KiB, 16 connections";
    book.compare(work, &["nginx sendfile"], "requests/s", Goal::AtLeast(0.8));
}
