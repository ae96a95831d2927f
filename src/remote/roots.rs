//! PURE. Mozilla's roots, as `build.rs` packs them: their names and the heads of their keys repeat.
//!
//! Never makes up a root: of bytes that are none it has fewer, and then less is trusted.

use rustls::pki_types::{Der, TrustAnchor};

use crate::packed;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/roots.z"));

/// Whom everybody trusts.
pub(super) fn everybodys() -> Vec<TrustAnchor<'static>> {
    let bytes = packed::unpack_bytes(PACKED);
    let mut rest = &bytes[..];
    let mut root = || {
        let [subject, subject_public_key_info, constraints] =
            [part(&mut rest)?, part(&mut rest)?, part(&mut rest)?];
        let name_constraints = (!constraints.is_empty()).then_some(constraints);
        Some(TrustAnchor { subject, subject_public_key_info, name_constraints })
    };
    let mut roots = Vec::new();
    while let Some(root) = root() {
        roots.push(root);
    }
    roots
}

/// What follows its length in two bytes.
fn part(rest: &mut &[u8]) -> Option<Der<'static>> {
    let (length, after) = rest.split_first_chunk()?;
    let (part, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
    *rest = after;
    Some(part.to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::everybodys;

    #[test]
    fn a_server_that_everybody_trusts_is_trusted_by_the_packed_roots() {
        assert_eq!(everybodys(), webpki_roots::TLS_SERVER_ROOTS);
    }
}
