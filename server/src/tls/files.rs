//! A certificate and its key from PEM files, checked before anybody is shown them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync_protocol::Digest;
use rustls::SignatureAlgorithm;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::{Loaded, TlsError};

/// What tells that a file is another one: its place on the disk, its size and when it changed. Never compared with a clock.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64);

/// Of what the names lead to: renewals change where a link points. `None`: nothing is there.
pub(super) fn stamps(files: &[PathBuf; 2]) -> [Option<Stamp>; 2] {
    files.each_ref().map(|file| {
        let found = fs::metadata(file).ok()?;
        Some(Stamp(found.ino(), found.size(), found.ctime(), found.ctime_nsec()))
    })
}

/// Reads both and looks whether they belong together.
pub(super) fn load(certificate: &Path, key: &Path) -> Result<Loaded, TlsError> {
    let chain = chain(certificate)?;
    let pin = pin(&chain[0]).map_err(TlsError::at("use the certificate of", certificate))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|why| match why {
        pem::Error::Io(why) => TlsError::at("read the key", key)(why),
        _ => TlsError::at("use the key", key)("it holds no private key in PEM"),
    })?;
    let provider = rustls::crypto::ring::default_provider();
    let certified = CertifiedKey::from_der(chain, key_der, &provider).map_err(|why| match why {
        rustls::Error::InconsistentKeys(_) => TlsError(format!(
            "the key `{}` is not that of the certificate `{}`: name two files that belong together",
            key.display(),
            certificate.display()
        )),
        other => TlsError::at("use the key", key)(other),
    })?;
    if certified.key.algorithm() == SignatureAlgorithm::ED25519 {
        let why = "it is of Ed25519, which neither browsers nor devices take; P-256 and RSA serve all";
        return Err(TlsError::at("use the key", key)(why));
    }
    Ok(Loaded { certified: Arc::new(certified), pin })
}

/// The server's certificate first, then those that vouch for it.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = fs::read(path).map_err(TlsError::at("read the certificate", path))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::at("use the certificate", path)("it holds none in PEM")),
    }
}

/// The SHA-256 of its public key, with what says of which kind the key is (RFC 5280, `SubjectPublicKeyInfo`).
fn pin(certificate: &CertificateDer<'_>) -> Result<Digest, rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(Digest::of(&parsed.subject_public_key_info()))
}
