//! TLS towards others: whom it trusts, and a client that speaks it to those whose
//! address asks for it.

use http_body::Body;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Why the authorities of a file cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    #[error("{} cannot be read as PEM: {reason}", .file.display())]
    Unreadable { file: PathBuf, reason: String },
    #[error("{} has no certificate", .0.display())]
    Empty(PathBuf),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The authorities of the browsers, and those of a PEM file.
pub(crate) fn config(file: Option<&Path>) -> Result<ClientConfig, RootsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = file {
        add(&mut roots, file)?;
    }
    let provider = Arc::new(default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A client of HTTP/1.1 for addresses with TLS and without.
pub(crate) type Client<B> = legacy::Client<HttpsConnector<HttpConnector>, B>;

/// Below the 5 s after which Node closes idle connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// A client for addresses of the operator's own, which are not checked.
pub(crate) fn client<B>(tls: ClientConfig, connect_max: Duration) -> Client<B>
where
    B: Body + Send,
    B::Data: Send,
{
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_max));
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build(HttpsConnector::from((tcp, tls)))
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), RootsError> {
    let unreadable = |reason: String| RootsError::Unreadable { file: file.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(file);
    let certificates = certificates.map_err(|error| unreadable(error.to_string()))?;
    let mut count = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(RootsError::Empty(file.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_has_some() {
        assert!(config(None).is_ok());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        let refused = || config(Some(&file)).unwrap_err();
        assert!(matches!(refused(), RootsError::Unreadable { .. }));
        std::fs::write(&file, "no certificate").unwrap();
        assert!(matches!(refused(), RootsError::Empty(_)));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&file, broken).unwrap();
        assert!(matches!(refused(), RootsError::Unreadable { .. }));
    }
}
