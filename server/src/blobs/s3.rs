//! The blobs in S3 and what speaks as it does (MinIO, Garage, Ceph, R2): where it is, who we are there, how long we wait.
//!
//! What is kept there and how is `objects`; here a connection is made, and proved before the server says that it runs. Waits are
//! bounded: a store that does not answer becomes a refusal that the device takes for "later", never a request that hangs.
//! Keys are never shown. Assumes nothing of the bucket but get, put, delete, list and multipart.

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};
use retrosync_protocol::Epoch;

use super::objects::ObjectBlobs;
use super::{BlobError, Result};

/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// For how long a failed request is tried again.
const RETRY_TIME: Duration = Duration::from_secs(10);
/// How often, at most.
const RETRIES: usize = 4;

/// Where the bucket is, and who we are there.
#[derive(Clone, Default)]
pub struct S3Options {
    /// The bucket; it must be there.
    pub bucket: String,
    /// The address of a store that is not AWS, as `https://minio.example.org:9000`.
    pub endpoint: Option<String>,
    /// The region; `us-east-1` where nothing else says one.
    pub region: Option<String>,
    /// Where in the bucket, as `retrosync/home`; empty: at its top.
    pub prefix: String,
    /// Who we are; without it the usual AWS environment is asked (`AWS_ACCESS_KEY_ID`, a role of the machine or pod).
    pub access_key: Option<String>,
    /// The secret that goes with it.
    pub secret_key: Option<String>,
    /// The bucket is part of the host's name (`https://saves.s3.example.org`), not of the path.
    pub host_style: bool,
    /// Plain HTTP is allowed: the network between is trusted.
    pub plain_http: bool,
    /// Authorities to trust beside the machine's own: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take, in seconds; 0: 30.
    pub timeout_s: u64,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys are nobody's business.
        f.debug_struct("S3Options")
            .field("bucket", &self.bucket)
            .field("endpoint", &self.endpoint)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Connects to the bucket and proves that it can be read and written, and is that of the catalog with this epoch.
///
/// # Errors
/// `Unavailable`, with what to do, when it cannot; `Failed` for options that cannot be.
pub async fn open(options: &S3Options, epoch: &Epoch) -> Result<ObjectBlobs> {
    let blobs = connect(options).map_err(|error| named(options, error))?;
    take_into_use(blobs, options, epoch).await
}

/// The same for a catalog that is new and must not meet anything.
///
/// # Errors
/// As [`open`], and when there is anything.
pub async fn open_empty(options: &S3Options, epoch: &Epoch) -> Result<ObjectBlobs> {
    let blobs = connect(options).map_err(|error| named(options, error))?;
    if !blobs.is_empty().await.map_err(|error| named(options, error))? {
        let used = BlobError::Unavailable {
            why: "it was used before, and nothing is overwritten".into(),
            help: "name another bucket, or an `s3.prefix` where nothing is yet",
        };
        return Err(named(options, used));
    }
    take_into_use(blobs, options, epoch).await
}

async fn take_into_use(mut blobs: ObjectBlobs, options: &S3Options, epoch: &Epoch) -> Result<ObjectBlobs> {
    if blobs.take_into_use(epoch).await.map_err(|error| named(options, error))? {
        log::info!("the bucket `{}` was empty; it keeps the saves from now on", options.bucket);
    }
    Ok(blobs)
}

fn named(options: &S3Options, error: BlobError) -> BlobError {
    match error {
        BlobError::Unavailable { why, help } => {
            BlobError::Unavailable { why: format!("bucket `{}`: {why}", options.bucket), help }
        }
        BlobError::Failed(why) => BlobError::Failed(format!("bucket `{}`: {why}", options.bucket)),
        other => other,
    }
}

fn connect(options: &S3Options) -> Result<ObjectBlobs> {
    let unfit = |text: String| BlobError::Failed(text);
    let plain = options.endpoint.as_deref().is_some_and(|at| at.starts_with("http://"));
    if plain && !options.plain_http {
        return Err(unfit(
            "the endpoint is plain HTTP; set `s3.plain_http = true` if the network between is yours".into(),
        ));
    }
    if options.access_key.is_some() != options.secret_key.is_some() {
        return Err(unfit("`s3.access_key` and `s3.secret_key` go together".into()));
    }
    let prefix = Path::parse(&options.prefix)
        .map_err(|why| unfit(format!("`s3.prefix` is `{}`: {why}", options.prefix)))?;
    // Whoever was first has set it; ours is the same for all of this program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&options.bucket)
        .with_virtual_hosted_style_request(options.host_style)
        .with_client_options(client_options(options)?)
        .with_allow_http(options.plain_http)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: RETRY_TIME,
        });
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let (Some(key), Some(secret)) = (&options.access_key, &options.secret_key) {
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
    }
    let store = builder.build().map_err(|why| unfit(why.to_string()))?;
    Ok(ObjectBlobs::new(Arc::new(store), prefix))
}

fn client_options(options: &S3Options) -> Result<ClientOptions> {
    let time = Duration::from_secs(if options.timeout_s == 0 { 30 } else { options.timeout_s });
    let mut client = ClientOptions::new()
        .with_timeout(time)
        .with_connect_timeout(CONNECT_TIME.min(time))
        .with_allow_http(options.plain_http);
    if let Some(file) = &options.ca_file {
        let unfit =
            |why: String| BlobError::Failed(format!("cannot use `s3.ca_file` `{}`: {why}", file.display()));
        let pem = std::fs::read(file).map_err(|why| unfit(why.to_string()))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|why| unfit(why.to_string()))? {
            client = client.with_root_certificate(certificate);
        }
    }
    Ok(client)
}
