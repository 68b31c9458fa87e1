use std::sync::Arc;

use super::{Ask, Caller, Proven, Unproven, sealed};
use crate::origin::Origin;
use crate::policy::CallerKind;
use crate::refusal::Rule;
use crate::rules::origin;

/// A page, by the `Origin` that its browser wrote. It proves nothing else.
#[derive(Debug)]
pub struct Page;

/// The origins that may knock: http and https, and the schemes that are named.
#[derive(Clone, Debug, Default)]
pub struct Askers(Arc<[String]>);

impl Askers {
    /// Pages of http, https and of `schemes`.
    #[must_use]
    pub fn new(schemes: &[String]) -> Self {
        Self(schemes.into())
    }

    /// Whether a page of `origin` may ask.
    #[must_use]
    pub fn allow(&self, origin: &Origin) -> bool {
        let scheme = origin.as_str().split("://").next().unwrap_or_default();
        !origin.is_opaque()
            && (matches!(scheme, "http" | "https") || self.0.iter().any(|named| named == scheme))
    }
}

impl sealed::Sealed for Page {}

impl Caller for Page {
    const KIND: CallerKind = CallerKind::Page;
    type Book = Askers;
    type Proof = Origin;

    fn prove(book: &Askers, ask: &Ask<'_>) -> Result<Proven<Origin>, Unproven> {
        match origin::read(ask.head)? {
            None => Err(Rule::OriginMissing.into()),
            Some(origin) if book.allow(&origin) => Ok(Proven::bare(origin)),
            Some(_) => Err(Rule::OriginNotAllowed.into()),
        }
    }

    fn knows(book: &Askers, origin: &Origin) -> bool {
        book.allow(origin)
    }
}
