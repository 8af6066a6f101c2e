//! What stands in front of a public server: TLS with an untrusted certificate, and plain HTTP
//! behind it.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A port reserved for a TLS front.
pub struct Front {
    listener: TcpListener,
    pub address: String,
}

impl Front {
    /// Its address is known before the server behind it starts.
    pub async fn new() -> Front {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        let port = listener
            .local_addr()
            .unwrap_or_else(|e| panic!("{e}"))
            .port();
        Front {
            listener,
            address: format!("https://localhost:{port}"),
        }
    }

    /// Forwards to `host:port` until the runtime ends.
    pub fn pass_on_to(self, server: String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .unwrap_or_else(|e| panic!("{e}"));
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into());
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap_or_else(|e| panic!("{e}"))));
        tokio::spawn(async move {
            while let Ok((socket, _)) = self.listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let (Ok(mut outside), Ok(mut inside)) = (
                        acceptor.accept(socket).await,
                        TcpStream::connect(server).await,
                    ) else {
                        return;
                    };
                    // When one side closes, both are closed.
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
    }
}
