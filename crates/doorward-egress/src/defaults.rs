//! Every number of the way out, with its reason.

use std::time::Duration;

/// One address answers a SYN within this, or the next address is all we wait for.
pub const CONNECT: Duration = Duration::from_secs(5);
/// Resolving, connecting and the TLS handshake together. Browsers give a media
/// element no deadline, but people do; livekit-client gives 15 s.
pub const DIAL: Duration = Duration::from_secs(10);
/// The TLS handshake alone, a proxy's own included: two round trips and a slow
/// machine.
pub const TLS: Duration = Duration::from_secs(5);
/// The proxy's answer to CONNECT: a status line and a few header lines. Squid's
/// error pages come after the head and are not read.
pub const PROXY_ANSWER: usize = 16 * 1024;
/// The next address is tried after this while the first still connects
/// (RFC 8305 recommends 250 ms).
pub const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried at all.
pub const ADDRESSES: usize = 8;

/// The kernel's receive buffer per connection. Left to itself Linux grows it to
/// 6 MiB; 64 slow streams then hold 525-590 MB of kernel memory, capped 57-69 MB.
pub const RECEIVE_BUFFER: u32 = 256 * 1024;
/// The kernel's send buffer per connection: we send heads, hardly ever bodies.
pub const SEND_BUFFER: u32 = 64 * 1024;

/// The largest head of an answer, interim answers included, and the largest
/// chunk of a body. A stream whose reader stalls holds one such chunk at most.
pub const READ_BUFFER: usize = 64 * 1024;
/// The first chunk of a body that is longer than `READ_BUFFER`, and every chunk of one
/// whose reader is slow. It doubles while reads fill it.
pub const FIRST_CHUNK: usize = 16 * 1024;
/// It doubles after so many reads that filled it: at full size after 6 MiB. A
/// player that reads 512 KiB/s fills the kernel's buffers at once, and would hold
/// chunks as large as it filled them with from then on: 130 KiB with 4 reads, 78
/// with 32.
pub const GROW_AFTER: u8 = 128;
/// What is read at once until the head is there: room for a usual head and, behind it,
/// an object of 16 KiB, which then takes one read and goes on in one piece.
pub const HEAD_READ: usize = FIRST_CHUNK + 2 * 1024;
/// A reader that comes back for more after this is slow: at 16 KiB each time
/// that is less than 1 MB/s.
pub const SLOW_READER: Duration = Duration::from_millis(20);
/// A line of the chunked coding: a size of 16 digits, and extensions nobody uses.
pub const CHUNK_LINE: usize = 1024;
/// The trailer section of a chunked body, which is dropped.
pub const TRAILERS: usize = 8 * 1024;
/// Header lines of an answer.
pub const ANSWER_HEADERS: usize = 128;
/// Idle connections that are kept per target. WebKit asks for thousands of
/// small ranges; six at once is what one browser opens per host.
pub const IDLE_PER_TARGET: usize = 16;
/// Idle connections that are kept in all: as many as a busy folder page over a
/// few stores opens, and far from the usual limit of 1024 descriptors.
pub const IDLE_TOTAL: usize = 64;
/// An idle connection is closed after this; S3 itself closes after about 20 s.
pub const IDLE: Duration = Duration::from_secs(15);
/// Requests of one client that run at once, bodies included.
pub const IN_FLIGHT: usize = 512;
/// The head of an answer arrives within this after the request was sent.
pub const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// The next bytes of a body arrive within this once they are asked for. A slow
/// reader on our side does not count.
pub const BODY_SILENCE: Duration = Duration::from_secs(30);
