//! The proof that the guard let a request in.

use crate::caller::Caller;
use crate::id::RequestId;
use crate::origin::Origin;

/// A caller of kind `C` was proven. Handlers take it by value; only the guard
/// can make one, so a handler cannot run without it.
#[derive(Debug)]
pub struct Permit<C: Caller> {
    proof: C::Proof,
    origin: Option<Origin>,
    request_id: RequestId,
}

impl<C: Caller> Permit<C> {
    pub(crate) fn new(proof: C::Proof, origin: Option<Origin>, request_id: RequestId) -> Self {
        Self {
            proof,
            origin,
            request_id,
        }
    }

    /// Who calls.
    #[must_use]
    pub fn proof(&self) -> &C::Proof {
        &self.proof
    }

    /// From which page, if the browser said.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Finds this request in the audit and the log.
    #[must_use]
    pub fn request_id(&self) -> String {
        self.request_id.to_string()
    }
}
