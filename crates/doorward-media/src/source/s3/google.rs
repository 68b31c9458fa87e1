//! Tokens for Google's stores, issued to a service account: a signed assertion
//! goes to the token service, and a bearer token for an hour comes back
//! (RFC 7523, "Using OAuth 2.0 for Server to Server Applications").

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use doorward_egress::{AddressPolicy, Client, Dialer, Trust};
use doorward_guard::Clock;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::renew::{Issued, Provide, Providing};
use super::whole;
use crate::error::MediaError;

/// We only ever read.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_only";
const TOKEN_SERVICE: &str = "https://oauth2.googleapis.com/token";
/// The longest that an assertion may be good for.
const ASSERTION_LIFE: Duration = Duration::from_secs(60 * 60);
/// A token service's answer; tokens are about a kilobyte.
const LONGEST: usize = 64 * 1024;

const UNUSABLE: &str =
    "The service account of this source is not a key file of Google's. Make a new JSON key for it.";
const REFUSED: &str = "Google does not issue a token to the service account of this source. Check that its key is still there.";
const UNREACHABLE: &str =
    "Google's token service cannot be reached. Check the network, then try again.";

/// A service account with its key. The key is not printed.
pub struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: RsaKeyPair,
    token_service: Uri,
    client: Client,
    clock: Clock,
}

/// The parts of the key file that are needed.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: Zeroizing<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: Zeroizing<String>,
    expires_in: u64,
}

// === impl ServiceAccount ===

impl ServiceAccount {
    /// Reads a JSON key file. Its token service must be a public `https` one.
    ///
    /// # Errors
    ///
    /// [`MediaError::CredentialsUnavailable`] for anything else than such a file.
    pub fn parse(json: &str, clock: &Clock) -> Result<Self, MediaError> {
        Self::parse_for(json, clock, AddressPolicy::public())
    }

    /// As [`ServiceAccount::parse`], for a token service in a local network too.
    ///
    /// # Errors
    ///
    /// As [`ServiceAccount::parse`].
    pub fn parse_local(json: &str, clock: &Clock) -> Result<Self, MediaError> {
        let addresses = AddressPolicy::public().with_local_networks();
        Self::parse_for(json, clock, addresses)
    }

    fn parse_for(json: &str, clock: &Clock, addresses: AddressPolicy) -> Result<Self, MediaError> {
        let unusable = |what: &str| MediaError::CredentialsUnavailable(UNUSABLE, what.to_owned());
        // What serde says may repeat what it read.
        let file: KeyFile = serde_json::from_str(json).map_err(|_| unusable("not a key file"))?;
        if file.kind != "service_account" {
            return Err(unusable("another kind of key file"));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes())
            .map_err(|_| unusable("no key in PKCS #8"))?;
        let key =
            RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| unusable("no RSA key"))?;
        let token_service = file.token_uri.as_deref().unwrap_or(TOKEN_SERVICE);
        let token_service: Uri = token_service
            .parse()
            .map_err(|_| unusable("the token service is no URL"))?;
        let public = addresses == AddressPolicy::public();
        if public && token_service.scheme_str() != Some("https") {
            return Err(unusable("the token service is not asked by https"));
        }
        Ok(Self {
            email: file.client_email,
            key_id: file.private_key_id,
            key,
            token_service,
            client: Client::new(Dialer::new(addresses, Trust::platform())),
            clock: clock.clone(),
        })
    }

    async fn issue(&self) -> Result<Issued, MediaError> {
        let now = self.clock.wall();
        let refused = |what: &str| MediaError::CredentialsUnavailable(REFUSED, what.to_owned());
        let assertion = self.assertion(now).ok_or_else(|| refused("not signed"))?;
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
            *assertion
        );
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.token_service.clone();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let unreachable = |error: &dyn fmt::Display| {
            MediaError::CredentialsUnavailable(UNREACHABLE, error.to_string())
        };
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(unreachable(&status.as_u16()));
        }
        if status != StatusCode::OK {
            return Err(refused(status.as_str()));
        }
        let body = whole(answer.into_body(), LONGEST).await?;
        let token: Token = serde_json::from_slice(&body).map_err(|_| refused("no token"))?;
        Ok(Issued {
            credentials: Credentials::bearer(&token.access_token)?,
            expires: now.checked_add(Duration::from_secs(token.expires_in)),
            region: None,
        })
    }

    /// A JWT, signed. `None` if the clock stands before 1970 or the key is too
    /// short to sign with.
    fn assertion(&self, now: SystemTime) -> Option<Zeroizing<String>> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let head = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = serde_json::json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_service.to_string(),
            "iat": since,
            "exp": since + ASSERTION_LIFE.as_secs(),
        });
        let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let text = format!("{}.{}", part(&head), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Some(Zeroizing::new(format!("{text}.{signature}")))
    }

    /// The public half of the key, as PKCS #1: what an assertion is checked by.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }
}

impl Provide for ServiceAccount {
    fn provide(&self) -> Providing<'_> {
        Box::pin(self.issue())
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceAccount(..)")
    }
}
