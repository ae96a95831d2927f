//! PURE. HMAC with SHA-256 (RFC 2104), for the form of a login's token and for signatures of S3 requests.

use retrosync_protocol::Hasher;

const BLOCK_BYTES: usize = 64;

/// The code of `message` under `key`.
pub(super) fn sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&hash(&[key]));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = hash(&[&block.map(|byte| byte ^ 0x36), message]);
    hash(&[&block.map(|byte| byte ^ 0x5c), &inner])
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Hasher::default();
    parts.iter().for_each(|part| hasher.update(part));
    *hasher.finish().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrosync_protocol::Digest;

    #[test]
    fn as_rfc_4231_has_it() {
        let rows: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, code) in rows {
            assert_eq!(Digest::from_bytes(sha256(key, message)).to_string(), code);
        }
    }
}
