//! The XML that a store answers with: an error, or one page of a bucket.

use std::time::SystemTime;

use chrono::DateTime;
use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Elements inside of elements. A listing has three.
const DEEPEST: usize = 16;

/// One page of a bucket.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    /// Folders: keys up to and including the next slash.
    pub(super) prefixes: Vec<String>,
    /// There is another page, and this continues with it.
    pub(super) next: Option<String>,
}

/// One object of a page.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
}

/// The `Code` of an error document.
pub(super) fn error_code(xml: &[u8]) -> Option<String> {
    let mut code = None;
    walk(xml, |path, text| {
        if path.ends_with(&["Error".to_owned(), "Code".to_owned()]) {
            code = is_code(text).then(|| text.to_owned());
        }
    })?;
    code
}

/// Whether it can be a store's code, and nothing else.
pub(super) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Reads Azure's `EnumerationResults`. `None` if it is not one.
pub(super) fn azure_page(xml: &[u8]) -> Option<Page> {
    let mut page = Page::default();
    let mut object = Object::default();
    let mut is_listing = false;
    walk(xml, |path, text| {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some((&"EnumerationResults", below)) = names.split_first() else {
            return;
        };
        match below {
            [] => is_listing = true,
            ["NextMarker"] => page.next = Some(text.to_owned()).filter(|next| !next.is_empty()),
            ["Blobs", "Blob", "Name"] => object.key = text.to_owned(),
            ["Blobs", "Blob", "Properties", "Content-Length"] => {
                object.size = text.trim().parse().ok();
            }
            ["Blobs", "Blob", "Properties", "Last-Modified"] => {
                object.modified = httpdate::parse_http_date(text.trim()).ok();
            }
            ["Blobs", "Blob"] => page.objects.push(std::mem::take(&mut object)),
            ["Blobs", "BlobPrefix", "Name"] => page.prefixes.push(text.to_owned()),
            _ => {}
        }
    })?;
    is_listing.then_some(page)
}

/// Reads a `ListBucketResult`. `None` if it is not one.
pub(super) fn page(xml: &[u8]) -> Option<Page> {
    let mut page = Page::default();
    let mut object = Object::default();
    let mut truncated = false;
    let mut is_listing = false;
    walk(xml, |path, text| {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["ListBucketResult"] => is_listing = true,
            ["ListBucketResult", "IsTruncated"] => truncated = text.trim() == "true",
            ["ListBucketResult", "NextContinuationToken"] => page.next = Some(text.to_owned()),
            ["ListBucketResult", "Contents", "Key"] => object.key = text.to_owned(),
            ["ListBucketResult", "Contents", "Size"] => object.size = text.trim().parse().ok(),
            ["ListBucketResult", "Contents", "LastModified"] => {
                object.modified = DateTime::parse_from_rfc3339(text.trim())
                    .ok()
                    .map(SystemTime::from);
            }
            ["ListBucketResult", "Contents"] => page.objects.push(std::mem::take(&mut object)),
            ["ListBucketResult", "CommonPrefixes", "Prefix"] => page.prefixes.push(text.to_owned()),
            _ => {}
        }
    })?;
    page.next = page.next.filter(|next| truncated && !next.is_empty());
    is_listing.then_some(page)
}

