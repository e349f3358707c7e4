//! TLS of servers that belong to the tests.

use futures::future::{BoxFuture, FutureExt};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Who has signed the certificate below; made for these tests alone.
pub(crate) const AUTHORITY: &str = include_str!("tls/authority.pem");
/// For `localhost`.
const CERTIFICATE: &str = include_str!("tls/certificate.pem");
const KEY: &str = include_str!("tls/key.pem");

type Opening = BoxFuture<'static, Option<TlsStream<TcpStream>>>;

/// Opens connections as `localhost`; none of those that do not trust it.
pub(crate) fn secure() -> impl Fn(TcpStream) -> Opening + Send + 'static {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    move |stream| {
        let accepting = acceptor.accept(stream);
        async move { accepting.await.ok() }.boxed()
    }
}
