//! Whom to believe.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;
use sha2::{Digest as _, Sha256};

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
    pins: Vec<SpkiPin>,
    config: OnceLock<Arc<ClientConfig>>,
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpkiPin(pub [u8; 32]);

/// The platform's verdict, and then the pins.
#[derive(Debug)]
struct Pinned {
    inner: Verifier,
    pins: Vec<SpkiPin>,
}

impl Trust {
    /// The platform's roots alone.
    #[must_use]
    pub fn platform() -> Self {
        Self(Arc::new(Inner {
            extra: Vec::new(),
            pins: Vec::new(),
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
            pins: Vec::new(),
            config: OnceLock::new(),
        })))
    }

    /// The same, and the server's own key must be one of `pins` besides. No pins:
    /// no such rule.
    #[must_use]
    pub fn with_pins(&self, pins: impl IntoIterator<Item = SpkiPin>) -> Self {
        Self(Arc::new(Inner {
            extra: self.0.extra.clone(),
            pins: pins.into_iter().collect(),
            config: OnceLock::new(),
        }))
    }

    /// The same without pins: for a proxy, which is not the pinned server.
    pub(crate) fn without_pins(&self) -> Self {
        if self.0.pins.is_empty() {
            self.clone()
        } else {
            self.with_pins([])
        }
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
        let verifier: Arc<dyn ServerCertVerifier> = if self.0.pins.is_empty() {
            Arc::new(verifier)
        } else {
            Arc::new(Pinned {
                inner: verifier,
                pins: self.0.pins.clone(),
            })
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(roots)?
            .dangerous() // rustls' name for any verifier but its own; this one is the platform's
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::clone(self.0.config.get_or_init(|| Arc::new(config))))
    }
}

// === impl SpkiPin ===

impl SpkiPin {
    /// Reads `sha256//BASE64`, as curl's `--pinnedpubkey` takes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digest = STANDARD.decode(text.strip_prefix("sha256//")?).ok()?;
        digest.try_into().ok().map(Self)
    }

    /// The pin of a certificate. `None` if it cannot be read.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        Some(Self(
            Sha256::digest(parsed.subject_public_key_info()).into(),
        ))
    }
}

// === impl Pinned ===

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        match SpkiPin::of(end_entity) {
            Some(pin) if self.pins.contains(&pin) => Ok(verdict),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
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
