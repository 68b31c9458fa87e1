//! AWS profiles: what `~/.aws/config` and `~/.aws/credentials` say, by the SDK's
//! own reading of them. SSO, assumed roles, `credential_process`, web identity
//! and the environment. Metadata and container services are not asked: doorward
//! runs where a person sits, and connects to no such address.
//!
//! The SDK brings no HTTP stack: whatever it asks of AWS goes through our egress,
//! to public addresses, by HTTP/1.1.

use std::fmt;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::region::Region;
use bytes::Bytes;
use doorward_egress::{AddressPolicy, Client, Dialer, Trust};
use http::{Request, Response};

use super::credentials::Credentials;
use super::renew::{Issued, Provide, Providing};
use super::whole;
use crate::error::MediaError;

/// The answers of AWS's token services are a few kilobytes.
const LONGEST: usize = 256 * 1024;
/// Where roles are assumed if nobody says where.
const STS_REGION: Region = Region::from_static("us-east-1");

const MISSING: &str = "AWS has no credentials for this source: there is no such profile, or nothing in it. Check its name and ~/.aws/config.";
const WRONG: &str =
    "The AWS profile of this source cannot be used as it is written. Check ~/.aws/config.";
const FAILED: &str = "AWS issued no credentials for this source. If its profile signs in by SSO, run `aws sso login --profile NAME`; if it runs a program, see what that says.";
const SLOW: &str = "AWS did not issue credentials for this source in time. Try again.";

/// A profile; or, without a name, what the environment says: its keys, else the
/// profile that `AWS_PROFILE` names, else a web identity.
#[derive(Debug)]
pub(super) struct Profile {
    name: Option<String>,
    files: EnvConfigFiles,
    http: SharedHttpClient,
}

/// Our egress, as the SDK wants it.
#[derive(Clone)]
struct Http(Client);

// === impl Profile ===

impl Profile {
    pub(super) fn new(name: Option<&str>) -> Self {
        Self {
            name: name.map(str::to_owned),
            files: EnvConfigFiles::default(),
            http: SharedHttpClient::new(Http(Client::new(Dialer::new(
                AddressPolicy::public(),
                Trust::platform(),
            )))),
        }
    }

    async fn issue(&self) -> Result<Issued, MediaError> {
        let config = ProviderConfig::without_region().with_http_client(self.http.clone());
        let mut regions = ProfileFileRegionProvider::builder()
            .configure(&config)
            .profile_files(self.files.clone());
        let mut profiles =
            ProfileFileCredentialsProvider::builder().profile_files(self.files.clone());
        if let Some(name) = &self.name {
            regions = regions.profile_name(name);
            profiles = profiles.profile_name(name);
        }
        let region = regions.build().region().await;
        let config = config.with_region(Some(region.clone().unwrap_or(STS_REGION)));
        let profiles = profiles.configure(&config).build();
        let issued = if self.name.is_some() {
            profiles.provide_credentials().await
        } else {
            let identity = WebIdentityTokenCredentialsProvider::builder()
                .configure(&config)
                .build();
            CredentialsProviderChain::first_try(
                "environment",
                EnvironmentVariableCredentialsProvider::new(),
            )
            .or_else("profile", profiles)
            .or_else("web identity", identity)
            .provide_credentials()
            .await
        };
        let issued = issued.map_err(|error| failure(&error))?;
        Ok(Issued {
            credentials: Credentials::keys(
                issued.access_key_id(),
                issued.secret_access_key(),
                issued.session_token(),
            ),
            expires: issued.expiry(),
            region: region.map(|region| region.to_string()),
        })
    }
}

impl Provide for Profile {
    fn provide(&self) -> Providing<'_> {
        Box::pin(self.issue())
    }
}

/// What the SDK's errors come from may hold what a program printed: only their
/// kind is told.
fn failure(error: &CredentialsError) -> MediaError {
    let (why, kind) = match error {
        CredentialsError::CredentialsNotLoaded(_) => (MISSING, "not loaded"),
        CredentialsError::InvalidConfiguration(_) => (WRONG, "invalid profile"),
        CredentialsError::ProviderTimedOut(_) => (SLOW, "timeout"),
        _ => (FAILED, "refused"),
    };
    MediaError::CredentialsUnavailable(why, kind.to_owned())
}

// === impl Http ===

impl HttpClient for Http {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { exchange(&client, request).await })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