/// Calls `visit` at the end of every element with the names down to it and its
/// own text; where Azure calls that `Encoded`, decoded. Entities are the five that XML knows and character references: no
/// document type is read. `None` if it is not XML.
fn walk(xml: &[u8], mut visit: impl FnMut(&[String], &str)) -> Option<()> {
    let text = std::str::from_utf8(xml).ok()?;
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut own = String::new();
    let mut encoded = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                if path.len() >= DEEPEST {
                    return None;
                }
                path.push(start.local_name().as_ref().to_owned());
                encoded = start
                    .try_get_attribute("Encoded")
                    .ok()?
                    .is_some_and(|attribute| &*attribute.value == "true");
                own.clear();
            }
            Event::Empty(start) => {
                path.push(start.local_name().as_ref().to_owned());
                visit(&path, "");
                path.pop();
                own.clear();
            }
            Event::End(_) => {
                if std::mem::take(&mut encoded) {
                    own = percent_decode_str(&own).decode_utf8().ok()?.into_owned();
                }
                visit(&path, &own);
                path.pop();
                own.clear();
            }
            Event::Text(text) => own.push_str(&text),
            Event::CData(text) => own.push_str(&text),
            Event::GeneralRef(reference) => own.push(match &*reference {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                _ => reference.resolve_char_ref().ok()??,
            }),
            Event::Eof => return path.is_empty().then_some(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::DocType(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m33_a_page_keeps_keys_as_they_are() {
        let page = page(
            br#"<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Name>b</Name><IsTruncated>true</IsTruncated><NextContinuationToken>t=/+</NextContinuationToken>
            <Contents><Key>/a &amp; b+%20/../ &#x1;&#xfc;</Key><LastModified>2026-11-23T10:00:00.000Z</LastModified>
            <ETag>&quot;x&quot;</ETag><Size>18446744073709551615</Size><Owner><ID>Key</ID></Owner></Contents>
            <Contents><Key>plain</Key><Size>-1</Size></Contents>
            <CommonPrefixes><Prefix>dir &lt;1>/</Prefix></CommonPrefixes></ListBucketResult>"#,
        )
        .unwrap();
        assert_eq!(page.next.as_deref(), Some("t=/+"));
        let keys: Vec<_> = page
            .objects
            .iter()
            .map(|object| object.key.as_str())
            .collect();
        assert_eq!(keys, ["/a & b+%20/../ \u{1}\u{fc}", "plain"]);
        assert_eq!(page.objects[0].size, Some(u64::MAX));
        assert!(page.objects[0].modified.is_some() && page.objects[1].size.is_none());
        assert_eq!(page.prefixes, ["dir <1>/"]);
    }

    #[test]
    fn a_page_of_azure_keeps_names_as_they_are() {
        let page = azure_page(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://a.blob.core.windows.net/\" ContainerName=\"c\"><Prefix>d/</Prefix><Blobs>\
            <Blob><Name>d/a &amp; b</Name><Properties><Last-Modified>Wed, 09 Sep 2009 09:20:02 GMT</Last-Modified><Content-Length>7</Content-Length></Properties></Blob>\
            <Blob><Name Encoded=\"true\">d/%EF%BF%BE%25</Name><Properties><Content-Length>-1</Content-Length></Properties></Blob>\
            <BlobPrefix><Name>d/e/</Name></BlobPrefix></Blobs><NextMarker>m=/</NextMarker></EnumerationResults>"
                .as_bytes(),
        )
        .unwrap();
        let keys: Vec<_> = page.objects.iter().map(|object| &*object.key).collect();
        assert_eq!(keys, ["d/a & b", "d/\u{fffe}%"]);
        assert_eq!(
            (page.objects[0].size, page.objects[1].size),
            (Some(7), None)
        );
        assert!(page.objects[0].modified.is_some());
        assert_eq!(
            (&*page.prefixes, page.next.as_deref()),
            (&["d/e/".to_owned()][..], Some("m=/"))
        );
        let last = azure_page(b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>");
        assert!(last.unwrap().next.is_none());
        assert!(azure_page(b"<ListBucketResult></ListBucketResult>").is_none());
    }

    #[test]
    fn what_is_not_a_listing_is_none() {
        let bomb = "<a>".repeat(1000);
        for text in [
            "",
            "hello",
            "<html></html>",
            "<ListBucketResult>",
            &bomb,
            "<!DOCTYPE a [<!ENTITY x \"y\">]><ListBucketResult></ListBucketResult>",
            "<ListBucketResult>&x;</ListBucketResult>",
        ] {
            assert!(page(text.as_bytes()).is_none(), "{text:.40}");
        }
    }

    #[test]
    fn m34_the_code_of_an_error_is_found() {
        let code = |text: &str| error_code(text.as_bytes());
        assert_eq!(
            code("<Error><Code>NoSuchKey</Code><Message>m</Message></Error>").as_deref(),
            Some("NoSuchKey")
        );
        assert_eq!(code("<Error><Code>a b\r\n</Code></Error>"), None);
        assert_eq!(code("not found"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = (page(&bytes), azure_page(&bytes), error_code(&bytes));
        }

        #[test]
        fn any_markup_is_read_without_a_panic(text in "[<>/&;#x!\\[\\]a-c0-9 \"=?-]{0,80}") {
            let _ = (page(text.as_bytes()), azure_page(text.as_bytes()), error_code(text.as_bytes()));
        }
    }
}
