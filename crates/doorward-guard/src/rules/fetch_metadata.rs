//! Fetch Metadata (`Sec-Fetch-*`): what the browser means to do with the answer.
//!
//! Browsers send it only to trustworthy addresses, and Chromium not at all on
//! WebSocket handshakes: its absence is never proof of anything.

use http::request::Parts;

use crate::policy::FetchRule;
use crate::refusal::{Refusal, Rule};

/// What a browser said.
#[derive(Default)]
struct Said<'a> {
    site: Option<&'a str>,
    mode: Option<&'a str>,
    dest: Option<&'a str>,
}

/// What a grant lets its answer be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    /// In an `<iframe>`, `<embed>` or `<object>`.
    pub framed: bool,
    /// As a document of its own when another page links to it.
    pub document: bool,
}

/// Refuses by policy, before the caller is known.
///
/// # Errors
///
/// [`Rule::FetchMetadataRejected`], [`Rule::DestinationNotAllowed`].
pub fn check(rule: FetchRule, head: &Parts) -> Result<(), Refusal> {
    let Said { site, mode, dest } = read(head)?;
    match rule {
        FetchRule::Any => Ok(()),
        FetchRule::Page => match (site, dest) {
            // Nothing frames the console, itself included.
            (_, Some(dest @ ("iframe" | "frame" | "fencedframe" | "embed" | "object"))) => {
                Err(rejected(dest))
            }
            (None | Some("none" | "same-origin"), _) => Ok(()),
            (Some(other), _) => Err(rejected(other)),
        },
        FetchRule::Api => match (site, mode, dest) {
            (
                None | Some("same-origin"),
                None | Some("cors" | "same-origin"),
                None | Some("empty"),
            ) => Ok(()),
            (site, mode, dest) => Err(rejected(&format!("{site:?} {mode:?} {dest:?}"))),
        },
        FetchRule::Media => match dest {
            None
            | Some(
                "empty" | "image" | "video" | "audio" | "track" | "iframe" | "frame" | "embed"
                | "object" | "document",
            ) => Ok(()),
            Some(other) => Err(Refusal::from(Rule::DestinationNotAllowed).note(other)),
        },
        FetchRule::Relay => match dest {
            None | Some("empty" | "websocket") => Ok(()),
            Some(other) => Err(Refusal::from(Rule::DestinationNotAllowed).note(other)),
        },
    }
}

/// Refuses uses that the grant does not allow.
///
/// # Errors
///
/// [`Rule::DestinationNotAllowed`].
pub fn check_grant(uses: Uses, head: &Parts) -> Result<(), Refusal> {
    let Said { site, dest, .. } = read(head)?;
    let allowed = match dest {
        Some("iframe" | "frame" | "embed" | "object") => uses.framed,
        // Typed or pasted into the address bar, or harmless as a page.
        Some("document") => uses.document || site == Some("none"),
        _ => true,
    };
    if allowed {
        Ok(())
    } else {
        Err(Rule::DestinationNotAllowed.into())
    }
}

/// In one pass: most requests say all three.
fn read(head: &Parts) -> Result<Said<'_>, Refusal> {
    let mut said = Said::default();
    for (name, value) in &head.headers {
        let place = match name.as_str().strip_prefix("sec-fetch-") {
            Some("site") => &mut said.site,
            Some("mode") => &mut said.mode,
            Some("dest") => &mut said.dest,
            _ => continue,
        };
        let text = value.to_str().map_err(|_| Rule::MalformedRequest)?;
        if place.replace(text).is_some() {
            return Err(Rule::FetchMetadataRejected.into());
        }
    }
    Ok(said)
}

fn rejected(note: &str) -> Refusal {
    Refusal::from(Rule::FetchMetadataRejected).note(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn t38_only_our_own_page_may_call_the_api() {
        assert!(check(FetchRule::Api, &head(&[])).is_ok());
        let own = [
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
        ];
        assert!(check(FetchRule::Api, &head(&own)).is_ok());
        for site in ["same-site", "cross-site", "none", "SAME-ORIGIN", ""] {
            assert!(
                check(FetchRule::Api, &head(&[("sec-fetch-site", site)])).is_err(),
                "{site}"
            );
        }
        for mode in ["navigate", "no-cors", "websocket"] {
            assert!(
                check(FetchRule::Api, &head(&[("sec-fetch-mode", mode)])).is_err(),
                "{mode}"
            );
        }
    }

    #[test]
    fn op_o5_the_page_is_opened_by_itself_and_framed_by_nobody() {
        for site in ["none", "same-origin"] {
            let page = [("sec-fetch-site", site), ("sec-fetch-dest", "document")];
            assert!(check(FetchRule::Page, &head(&page)).is_ok(), "{site}");
            for dest in ["iframe", "frame", "fencedframe", "embed", "object"] {
                let framed = [("sec-fetch-site", site), ("sec-fetch-dest", dest)];
                assert!(check(FetchRule::Page, &head(&framed)).is_err(), "{dest}");
            }
        }
        assert!(check(FetchRule::Page, &head(&[("sec-fetch-site", "same-site")])).is_err());
    }

    #[test]
    fn t43_media_is_never_a_script_or_style() {
        for dest in [
            "script",
            "style",
            "worker",
            "sharedworker",
            "serviceworker",
            "manifest",
            "xslt",
            "font",
            "report",
            "audioworklet",
            "paintworklet",
            "webidentity",
            "json",
            "",
        ] {
            let refused = check(FetchRule::Media, &head(&[("sec-fetch-dest", dest)]));
            assert_eq!(
                refused.map_err(|r| r.rule()),
                Err(Rule::DestinationNotAllowed),
                "{dest}"
            );
        }
    }

    #[test]
    fn r8_the_relay_answers_sockets_and_fetch_alone() {
        for dest in ["empty", "websocket"] {
            assert!(check(FetchRule::Relay, &head(&[("sec-fetch-dest", dest)])).is_ok());
        }
        assert!(check(FetchRule::Relay, &head(&[])).is_ok());
        for dest in [
            "document", "iframe", "image", "script", "style", "video", "",
        ] {
            let refused = check(FetchRule::Relay, &head(&[("sec-fetch-dest", dest)]));
            assert!(refused.is_err(), "{dest}");
        }
    }

    #[test]
    fn m10_frames_and_pages_are_as_the_grant_says() {
        let plain = Uses {
            framed: false,
            document: false,
        };
        let framed = Uses {
            framed: true,
            document: false,
        };
        let page = Uses {
            framed: false,
            document: true,
        };
        let frame = head(&[
            ("sec-fetch-dest", "iframe"),
            ("sec-fetch-site", "same-site"),
        ]);
        assert!(check_grant(plain, &frame).is_err());
        assert!(check_grant(framed, &frame).is_ok());
        let linked = head(&[
            ("sec-fetch-dest", "document"),
            ("sec-fetch-site", "cross-site"),
        ]);
        assert!(check_grant(plain, &linked).is_err());
        assert!(check_grant(page, &linked).is_ok());
        let typed = head(&[("sec-fetch-dest", "document"), ("sec-fetch-site", "none")]);
        assert!(check_grant(plain, &typed).is_ok());
        assert!(check_grant(plain, &head(&[("sec-fetch-dest", "video")])).is_ok());
    }
}
