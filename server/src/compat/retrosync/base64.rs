//! PURE. Base64 as their clients write and their server read it: either alphabet, padded or not, line feeds passed over.

/// What the bytes say in base64 for URLs, unpadded.
pub(super) fn encode_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word =
            three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for letter in 0..=three.len() {
            let six = usize::try_from(word >> (18 - 6 * letter) & 63).unwrap_or_default();
            text.push(char::from(ALPHABET[six]));
        }
    }
    text
}

/// The same with the ordinary letters, padded.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = encode_url(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The bytes; `None`: it is not base64, or a part of it is missing.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut letters) = (0_u32, 0_u32);
    let mut ended = false;
    for letter in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                ended = true;
                continue;
            }
            _ => return None,
        };
        if ended {
            return None;
        }
        word = word << 6 | u32::from(six);
        letters += 1;
        if letters == 4 {
            bytes.extend_from_slice(&word.to_be_bytes()[1..]);
            (word, letters) = (0, 0);
        }
    }
    match letters {
        0 => {}
        2 => bytes.push((word >> 4 & 0xff) as u8),
        3 => bytes.extend_from_slice(&[(word >> 10 & 0xff) as u8, (word >> 2 & 0xff) as u8]),
        _ => return None,
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_what_is_kept() {
        for length in 0..100_usize {
            let bytes: Vec<u8> = (0..length).map(|n| (n * 37 + length) as u8).collect();
            assert_eq!(encode(&bytes).len() % 4, 0);
            assert_eq!(decode(&encode(&bytes)), Some(bytes.clone()));
            assert_eq!(decode(&encode_url(&bytes)), Some(bytes));
        }
        let rows = [
            ("QUFBQQ==", Some(&b"AAAA"[..]), "as the clients send it"),
            ("QUFB\r\nQQ==\n", Some(b"AAAA"), "as a shell's base64 breaks it"),
            ("QUFBQQ", Some(b"AAAA"), "unpadded"),
            ("", Some(b""), "nothing"),
            ("QUFBQ", None, "cut off"),
            ("QU=BQQ==", None, "ended in the middle"),
            ("{\"a\":1}", None, "something else"),
        ];
        for (text, bytes, what) in rows {
            assert_eq!(decode(text).as_deref(), bytes, "{what}");
        }
    }
}
