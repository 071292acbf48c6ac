//! Clients of the three vendors: how long they try, and which options they take.

use super::{StorageError, address::S3Keys, patience::Patient};
use crate::{config::StorageOptions, secret::Secret};
use object_store::{
    BackoffConfig, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
};
use std::{str::FromStr, sync::Arc, time::Duration};
use url::Url;

/// How long to wait for a connection: a server in the same region answers in milliseconds, one across the world in one
/// second; after five seconds nobody is there.
const CONNECT_TIMEOUT: &str = "5s";

/// How long one request may take, with its body, however steadily its bytes trickle. Where nothing moves, it is given up long
/// before ([`Patient`]).
const REQUEST_TIMEOUT: &str = "300s";

/// How long a request is tried again after the first attempt began: longer than the throttling and restarts that object
/// storage shows in normal operation, short enough that a wrong endpoint is reported while somebody still looks, and that
/// the failure of a renewal is known before the lease ends.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// At most so many tries more; with the waits below they fill [`RETRY_TIMEOUT`].
const RETRIES_MAX: usize = 8;

/// The longest wait between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The one option that `object_store` has no name for: seconds for [`RETRY_TIMEOUT`].
const RETRY_OPTION: &str = "retry_timeout_seconds";

/// Options that people write most, to help with a misspelled one.
const COMMON: [&str; 22] = [
    "access_key_id",
    "secret_access_key",
    "session_token",
    "region",
    "endpoint",
    "allow_http",
    "virtual_hosted_style_request",
    "skip_signature",
    "role_arn",
    "service_account",
    "service_account_key",
    "application_credentials",
    "account_name",
    "account_key",
    "sas_key",
    "client_id",
    "client_secret",
    "tenant_id",
    "use_emulator",
    "timeout",
    "connect_timeout",
    RETRY_OPTION,
];

/// Prefixes with which an option says whose it is.
const VENDORS: [&str; 3] = ["aws_", "google_", "azure_"];

pub(super) fn s3(base: &Url, options: &StorageOptions) -> Result<Arc<dyn ObjectStore>, StorageError> {
    build(base, options, |options| {
        let builder = AmazonS3Builder::from_env().with_retry(retry(options)?).with_http_connector(Patient);
        let builder = with_options(builder, "AWS_", options, AmazonS3Builder::with_config)?;
        // An endpoint that says http:// is meant: the vendors' tools take it as it is.
        let plain =
            builder.get_config_value(&AmazonS3ConfigKey::Endpoint).is_some_and(|e| e.starts_with("http://"));
        let builder = if plain { builder.with_allow_http(true) } else { builder };
        // Conditional puts, which manifests and leases need, are on by default.
        builder.with_url(base.as_str()).build()
    })
}

pub(super) fn gcs(base: &Url, options: &StorageOptions) -> Result<Arc<dyn ObjectStore>, StorageError> {
    build(base, options, |options| {
        let builder =
            GoogleCloudStorageBuilder::from_env().with_retry(retry(options)?).with_http_connector(Patient);
        let builder = with_options(builder, "GOOGLE_", options, GoogleCloudStorageBuilder::with_config)?;
        let plain =
            builder.get_config_value(&GoogleConfigKey::BaseUrl).is_some_and(|e| e.starts_with("http://"));
        let builder =
            if plain { builder.with_config(allow_http::<GoogleConfigKey>()?, "true") } else { builder };
        builder.with_url(base.as_str()).build()
    })
}

pub(super) fn azure(base: &Url, options: &StorageOptions) -> Result<Arc<dyn ObjectStore>, StorageError> {
    build(base, options, |options| {
        let builder =
            MicrosoftAzureBuilder::from_env().with_retry(retry(options)?).with_http_connector(Patient);
        let builder = with_options(builder, "AZURE_", options, MicrosoftAzureBuilder::with_config)?;
        let plain =
            builder.get_config_value(&AzureConfigKey::Endpoint).is_some_and(|e| e.starts_with("http://"));
        let builder = if plain { builder.with_allow_http(true) } else { builder };
        builder.with_url(base.as_str()).build()
    })
}

/// The keys that [`s3`] signs requests with, where they are ones that can be told to others.
pub(super) fn s3_keys(options: &StorageOptions) -> Option<S3Keys> {
    let builder = s3_builder(options)?;
    let value = |key| builder.get_config_value(&key).filter(|value| !value.is_empty());
    Some(S3Keys {
        access_key_id: Secret::new(value(AmazonS3ConfigKey::AccessKeyId)?),
        secret_access_key: Secret::new(value(AmazonS3ConfigKey::SecretAccessKey)?),
        session_token: value(AmazonS3ConfigKey::Token).map(Secret::new),
        region: region(&builder),
        endpoint: value(AmazonS3ConfigKey::Endpoint),
        virtual_hosted: value(AmazonS3ConfigKey::VirtualHostedStyleRequest).as_deref() == Some("true"),
    })
}

