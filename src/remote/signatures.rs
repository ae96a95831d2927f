//! Which signatures the TLS client accepts, and how keys are agreed on: what rustls accepts with ring, but for the curve P-256.
//!
//! ring multiplies on P-256 with a table of 150 KB, a tenth of the program on aarch64. Here its signatures are checked by
//! `p256`, and no key is agreed on over it: X25519 and P-384 serve. Nor Ed25519 (12 KB), with which no public authority
//! signs and whose certificates no browser takes. Only public values are handled, so nothing here
//! needs constant time. Never signs.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use ring::digest::{SHA256, SHA384, digest};
use rustls::SignatureScheme as Scheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use webpki::ring as r;

/// An uncompressed point: a byte 4 and two coordinates.
const POINT_BYTES: usize = 65;

/// ECDSA on P-256, over one of two hashes (RFC 5480, RFC 5758).
#[derive(Debug)]
enum P256 {
    Sha256,
    Sha384,
}

impl SignatureVerificationAlgorithm for P256 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        if key.len() != POINT_BYTES || key.first() != Some(&4) {
            return Err(InvalidSignature);
        }
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        let verified = match self {
            P256::Sha256 => key.verify_prehash(digest(&SHA256, message).as_ref(), &signature),
            P256::Sha384 => key.verify_prehash(digest(&SHA384, message).as_ref(), &signature),
        };
        verified.map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            P256::Sha256 => alg_id::ECDSA_SHA256,
            P256::Sha384 => alg_id::ECDSA_SHA384,
        }
    }
}

static P256_SHA256: &dyn SignatureVerificationAlgorithm = &P256::Sha256;
static P256_SHA384: &dyn SignatureVerificationAlgorithm = &P256::Sha384;

/// The accepted signatures, and which of them each scheme of TLS means. In TLS 1.2 a scheme leaves the curve open.
pub(super) static ACCEPTED: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        P256_SHA256,
        P256_SHA384,
        r::ECDSA_P384_SHA256,
        r::ECDSA_P384_SHA384,
        r::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        r::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        r::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        r::RSA_PKCS1_2048_8192_SHA256,
        r::RSA_PKCS1_2048_8192_SHA384,
        r::RSA_PKCS1_2048_8192_SHA512,
        r::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        r::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        r::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (Scheme::ECDSA_NISTP384_SHA384, &[r::ECDSA_P384_SHA384, P256_SHA384]),
        (Scheme::ECDSA_NISTP256_SHA256, &[P256_SHA256, r::ECDSA_P384_SHA256]),
        (Scheme::RSA_PSS_SHA512, &[r::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (Scheme::RSA_PSS_SHA384, &[r::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (Scheme::RSA_PSS_SHA256, &[r::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (Scheme::RSA_PKCS1_SHA512, &[r::RSA_PKCS1_2048_8192_SHA512]),
        (Scheme::RSA_PKCS1_SHA384, &[r::RSA_PKCS1_2048_8192_SHA384]),
        (Scheme::RSA_PKCS1_SHA256, &[r::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 6979, A.2.5: the key, and the signatures of "sample".
    fn sample() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let key = "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6\
                   7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";
        let sha256 = "3046022100EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
                      022100F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8";
        let sha384 = "304402200EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719\
                      02204861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954";
        (bytes(key), bytes(sha256), bytes(sha384))
    }

    #[test]
    fn the_published_signatures_are_accepted_and_no_others() {
        let (key, sha256, sha384) = sample();
        assert!(P256_SHA256.verify_signature(&key, b"sample", &sha256).is_ok());
        assert!(P256_SHA384.verify_signature(&key, b"sample", &sha384).is_ok());
        assert!(P256_SHA256.verify_signature(&key, b"sample", &sha384).is_err(), "another hash");
        assert!(P256_SHA256.verify_signature(&key, b"simple", &sha256).is_err(), "another message");
        assert!(P256_SHA256.verify_signature(&key[..64], b"sample", &sha256).is_err(), "half a key");
        assert!(P256_SHA256.verify_signature(&key, b"sample", &[]).is_err(), "no signature");
    }

    #[test]
    fn a_changed_bit_anywhere_is_refused() {
        let (key, signature, _) = sample();
        for at in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(P256_SHA256.verify_signature(&key, b"sample", &changed).is_err(), "signature, bit {at}");
        }
        for at in 0..key.len() * 8 {
            let mut changed = key.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(P256_SHA256.verify_signature(&changed, b"sample", &signature).is_err(), "key, bit {at}");
        }
    }

    #[test]
    fn nothing_and_zero_are_no_signatures() {
        let (key, ..) = sample();
        for forged in ["3006020100020100", "3006020101020100", "3006020100020101", "3000"] {
            assert!(P256_SHA256.verify_signature(&key, b"sample", &bytes(forged)).is_err(), "{forged}");
        }
    }
}
