//! The listener, with the limits that plain `axum::serve` 0.8 does not set: without a timer,
//! hyper's header timeout is off and a slow client holds its socket for ever (tokio-rs/axum#3478).
//! Bodies must keep a pace (`pace`), responses that nobody reads are dropped, and no single address
//! can take all connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{Request, header};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use super::pace;
use super::tls::Certificate;
use crate::App;
use crate::failure::Failure;
use crate::limits::Places;
use crate::work::demo;

const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const STOP_WITHIN: Duration = Duration::from_secs(10);
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 10_000;
/// Per address; a trusted proxy may have all of them.
const OF_ONE_ADDRESS: usize = 4_000;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
const HOUSEKEEPING: Duration = Duration::from_secs(3600);
const RENEWED_EVERY: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or Ctrl-C, then lets running requests finish for ten seconds.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(app: App, addr: SocketAddr) -> Result<(), String> {
    if !app.options.demo {
        demo::end(&app)
            .await
            .map_err(|e| format!("demo accounts cannot be closed: {e}"))?;
    }
    let listen = || {
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    };
    let listener = listen().map_err(|e| format!("cannot listen on {addr}: {e}"))?;
    let addr = listener.local_addr().unwrap_or(addr);
    let certificate = app.options.tls.clone().map(Certificate::open).transpose()?;
    let acceptor = certificate
        .as_ref()
        .map(Certificate::acceptor)
        .transpose()?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let _ = app.bound.set(format!("{scheme}://{addr}"));
    let router = app.router();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(64 << 10);
    let (graceful, places) = (
        GracefulShutdown::new(),
        Arc::new(Semaphore::new(CONNECTIONS)),
    );
    let addresses = Places::default();
    let mut stop = std::pin::pin!(stopped());
    let mut housekeeping =
        tokio::time::interval_at(tokio::time::Instant::now() + HOUSEKEEPING, HOUSEKEEPING);
    // Ticks run one after the other, so that none overtakes a slow one.
    let clock = tokio::spawn({
        let app = app.clone();
        async move {
            loop {
                app.tick().await;
                tokio::time::sleep(TICK).await;
            }
        }
    });
    let renewal = certificate.map(|certificate| tokio::spawn(renewed(certificate)));
    let watched = match app.options.metrics {
        Some(addr) => Some(tokio::spawn(watch(app.clone(), addr).await?)),
        None => None,
    };
    // On standard output, for the process that started us: from now on we answer.
    println!("listening on {scheme}://{addr}");
    loop {
        let (socket, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file handles, or the client left at once.
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = housekeeping.tick() => {
                let app = app.clone();
                tokio::spawn(async move { app.housekeeping().await });
                continue;
            }
            () = &mut stop => break,
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!("too many connections");
            continue;
        };
        let Some(address) = addresses.take(
            peer.ip(),
            if app.options.is_proxy(peer.ip()) {
                CONNECTIONS
            } else {
                OF_ONE_ADDRESS
            },
        ) else {
            tracing::debug!("too many connections of one address");
            continue;
        };
        let _ = socket.set_nodelay(true);
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(WRITTEN_WITHIN));
        let router = router.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request.map(pace::paced))
        });
        let (http, acceptor, watcher) = (http.clone(), acceptor.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _places = (place, address);
            let socket = Box::pin(socket);
            let socket: Box<dyn Socket> = match acceptor {
                None => Box::new(socket),
                Some(acceptor) => {
                    let greeted = tokio::time::timeout(HEADERS_WITHIN, acceptor.accept(socket));
                    // Whoever speaks no TLS, or nothing, is not worth a log line.
                    let Ok(Ok(socket)) = greeted.await else {
                        return;
                    };
                    Box::new(socket)
                }
            };
            // Nor is a client that leaves midway.
            let _ = watcher
                .watch(http.serve_connection(TokioIo::new(socket), service))
                .await;
        });
    }
    drop(listener);
    clock.abort();
    for task in watched.into_iter().chain(renewal) {
        task.abort();
    }
    if tokio::time::timeout(STOP_WITHIN, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time");
    }
    app.store.close().await;
    Ok(())
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Reads the certificate again every minute, and at SIGHUP.
async fn renewed(certificate: Arc<Certificate>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup()).ok();
    loop {
        let told = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let _ = tokio::time::timeout(RENEWED_EVERY, told).await;
        certificate.reload();
    }
}

/// Serves the metrics, and nothing else.
async fn watch(app: App, addr: SocketAddr) -> Result<impl Future<Output = ()>, String> {
    let listener = tokio::net::TcpListener::bind(addr)
        .await
        .map_err(|e| format!("metrics cannot be served on {addr}: {e}"))?;
    let answer = async |State(app): State<App>| {
        let text = app.metrics.text(&app).await?;
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Ok::<_, Failure>(([(header::CONTENT_TYPE, kind)], text))
    };
    let router = Router::new().route("/metrics", get(answer)).with_state(app);
    Ok(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let router = router.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                router.clone().oneshot(request)
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(HEADERS_WITHIN);
            let connection = http.serve_connection(TokioIo::new(socket), service);
            tokio::spawn(async move { drop(connection.await) });
        }
    })
}

async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