/// The region that [`s3`] sends requests to, if it was told one.
pub(super) fn s3_region(options: &StorageOptions) -> Option<String> {
    region(&s3_builder(options)?)
}

fn region(builder: &AmazonS3Builder) -> Option<String> {
    let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
    region.or_else(|| builder.get_config_value(&AmazonS3ConfigKey::DefaultRegion)).filter(|r| !r.is_empty())
}

fn s3_builder(options: &StorageOptions) -> Option<AmazonS3Builder> {
    with_options(AmazonS3Builder::from_env(), "AWS_", options, AmazonS3Builder::with_config).ok()
}

/// The account that [`azure`] was told.
pub(super) fn azure_account(options: &StorageOptions) -> Option<String> {
    let builder = MicrosoftAzureBuilder::from_env();
    let builder = with_options(builder, "AZURE_", options, MicrosoftAzureBuilder::with_config).ok()?;
    builder.get_config_value(&AzureConfigKey::AccountName).filter(|account| !account.is_empty())
}

fn allow_http<K: FromStr<Err = object_store::Error>>() -> object_store::Result<K> {
    "allow_http".parse()
}

/// Gives the options to a builder: hydrant's own time limits first, where neither the environment nor the options say
/// otherwise, then the options.
fn with_options<B, K>(
    mut builder: B,
    environment: &str,
    options: &StorageOptions,
    with: impl Fn(B, K, String) -> B,
) -> object_store::Result<B>
where
    K: FromStr<Err = object_store::Error>,
{
    for (name, value) in [("connect_timeout", CONNECT_TIMEOUT), ("timeout", REQUEST_TIMEOUT)] {
        if std::env::var_os(format!("{environment}{}", name.to_ascii_uppercase())).is_none() {
            builder = with(builder, name.parse()?, value.to_owned());
        }
    }
    for (name, value) in options {
        let name = name.to_ascii_lowercase();
        let foreign = VENDORS.iter().any(|vendor| name.starts_with(vendor))
            && !name.starts_with(&environment.to_ascii_lowercase());
        if foreign || name == RETRY_OPTION {
            continue;
        }
        builder = with(builder, name.parse()?, value.expose().to_owned());
    }
    Ok(builder)
}

fn retry(options: &StorageOptions) -> object_store::Result<RetryConfig> {
    let retry_timeout = match options.get(RETRY_OPTION) {
        None => RETRY_TIMEOUT,
        Some(seconds) => seconds.expose().trim().parse().map(Duration::from_secs).map_err(|_| {
            object_store::Error::Generic {
                store: "Config",
                source: "a whole number of seconds is wanted".into(),
            }
        })?,
    };
    let backoff = BackoffConfig { max_backoff: BACKOFF_MAX, ..BackoffConfig::default() };
    Ok(RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout })
}

/// Builds a client; where that fails, finds the option at fault.
fn build<S: ObjectStore>(
    base: &Url,
    options: &StorageOptions,
    build: impl Fn(&StorageOptions) -> object_store::Result<S>,
) -> Result<Arc<dyn ObjectStore>, StorageError> {
    let error = match build(options) {
        Ok(client) => return Ok(Arc::new(client)),
        Err(error) => error,
    };
    let scheme = base.scheme();
    // The client's error names a value but not always its option; the option without which all is well is the one.
    let culprit = options.keys().find(|name| {
        let without = options.iter().filter(|(other, _)| other != name);
        build(&without.map(|(name, value)| (name.clone(), value.clone())).collect()).is_ok()
    });
    let message = match (&error, culprit) {
        (object_store::Error::UnknownConfigurationKey { key, .. }, _) => {
            let near = COMMON.iter().map(|known| (strsim::jaro_winkler(known, key), known));
            let near = near.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(likeness, _)| *likeness > 0.85);
            let hint = near.map_or_else(String::new, |(_, known)| format!("; did you mean {known}?"));
            let known_elsewhere = near.is_some_and(|(_, known)| known == key);
            let hint = if known_elsewhere { String::new() } else { hint };
            format!("the option {key} is not known for {scheme}://{hint}")
        }
        (_, Some(name)) => {
            format!("the option {name} for {scheme}:// cannot be used: {}", without_values(&error, options))
        }
        (_, None) => format!("the options for {base} cannot be used: {}", without_values(&error, options)),
    };
    Err(StorageError::misconfigured(message))
}

/// Shorter values are no secrets, and blotting out every `r` would leave a message that nobody can read.
const SECRET_LENGTH_MIN: usize = 4;

/// The text of an error, with what stands in the options blotted out.
fn without_values(error: &object_store::Error, options: &StorageOptions) -> String {
    // What the client wraps around it ("Generic S3 error") helps nobody.
    let mut text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    for value in
        options.values().map(crate::secret::Secret::expose).filter(|value| value.len() >= SECRET_LENGTH_MIN)
    {
        text = text.replace(value, "***");
    }
    text
}
