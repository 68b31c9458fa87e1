//! What a request may name of an upstream: a path of its list, and nothing that
//! two parsers read differently.

/// The paths of an upstream that a grant opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths(Vec<Box<str>>);

impl Paths {
    /// What LiveKit's clients ask for: `/rtc` and all beneath it, the list of
    /// regions, and the `HEAD /` that warms the connection.
    #[must_use]
    pub fn livekit() -> Self {
        Self::beneath(["/rtc", "/settings/regions"])
    }

    /// These paths and all beneath them. `/` opens everything.
    pub fn beneath<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        Self(
            paths
                .into_iter()
                .map(|path| path.trim_end_matches('/').into())
                .collect(),
        )
    }

    /// Whether `path` is open; `/` alone always is, to `HEAD`.
    #[must_use]
    pub fn open(&self, path: &str, head: bool) -> bool {
        if path == "/" && head {
            return true;
        }
        self.0.iter().any(|open| {
            path.strip_prefix(&**open)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// The path of `target` beneath its first two segments (`/r/<token>`), and its
/// query. `None` for what is no plain path: another form of target, empty or dot
/// segments, backslashes, `@`, `;`, encoded slashes, dots or control
/// bytes, bytes above 0x7F.
#[must_use]
pub fn beneath_token(target: &http::Uri) -> Option<(&str, Option<&str>)> {
    if target.scheme().is_some() || target.authority().is_some() {
        return None;
    }
    let path = target.path().strip_prefix('/')?;
    let (_prefix, path) = path.split_once('/')?;
    let path = match path.find('/') {
        Some(at) => path.get(at..)?,
        None => "/",
    };
    let query = target.query();
    let readable = query.is_none_or(|query| query.bytes().all(|byte| byte.is_ascii_graphic()));
    (readable && is_plain(path)).then_some((path, query))
}

fn is_plain(path: &str) -> bool {
    let clean = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:%".contains(&byte));
    if !clean || path.contains("//") {
        return false;
    }
    let dots = |segment: &str| segment == "." || segment == "..";
    if path.split('/').any(dots) {
        return false;
    }
    path.match_indices('%').all(|(at, _)| {
        let digits = path.get(at + 1..at + 3).unwrap_or_default();
        match u8::from_str_radix(digits, 16) {
            Ok(byte) => {
                digits.bytes().all(|digit| digit.is_ascii_hexdigit())
                    && !byte.is_ascii_control()
                    && !b"/\\.%@?#".contains(&byte)
            }
            Err(_) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stand_on_segment_borders() {
        let paths = Paths::livekit();
        for open in [
            "/rtc",
            "/rtc/v1",
            "/rtc/validate",
            "/rtc/v1/validate",
            "/settings/regions",
        ] {
            assert!(paths.open(open, false), "{open}");
        }
        for shut in [
            "/",
            "/rtcx",
            "/twirp/livekit.RoomService/ListRooms",
            "/settings",
            "",
        ] {
            assert!(!paths.open(shut, false), "{shut}");
        }
        assert!(paths.open("/", true));
        assert!(Paths::beneath(["/"]).open("/anything", false));
    }

    #[test]
    fn r5_what_two_parsers_read_differently_is_refused() {
        for bad in [
            "/r/t//rtc",
            "/r/t/rtc//v1",
            "/r/t/rtc/../x",
            "/r/t/./rtc",
            "/r/t/rtc/..",
            "/r/t/rtc%2f..",
            "/r/t/rtc%2Fv1",
            "/r/t/%5c",
            "/r/t/%2e%2e/x",
            "/r/t/@evil.com",
            "/r/t/rtc%00",
            "/r/t/%",
            "/r/t/%4",
            "/r/t/%zz",
            "/r/t/%+4",
            "/r/t/a%25",
            "/r/t/a;b",
            "http://127.0.0.1/r/t/rtc",
            "/r",
            "/",
        ] {
            if let Ok(uri) = bad.parse::<http::Uri>() {
                assert_eq!(beneath_token(&uri), None, "{bad}");
            }
        }
        for (good, path) in [
            ("/r/t", "/"),
            ("/r/t/", "/"),
            ("/r/t/rtc", "/rtc"),
            ("/r/t/rtc/v1?a=/../@x", "/rtc/v1"),
            ("/r/t/a%20b", "/a%20b"),
        ] {
            let uri: http::Uri = good.parse().unwrap();
            assert_eq!(beneath_token(&uri).unwrap().0, path, "{good}");
        }
    }
}
