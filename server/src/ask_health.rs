//! `retrosync-server health`: asks the server on this machine whether it is ready, for a container that has no other program.
//!
//! Sends no secret and believes nothing but yes or no, so it takes any certificate: what it asks is this machine's own port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For question and answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer so much is read.
const MOST_BYTES: u64 = 64 << 10;
const QUESTION: &[u8] = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks the server that listens there, in TLS or not.
///
/// # Errors
/// When nobody answers in time, or the answer is no: what it says.
pub async fn ask(listen: SocketAddr, tls: bool) -> Result<(), String> {
    let at = here(listen);
    let asked = async {
        let stream = TcpStream::connect(at).await?;
        if !tls {
            return exchange(stream).await;
        }
        let config = anybody().map_err(io::Error::other)?;
        let name = ServerName::IpAddress(at.ip().into());
        exchange(TlsConnector::from(Arc::new(config)).connect(name, stream).await?).await
    };
    let answer = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => return Err(format!("the server does not answer at `{at}`: {why}")),
        Err(_) => {
            return Err(format!("the server does not answer at `{at}` within {} s", PATIENCE.as_secs()));
        }
    };
    judge(&answer)
}

/// Where a server that listens everywhere is met from here.
fn here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Vec<u8>> {
    stream.write_all(QUESTION).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    match stream.take(MOST_BYTES).read_to_end(&mut answer).await {
        // A server that ends the connection without a farewell has said all the same.
        Err(why) if answer.is_empty() => Err(why),
        _ => Ok(answer),
    }
}

fn judge(answer: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut words = head.split([' ', '\r']);
    match (words.next(), words.next()) {
        (Some("HTTP/1.1"), Some("200")) => Ok(()),
        (Some("HTTP/1.1"), Some(status)) => {
            Err(format!("the server is not ready ({status}): {}", body.trim()))
        }
        _ => Err("what answers is no RetroSync server".to_owned()),
    }
}

/// A client that takes every certificate.
fn anybody() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth())
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_here() {
        for (listen, at) in
            [("0.0.0.0:8377", "127.0.0.1:8377"), ("[::]:1", "[::1]:1"), ("192.168.1.9:2", "192.168.1.9:2")]
        {
            assert_eq!(here(listen.parse().unwrap()).to_string(), at);
        }
    }

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\n\r\nready"), Ok(()));
        let rows: [(&[u8], &str); 4] = [
            (
                b"HTTP/1.1 503 Service Unavailable\r\n\r\nthe catalog\n",
                "the server is not ready (503): the catalog",
            ),
            (b"", "what answers is no RetroSync server"),
            (b"SSH-2.0-OpenSSH\r\n", "what answers is no RetroSync server"),
            (b"\xff\xfe200", "what answers is no RetroSync server"),
        ];
        for (answer, said) in rows {
            assert_eq!(judge(answer).unwrap_err(), said);
        }
    }
}
