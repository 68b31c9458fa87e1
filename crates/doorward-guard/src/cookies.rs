//! `Cookie` lines, where what other local apps set lies beside what is ours.

/// The values of all cookies called `name` in one line. What else is in it is
/// passed over. No quoting: browsers know none (RFC 6265 §5.4).
pub(crate) fn called<'a>(line: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    pairs(line).filter_map(|pair| {
        let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        let value = rest.trim_ascii_start().strip_prefix(b"=")?;
        Some(value.trim_ascii())
    })
}

fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = memchr::memchr(b';', line);
        rest = end.and_then(|end| line.get(end.saturating_add(1)..));
        line.get(..end.unwrap_or(line.len()))
    })
}
