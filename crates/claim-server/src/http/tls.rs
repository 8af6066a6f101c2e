//! TLS by the server itself, for those who have no proxy in front.
//!
//! Promise: a new certificate is used within a minute of being written, or at SIGHUP, without a
//! connection ending; one that cannot be used changes nothing and is logged. TLS 1.2 and 1.3.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};
use tokio_rustls::TlsAcceptor;

use crate::store::disk;

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The certificate in use.
pub struct Certificate {
    files: Files,
    /// As text, to see whether it has changed.
    current: RwLock<(String, Arc<CertifiedKey>)>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.cert.fmt(f)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.1.clone())
    }
}

fn read(files: &Files) -> Result<(String, Arc<CertifiedKey>), String> {
    let text = |path: &PathBuf| {
        disk::text(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
    };
    let (cert, key) = (text(&files.cert)?, text(&files.key)?);
    let chain: Vec<_> = CertificateDer::pem_slice_iter(cert.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| format!("{}: {e}", files.cert.display()))?;
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|e| format!("{}: {e}", files.key.display()))?;
    let certified = CertifiedKey::from_der(chain, private, &crypto::ring::default_provider())
        .map_err(|e| format!("{} and its key: {e}", files.cert.display()))?;
    Ok((cert, Arc::new(certified)))
}

impl Certificate {
    /// # Errors
    /// A sentence that names the file.
    pub fn open(files: Files) -> Result<Arc<Certificate>, String> {
        let current = RwLock::new(read(&files)?);
        Ok(Arc::new(Certificate { files, current }))
    }

    /// Reads the files again.
    pub fn reload(&self) {
        match read(&self.files) {
            Ok(fresh) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                if current.0 != fresh.0 {
                    tracing::info!("a new certificate is in use");
                }
                *current = fresh;
            }
            Err(why) => tracing::error!(why, "the former certificate stays in use"),
        }
    }

    /// # Errors
    /// What the library refuses.
    pub fn acceptor(self: &Arc<Certificate>) -> Result<TlsAcceptor, String> {
        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