async fn exchange(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let streamed = || ConnectorError::user("the body is not in memory".into());
    let body = Bytes::copy_from_slice(body.bytes().ok_or_else(streamed)?);
    let answer = client.send(Request::from_parts(head, body)).await;
    let (head, body) = match answer {
        Ok(answer) => answer.into_parts(),
        Err(error) if error.is_timeout() => return Err(ConnectorError::timeout(error.into())),
        Err(error) if error.is_refused() => return Err(ConnectorError::user(error.into())),
        Err(error) => return Err(ConnectorError::io(error.into())),
    };
    let body = whole(body, LONGEST)
        .await
        .map_err(|error| ConnectorError::io(error.into()))?;
    HttpResponse::try_from(Response::from_parts(head, SdkBody::from(body)))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, SystemTime};

    use aws_runtime::env_config::file::EnvConfigFileKind;

    use super::*;

    /// AWS, played: keeps what it was asked, answers one text.
    #[derive(Clone, Debug)]
    struct Played {
        asked: Arc<Mutex<Vec<String>>>,
        answer: &'static str,
    }

    impl HttpConnector for Played {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap()).into_owned();
            let authorization = request.headers().get("authorization").unwrap_or_default();
            let told = format!("{} {authorization} {body}", request.uri());
            self.asked.lock().unwrap().push(told);
            let answer = Response::new(SdkBody::from(self.answer));
            HttpConnectorFuture::ready(Ok(HttpResponse::try_from(answer).unwrap()))
        }
    }

    impl HttpClient for Played {
        fn http_connector(
            &self,
            _: &HttpConnectorSettings,
            _: &RuntimeComponents,
        ) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    fn profile(name: &str, text: &str, answer: &'static str) -> (Profile, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::default();
        let played = Played {
            asked: Arc::clone(&asked),
            answer,
        };
        let files = EnvConfigFiles::builder()
            .with_contents(EnvConfigFileKind::Config, text)
            .build();
        let profile = Profile {
            name: Some(name.to_owned()),
            files,
            http: SharedHttpClient::new(played),
        };
        (profile, asked)
    }

    fn key(issued: &Issued) -> (String, String, bool) {
        let Credentials::Keys(keys) = &issued.credentials else {
            panic!("keys")
        };
        (
            keys.id.clone(),
            keys.secret.to_string(),
            keys.token.is_some(),
        )
    }

    fn why(error: &MediaError) -> &'static str {
        match error {
            MediaError::CredentialsUnavailable(why, _) => why,
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn keys_and_region_of_a_profile() {
        let text = "[profile work]\naws_access_key_id = AK\naws_secret_access_key = SK\nregion = eu-north-1\n";
        let (profile, asked) = profile("work", text, "");
        let issued = profile.provide().await.unwrap();
        assert_eq!(key(&issued), ("AK".to_owned(), "SK".to_owned(), false));
        assert_eq!(issued.region.as_deref(), Some("eu-north-1"));
        assert!(issued.expires.is_none() && asked.lock().unwrap().is_empty());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn m36_a_program_of_a_profile_says_when_its_keys_end() {
        let text = concat!(
            "[profile tool]\n",
            "credential_process = echo '{\"Version\":1,\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"SK\",\"SessionToken\":\"T\",\"Expiration\":\"2040-01-01T00:00:00Z\"}'\n",
        );
        let issued = profile("tool", text, "").0.provide().await.unwrap();
        assert_eq!(key(&issued), ("AK".to_owned(), "SK".to_owned(), true));
        let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(2_208_988_800);
        assert_eq!(issued.expires, Some(ends));
    }

    #[tokio::test]
    async fn a_role_is_assumed_through_our_way_out() {
        let text = concat!(
            "[profile base]\naws_access_key_id = AKBASE\naws_secret_access_key = SK\n",
            "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = base\nregion = eu-west-3\n",
        );
        let answer = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><AssumedRoleId>A:b</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/reader/b</Arn></AssumedRoleUser><Credentials><AccessKeyId>AKROLE</AccessKeyId><SecretAccessKey>SKROLE</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2040-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let (profile, asked) = profile("role", text, answer);
        let issued = profile.provide().await.unwrap();
        assert_eq!(
            key(&issued),
            ("AKROLE".to_owned(), "SKROLE".to_owned(), true)
        );
        assert!(issued.expires.is_some());
        let asked = asked.lock().unwrap();
        let [told] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        assert!(
            told.starts_with("https://sts.eu-west-3.amazonaws.com"),
            "{told}"
        );
        assert!(
            told.contains("Credential=AKBASE/") && told.contains("Action=AssumeRole"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_profile_is_told_without_its_words() {
        let (missing, _) = profile("other", "[profile work]\nregion = x\n", "");
        assert_eq!(why(&missing.provide().await.unwrap_err()), MISSING);
        let text = "[profile a]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = b\n[profile b]\nrole_arn = arn:aws:iam::1:role/y\nsource_profile = a\n";
        assert_eq!(
            why(&profile("a", text, "").0.provide().await.unwrap_err()),
            WRONG
        );
        let text = "[profile a]\ncredential_process = echo hush; echo hush >&2; exit 1\n";
        let error = profile("a", text, "").0.provide().await.unwrap_err();
        assert_eq!(why(&error), FAILED);
        assert!(!format!("{error} {error:?}").contains("hush"));
        let text = "[profile a]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = eu-west-3\nsso_start_url = https://doorward.example/start\n";
        let error = profile("a", text, "").0.provide().await.unwrap_err();
        assert!(why(&error).contains("aws sso login"), "{error:?}");
    }

    #[tokio::test]
    async fn m37_the_sdk_reaches_no_further_than_we_do() {
        let http = Http(Client::new(Dialer::new(
            AddressPolicy::public(),
            Trust::platform(),
        )));
        for url in [
            "http://169.254.169.254/latest/",
            "http://169.254.170.2/v2",
            "http://127.0.0.1:9/",
        ] {
            let request = HttpRequest::get(url).unwrap();
            let error = http.call(request).await.unwrap_err();
            assert!(error.is_user(), "{url}: {error}");
        }
    }
}
