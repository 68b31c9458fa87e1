//! Stamps: HMAC-SHA256 of the time, by a secret of 64 hexadecimal digits whose text,
//! not whose bytes, is the key.

use std::collections::HashMap;

use doorward_guard::caller::Transport;
use doorward_guard::{Origin, Secret};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use sha2::Sha256;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::id::hex;
use super::origin::normalise;
use crate::defaults;
use crate::encoding::same;

const SECRET_HEADER: &str = "x-companion-secret";
const TIME_HEADER: &str = "x-companion-timestamp";

/// What a request says of itself. Nothing of it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The page.
    pub origin: Origin,
    /// Seconds since 1970, as they were sent.
    pub time: String,
    /// The stamp.
    pub mac: String,
}

/// Why a stamp is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampRefusal {
    /// A part is missing: which, in Sambee's words.
    Missing(&'static str),
    /// The origin is none, or another than the browser says.
    OriginNotAllowed,
    /// Nobody is paired there.
    NotPaired,
    /// The time is no number.
    TimeMalformed,
    /// The time is not now.
    Stale,
    /// The secret did not make it.
    Invalid,
}

/// The secrets of pages that are paired so, by origin. One has two only while a
/// second pairing is not yet told to it.
#[derive(Debug, Default)]
pub struct Secrets(HashMap<Origin, Vec<(String, Secret<32>)>>);

/// A secret as its page gets it: 64 hexadecimal digits.
#[must_use]
pub fn secret_text(secret: &Secret<32>) -> Zeroizing<String> {
    Zeroizing::new(hex(secret.bytes()))
}

