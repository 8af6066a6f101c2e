//! A TCP proxy that breaks on purpose, always in the same way: cuts after so many bytes, goes
//! silent, repeats, slows down.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// What happens to one connection. Bytes are counted as the proxy passes them on.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// After so many bytes of the request.
    Up(u64, End),
    /// After so many bytes of the answer.
    Down(u64, End),
    /// The server gets the request a second time, on a connection of its own; nobody hears that
    /// answer.
    Twice,
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Both sides get an orderly close.
    Fin,
    /// Both sides get a connection reset.
    Rst,
    /// Nobody is told anything.
    Silence,
}

/// A link that never breaks and is never good.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// In each direction.
    pub bytes_per_second: u64,
    /// Round trip.
    pub delay: Duration,
    /// Of 100 packets of 1400 bytes, how many have to be retransmitted.
    pub lost_percent: u64,
}

pub struct Proxy {
    pub base: String,
    shared: Arc<Shared>,
    /// Dropped, it ends the thread.
    _alive: oneshot::Sender<()>,
}

struct Shared {
    server: SocketAddr,
    faults: Mutex<VecDeque<Fault>>,
    link: Option<Link>,
    /// When each direction of the link is free again, and how many packets went.
    free: Mutex<([Option<Instant>; 2], u64)>,
    down_until: Mutex<Option<Instant>>,
}

/// When a packet was lost, TCP needs at least this long to notice (RFC 6298, section 2.4, as Linux
/// has it).
const SENT_AGAIN: Duration = Duration::from_millis(200);
const PACKET: usize = 1400;

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// To a server's `http://address`.
    pub fn to(base: &str, link: Option<Link>) -> Proxy {
        let server = base
            .trim_start_matches("http://")
            .parse()
            .unwrap_or_else(|e| panic!("{base}: {e}"));
        let shared = Arc::new(Shared {
            server,
            faults: Mutex::default(),
            link,
            free: Mutex::default(),
            down_until: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
        let base = format!(
            "http://{}",
            listener.local_addr().unwrap_or_else(|e| panic!("{e}"))
        );
        let (alive, mut over) = oneshot::channel();
        let all = shared.clone();
        // On its own thread: both async and blocking tests use it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap_or_else(|e| panic!("{e}"));
            runtime.block_on(async move {
                listener
                    .set_nonblocking(true)
                    .unwrap_or_else(|e| panic!("{e}"));
                let listener = TcpListener::from_std(listener).unwrap_or_else(|e| panic!("{e}"));
                loop {
                    let (client, _) = tokio::select! {
                        _ = &mut over => return,
                        Ok(accepted) = listener.accept() => accepted,
                    };
                    let fault = locked(&all.faults).pop_front();
                    tokio::spawn(all.clone().carry(client, fault));
                }
            });
        });
        Proxy {
            base,
            shared,
            _alive: alive,
        }
    }

    /// Applies this fault to the next connection.
    pub fn arm(&self, fault: Fault) {
        locked(&self.shared.faults).push_back(fault);
    }

    /// Blocks everything for this long: open connections break at their next byte, new ones at
    /// once.
    pub fn outage(&self, long: Duration) {
        *locked(&self.shared.down_until) = Some(Instant::now() + long);
    }
}

impl Shared {
    fn is_down(&self) -> bool {
        locked(&self.down_until).is_some_and(|until| Instant::now() < until)
    }

    async fn carry(self: Arc<Shared>, mut client: TcpStream, fault: Option<Fault>) {
        if self.is_down() {
            return;
        }
        let Ok(mut server) = TcpStream::connect(self.server).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let limits = match fault {
            Some(Fault::Up(n, end)) => [Some((n, end)), None],
            Some(Fault::Down(n, end)) => [None, Some((n, end))],
            _ => [None, None],
        };
        let (mut passed, mut said) = ([0u64; 2], Vec::new());
        let (mut up, mut down) = (vec![0; 16 * PACKET], vec![0; 16 * PACKET]);
        loop {
            let (way, n) = tokio::select! {
                n = client.read(&mut up) => (0, n),
                n = server.read(&mut down) => (1, n),
            };
            let n = n.unwrap_or(0);
            let left = limits[way].map_or(u64::MAX, |(limit, _)| limit - passed[way]);
            if n == 0 {
                break;
            }
            let take = n.min(usize::try_from(left).unwrap_or(usize::MAX));
            if !self.wait(way, take).await {
                let _ = (client.set_zero_linger(), server.set_zero_linger());
                return;
            }
            let sent = if way == 0 {
                server.write_all(&up[..take]).await
            } else {
                client.write_all(&down[..take]).await
            };
            passed[way] += take as u64;
            if way == 0 && matches!(fault, Some(Fault::Twice)) {
                said.extend(&up[..take]);
            }
            if sent.is_err() {
                break;
            }
            if let Some((limit, end)) = limits[way].filter(|(limit, _)| passed[way] >= *limit) {
                debug_assert!(passed[way] == limit);
                match end {
                    End::Fin => {}
                    End::Rst => drop((client.set_zero_linger(), server.set_zero_linger())),
                    // Until the client gives up.
                    End::Silence => while client.read(&mut up).await.is_ok_and(|n| n > 0) {},
                }
                return;
            }
        }
        if !said.is_empty()
            && let Ok(mut again) = TcpStream::connect(self.server).await
        {
            let _ = again.write_all(&said).await;
            while again.read(&mut down).await.is_ok_and(|n| n > 0) {}
        }
    }

    /// Waits as long as the link takes for this many bytes; false if it is down.
    async fn wait(&self, way: usize, bytes: usize) -> bool {
        let Some(link) = self.link else { return true };
        let until = {
            let mut free = locked(&self.free);
            let now = Instant::now();
            let takes = Duration::from_micros(bytes as u64 * 1_000_000 / link.bytes_per_second);
            // A retransmission holds up its own connection only.
            let mut again = Duration::ZERO;
            for _ in 0..bytes.div_ceil(PACKET) {
                free.1 += 1;
                // The same packets are lost in every run.
                if (free.1.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % 100 < link.lost_percent {
                    again += SENT_AGAIN + link.delay;
                }
            }
            let from = free.0[way]
                .filter(|f| *f > now)
                .unwrap_or(now + link.delay / 2);
            free.0[way] = Some(from + takes);
            from + takes + again
        };
        tokio::time::sleep_until(until.into()).await;
        !self.is_down()
    }
}
