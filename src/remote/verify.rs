//! Bytes on their way in are what was asked for, or an error: a reader that checks digest and length at its end.

use std::io::{self, Read};

use retrosync_protocol::{Content, Hasher};

/// Passes bytes on and, at the end, refuses any that are not `expected`. Never gives more bytes than it names.
pub(super) struct Verified<'a> {
    inner: &'a mut dyn Read,
    expected: Content,
    hasher: Option<Hasher>,
    seen_bytes: u64,
    fault: Option<Fault>,
}

/// Why the bytes did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The stream failed.
    Stream(String),
    /// The stream was fine and the bytes are others.
    Mismatch,
}

impl<'a> Verified<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, expected: Content) -> Verified<'a> {
        Verified { inner, expected, hasher: Some(Hasher::default()), seen_bytes: 0, fault: None }
    }

    /// Did the stream fail, or prove to be other bytes?
    pub(super) fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// Reads what the taker left, and tells how it ended.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        let mut rest = [0; 8192];
        while self.hasher.is_some() && self.fault.is_none() {
            let _ = self.read(&mut rest);
        }
        self.fault.map_or(Ok(()), Err)
    }

    fn fail(&mut self, fault: Fault, kind: io::ErrorKind) -> io::Error {
        let text = match &fault {
            Fault::Stream(cause) => cause.clone(),
            Fault::Mismatch => "the bytes are not the ones that were asked for".into(),
        };
        self.fault = Some(fault);
        io::Error::new(kind, text)
    }
}

impl Read for Verified<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || (self.hasher.is_none() && self.fault.is_none()) {
            return Ok(0);
        }
        if let Some(fault) = self.fault.clone() {
            return Err(self.fail(fault, io::ErrorKind::Other));
        }
        let read = match self.inner.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.fail(Fault::Stream(error.to_string()), error.kind())),
        };
        self.seen_bytes += read as u64;
        if self.seen_bytes > self.expected.size_bytes {
            return Err(self.fail(Fault::Mismatch, io::ErrorKind::InvalidData));
        }
        if read > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..read]);
            }
            return Ok(read);
        }
        let digest = self.hasher.take().map(Hasher::finish);
        if self.seen_bytes < self.expected.size_bytes || digest != Some(self.expected.digest) {
            return Err(self.fail(Fault::Mismatch, io::ErrorKind::InvalidData));
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrosync_protocol::Digest;

    #[test]
    fn only_the_very_bytes_pass() {
        let expected = Content { digest: Digest::of(b"abc"), size_bytes: 3 };
        for (bytes, ends) in [
            (&b"abc"[..], Ok(())),
            (b"abd", Err(Fault::Mismatch)),
            (b"ab", Err(Fault::Mismatch)),
            (b"abcd", Err(Fault::Mismatch)),
            (b"", Err(Fault::Mismatch)),
        ] {
            let mut taken = Vec::new();
            let mut stream = bytes;
            let mut verified = Verified::new(&mut stream, expected);
            let read = verified.read_to_end(&mut taken);
            assert_eq!(read.is_ok(), ends.is_ok(), "{bytes:?}");
            assert_eq!(verified.finish(), ends, "{bytes:?}");
            let mut stream = bytes;
            assert_eq!(Verified::new(&mut stream, expected).finish(), ends, "nothing taken of {bytes:?}");
        }
    }
}
