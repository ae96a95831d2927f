//! Frames by hand, as the protocol's text says, without the server's own code.

use serde_json::{Value, json};

/// One frame.
pub fn frame(mut header: Value, body: Option<&[u8]>, encoding: &str) -> Vec<u8> {
    header["body"] = body.map_or(Value::Null, |b| json!({"length_bytes": b.len(), "encoding": encoding}));
    let header = header.to_string();
    let mut bytes = u32::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

/// A frame of `POST /versions`, as it is.
pub fn store(version: &Value, bytes: Option<&[u8]>) -> Vec<u8> {
    frame(json!({"version": version}), bytes, "identity")
}

/// The same, deflated.
pub fn store_deflated(version: &Value, bytes: &[u8]) -> Vec<u8> {
    let wire = miniz_oxide::deflate::compress_to_vec_zlib(bytes, 9);
    frame(json!({"version": version}), Some(&wire), "deflate")
}

/// Reads frames: each header, and its body inflated.
pub fn read(mut bytes: &[u8]) -> Vec<(Value, Option<Vec<u8>>)> {
    let mut frames = vec![];
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let (header, rest) = rest.split_at(length);
        let header: Value = serde_json::from_slice(header).unwrap();
        let (wire, rest) = rest.split_at(header["body"]["length_bytes"].as_u64().unwrap_or(0) as usize);
        let body = match header["body"]["encoding"].as_str() {
            None => None,
            Some("deflate") => Some(miniz_oxide::inflate::decompress_to_vec_zlib(wire).unwrap()),
            Some(_) => Some(wire.to_vec()),
        };
        frames.push((header, body));
        bytes = rest;
    }
    frames
}