/// The stamp of `secret` for `time`, in hexadecimal.
#[must_use]
pub fn stamp(secret: &Secret<32>, time: &str) -> String {
    // The text has exactly a block's length, so it is the key as it is.
    let text = secret_text(secret);
    let mut block = Zeroizing::new([0; 64]);
    for (place, byte) in block.iter_mut().zip(text.as_bytes()) {
        *place = *byte;
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(time.as_bytes());
    hex(&mac.finalize().into_bytes())
}

impl Presented {
    /// Reads it where it may stand.
    ///
    /// # Errors
    ///
    /// [`StampRefusal::Missing`], [`StampRefusal::OriginNotAllowed`].
    pub fn read(head: &Parts, by: Transport) -> Result<Self, StampRefusal> {
        match by {
            Transport::Headers => Self::in_headers(head),
            Transport::Query => Self::in_query(
                head,
                [
                    "Missing hmac query param",
                    "Missing ts query param",
                    "Missing origin query param",
                ],
            ),
            Transport::Either => match Self::in_headers(head) {
                Err(StampRefusal::Missing(_)) => Self::in_query(
                    head,
                    [
                        "Missing authentication (headers or query params)",
                        "Missing timestamp in query params",
                        "Missing origin in query params",
                    ],
                ),
                read => read,
            },
        }
    }

    fn in_headers(head: &Parts) -> Result<Self, StampRefusal> {
        let one = |name: &str, missing| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.ok_or(StampRefusal::Missing(missing))
        };
        let origin = one("origin", "Missing Origin header")?;
        let mac = one(SECRET_HEADER, "Missing X-Companion-Secret header")?;
        let time = one(TIME_HEADER, "Missing X-Companion-Timestamp header")?;
        Ok(Self {
            origin: normalise(origin).ok_or(StampRefusal::OriginNotAllowed)?,
            time: time.to_owned(),
            mac: mac.to_owned(),
        })
    }

    fn in_query(head: &Parts, missing: [&'static str; 3]) -> Result<Self, StampRefusal> {
        let query = head.uri.query().unwrap_or_default();
        let one = |name: &str, missing| {
            let mut fields = form_urlencoded::parse(query.as_bytes());
            let found = fields.find(|(key, _)| key == name);
            let value = found.map(|(_, value)| value.into_owned());
            value.ok_or(StampRefusal::Missing(missing))
        };
        let [no_mac, no_time, no_origin] = missing;
        let mac = one("hmac", no_mac)?;
        let time = one("ts", no_time)?;
        let origin = normalise(&one("origin", no_origin)?);
        let origin = origin.ok_or(StampRefusal::OriginNotAllowed)?;
        // A URL that another page got hold of is not that page's.
        let browser = head.headers.get("origin");
        if browser.is_some_and(|said| said.as_bytes() != origin.as_str().as_bytes()) {
            return Err(StampRefusal::OriginNotAllowed);
        }
        Ok(Self { origin, time, mac })
    }
}

impl Secrets {
    /// `key_id` is a pairing of `origin` from now on.
    pub fn admit(&mut self, origin: &Origin, key_id: &str, secret: Secret<32>) {
        let of_page = self.0.entry(origin.clone()).or_default();
        of_page.retain(|(id, _)| id != key_id);
        of_page.push((key_id.to_owned(), secret));
    }

    /// It is one no longer.
    pub fn revoke(&mut self, key_id: &str) {
        for of_page in self.0.values_mut() {
            of_page.retain(|(id, _)| id != key_id);
        }
        self.0.retain(|_, of_page| !of_page.is_empty());
    }

    /// The pairings of `origin`.
    #[must_use]
    pub fn of(&self, origin: &Origin) -> Vec<String> {
        let of_page = self.0.get(origin).into_iter().flatten();
        of_page.map(|(id, _)| id.clone()).collect()
    }

    /// Whether anybody is paired.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairing that made what is presented; `now` is in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`StampRefusal`].
    pub fn verify(&self, presented: &Presented, now: u64) -> Result<&str, StampRefusal> {
        let of_page = self.0.get(&presented.origin);
        let of_page = of_page.ok_or(StampRefusal::NotPaired)?;
        let time = presented.time.parse::<u64>();
        let time = time.map_err(|_| StampRefusal::TimeMalformed)?;
        if now.abs_diff(time) > defaults::STAMP_GOOD {
            return Err(StampRefusal::Stale);
        }
        let made = of_page.iter().find(|(_, secret)| {
            let right = stamp(secret, &presented.time);
            same(right.as_bytes(), presented.mac.as_bytes())
        });
        made.map(|(id, _)| id.as_str()).ok_or(StampRefusal::Invalid)
    }
}

impl StampRefusal {
    /// What Sambee says, where it is more than the rule.
    #[must_use]
    pub fn detail(self) -> Option<&'static str> {
        match self {
            Self::Missing(what) => Some(what),
            Self::TimeMalformed => Some("Invalid timestamp format"),
            Self::OriginNotAllowed | Self::NotPaired | Self::Stale | Self::Invalid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn page() -> Origin {
        Origin::parse("http://localhost:3000").unwrap()
    }

    #[test]
    fn a_stamp_is_what_another_implementation_makes() {
        let secret = Secret::from_bytes([0xab; 32]);
        assert_eq!(*secret_text(&secret), "ab".repeat(32));
        assert_eq!(
            stamp(&secret, "1790000000"),
            "93b13be916717d2a99fad5802ef816d0eadef4daa9887e3118c67c90b642f794"
        );
    }

    #[test]
    fn s1_a_stamp_is_good_for_its_time_its_page_and_its_secret_alone() {
        let mut secrets = Secrets::default();
        assert!(secrets.is_empty());
        let (one, two) = (Secret::random(), Secret::random());
        secrets.admit(&page(), "one", one.clone());
        let present = |secret: &Secret<32>, time: &str| Presented {
            origin: page(),
            time: time.to_owned(),
            mac: stamp(secret, time),
        };
        for (time, verdict) in [
            ("1000", Ok("one")),
            ("970", Ok("one")),
            ("1030", Ok("one")),
            ("969", Err(StampRefusal::Stale)),
            ("1031", Err(StampRefusal::Stale)),
            ("", Err(StampRefusal::TimeMalformed)),
            ("1e3", Err(StampRefusal::TimeMalformed)),
            ("-1000", Err(StampRefusal::TimeMalformed)),
        ] {
            assert_eq!(
                secrets.verify(&present(&one, time), 1000),
                verdict,
                "{time}"
            );
        }
        let wrong = present(&two, "1000");
        assert_eq!(secrets.verify(&wrong, 1000), Err(StampRefusal::Invalid));
        let mut shouted = present(&one, "1000");
        shouted.mac = shouted.mac.to_uppercase();
        assert_eq!(secrets.verify(&shouted, 1000), Err(StampRefusal::Invalid));
        let mut elsewhere = present(&one, "1000");
        elsewhere.origin = Origin::parse("http://localhost:3001").unwrap();
        assert_eq!(
            secrets.verify(&elsewhere, 1000),
            Err(StampRefusal::NotPaired)
        );
        // While a second pairing is not told, both are good; then one.
        secrets.admit(&page(), "two", two.clone());
        assert_eq!(secrets.verify(&wrong, 1000), Ok("two"));
        assert_eq!(secrets.of(&page()), ["one", "two"]);
        secrets.revoke("one");
        let old = present(&one, "1000");
        assert_eq!(secrets.verify(&old, 1000), Err(StampRefusal::Invalid));
        secrets.revoke("two");
        assert_eq!(secrets.verify(&old, 1000), Err(StampRefusal::NotPaired));
    }

    #[test]
    fn s2_a_stamp_stands_where_it_may_and_nowhere_else() {
        let full = "/x?hmac=m&ts=1&origin=http:%2F%2Flocalhost:3000";
        let headers = [
            ("origin", "http://localhost:3000"),
            ("x-companion-secret", "m"),
            ("x-companion-timestamp", "1"),
        ];
        let good = Presented {
            origin: page(),
            time: "1".to_owned(),
            mac: "m".to_owned(),
        };
        let missing = |what| Err(StampRefusal::Missing(what));
        let read = |uri, headers: &[_], by| Presented::read(&head(uri, headers), by);
        assert_eq!(read("/x", &headers, Transport::Headers), Ok(good.clone()));
        assert_eq!(read("/x", &headers, Transport::Either), Ok(good.clone()));
        assert_eq!(read(full, &[], Transport::Either), Ok(good.clone()));
        assert_eq!(read(full, &headers[..1], Transport::Query), Ok(good));
        assert_eq!(
            read(full, &[], Transport::Headers),
            missing("Missing Origin header")
        );
        assert_eq!(
            read(full, &headers[..1], Transport::Headers),
            missing("Missing X-Companion-Secret header")
        );
        assert_eq!(
            read(full, &headers[..2], Transport::Headers),
            missing("Missing X-Companion-Timestamp header")
        );
        assert_eq!(
            read("/x", &headers, Transport::Query),
            missing("Missing hmac query param")
        );
        assert_eq!(
            read("/x?hmac=m", &[], Transport::Query),
            missing("Missing ts query param")
        );
        assert_eq!(
            read("/x?hmac=m&ts=1", &[], Transport::Query),
            missing("Missing origin query param")
        );
        assert_eq!(
            read("/x", &[], Transport::Either),
            missing("Missing authentication (headers or query params)")
        );
        let other = [("origin", "http://evil.example")];
        assert_eq!(
            read(full, &other, Transport::Query),
            Err(StampRefusal::OriginNotAllowed)
        );
        assert_eq!(
            read("/x?hmac=m&ts=1&origin=null", &[], Transport::Either),
            Err(StampRefusal::OriginNotAllowed)
        );
    }
}
