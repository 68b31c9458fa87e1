//! Whom to believe.

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;

use crate::EgressError;

/// The certificates to trust: the platform's, and extra roots on top.
///
/// Nothing turns verification off, and TLS 1.2 is the oldest that is spoken.
/// Cheap to clone; the platform's roots are read on the first use of TLS.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    extra: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// The platform's roots alone.
    #[must_use]
    pub fn platform() -> Self {
        Self(Arc::new(Inner {
            extra: Vec::new(),
            config: OnceLock::new(),
        }))
    }

    /// The platform's roots and every certificate of these PEM texts.
    ///
    /// # Errors
    ///
    /// [`EgressError::Roots`] when a text holds no certificate or a broken one.
    pub fn with_extra_pem<'a>(
        texts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, EgressError> {
        let mut extra = Vec::new();
        let mut readable = RootCertStore::empty();
        for text in texts {
            let before = extra.len();
            for certificate in CertificateDer::pem_slice_iter(text) {
                let certificate =
                    certificate.map_err(|error| EgressError::Roots(error.to_string()))?;
                readable
                    .add(certificate.clone())
                    .map_err(|error| EgressError::Roots(error.to_string()))?;
                extra.push(certificate);
            }
            if extra.len() == before {
                return Err(EgressError::Roots(
                    "no certificate in the PEM text".to_owned(),
                ));
            }
        }
        Ok(Self(Arc::new(Inner {
            extra,
            config: OnceLock::new(),
        })))
    }

    /// The configuration for one handshake; made on first use.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, EgressError> {
        if let Some(config) = self.0.config.get() {
            return Ok(Arc::clone(config));
        }
        let roots = |error: rustls::Error| EgressError::Roots(error.to_string());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            Verifier::new_with_extra_roots(self.0.extra.iter().cloned(), Arc::clone(&provider))
                .map_err(roots)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(roots)?
            .dangerous() // rustls' name for any verifier but its own; this one is the platform's
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::clone(self.0.config.get_or_init(|| Arc::new(config))))
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::platform()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_certificates_are_refused() {
        for text in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\nnope\n-----END CERTIFICATE-----\n",
        ] {
            assert!(matches!(
                Trust::with_extra_pem([text.as_bytes()]),
                Err(EgressError::Roots(_))
            ));
        }
    }
}
