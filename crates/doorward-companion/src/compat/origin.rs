//! Origins as Sambee takes them in bodies and queries.

use doorward_guard::Origin;
use url::Url;

/// The origin of what a page says that it is: scheme, host and port of an http or
/// https URL, the rest thrown away. `None` for anything else, `null` among it.
#[must_use]
pub fn normalise(text: &str) -> Option<Origin> {
    let url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    Origin::parse(&url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_sambee_reads_them() {
        for (written, meant) in [
            ("https://App.Example", "https://app.example"),
            ("https://u@Host:443/x?y#z", "https://host"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            (
                "https://b\u{fc}cher.example",
                "https://xn--bcher-kva.example",
            ),
        ] {
            assert_eq!(normalise(written).unwrap().as_str(), meant);
        }
        for wrong in [
            "",
            "null",
            "file:///etc",
            "tauri://localhost",
            "app.example",
            "https://",
        ] {
            assert_eq!(normalise(wrong), None, "{wrong}");
        }
    }
}
