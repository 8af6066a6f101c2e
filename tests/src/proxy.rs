//! A TCP proxy that breaks on purpose, always in the same way: cut after so many bytes, silent, said twice, slow.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What happens to one connection. Bytes are counted as the proxy passes them on.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// After so many bytes of the request.
    Up(u64, End),
    /// After so many bytes of the answer.
    Down(u64, End),
    /// The server gets the request a second time, on a connection of its own; nobody hears that answer.
    Twice,
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Both sides are told that nothing more comes.
    Fin,
    /// Both sides are told that the connection broke.
    Rst,
    /// Nobody is told anything.
    Silence,
}

/// A link that never breaks and is never good.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Each way.
    pub bytes_per_second: u64,
    /// There and back.
    pub delay: Duration,
    /// Of 100 packets of 1400 bytes, how many wait for being sent again.
    pub lost_percent: u64,
    /// From when, after the first byte, and for how long nothing passes and everything open breaks.
    pub outage: Option<(Duration, Duration)>,
}

pub struct Proxy {
    pub base: String,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    server: SocketAddr,
    faults: Mutex<VecDeque<Fault>>,
    link: Option<Link>,
    /// When each direction of the link is free again, and when the first byte came.
    free: Mutex<([Option<Instant>; 2], Option<Instant>)>,
}

/// When a packet was lost, TCP needs at least this long to notice (RFC 6298, section 2.4, as Linux has it).
const SENT_AGAIN: Duration = Duration::from_millis(200);
const PACKET: usize = 1400;

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// To a server's `http://address`.
    pub fn to(base: &str, link: Option<Link>) -> Proxy {
        let server = base.trim_start_matches("http://").parse().unwrap_or_else(|e| panic!("{base}: {e}"));
        let shared = Arc::new(Shared { server, faults: Mutex::default(), link, free: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap_or_else(|e| panic!("{e}"));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap_or_else(|e| panic!("{e}"));
        let base = format!("http://{}", listener.local_addr().unwrap_or_else(|e| panic!("{e}")));
        let all = shared.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fault = locked(&all.faults).pop_front();
                tokio::spawn(all.clone().carry(client, fault));
            }
        });
        Proxy { base, shared, _runtime: runtime }
    }

    /// The next connection gets this.
    pub fn arm(&self, fault: Fault) {
        locked(&self.shared.faults).push_back(fault);
    }
}

impl Shared {
    async fn carry(self: Arc<Shared>, mut client: TcpStream, fault: Option<Fault>) {
        let Ok(mut server) = TcpStream::connect(self.server).await else { return };
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
            let sent = if way == 0 { server.write_all(&up[..take]).await } else { client.write_all(&down[..take]).await };
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
                    // Until the client has had enough.
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

    /// Takes the time that the link takes for so many bytes; false where it is down.
    async fn wait(&self, way: usize, bytes: usize) -> bool {
        let Some(link) = self.link else { return true };
        let (until, down) = {
            let mut free = locked(&self.free);
            let now = Instant::now();
            let began = *free.1.get_or_insert(now);
            let down = link.outage.is_some_and(|(from, long)| (from..from + long).contains(&(now - began)));
            let mut takes = Duration::from_micros(bytes as u64 * 1_000_000 / link.bytes_per_second);
            // The same packets are lost in every run.
            let packet = (now - began).as_millis() as u64 / 37;
            for i in 0..bytes.div_ceil(PACKET) as u64 {
                if (packet + i).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFFF < 65_536 * link.lost_percent / 100 {
                    takes += SENT_AGAIN + link.delay;
                }
            }
            let from = free.0[way].filter(|f| *f > now).unwrap_or(now + link.delay / 2);
            free.0[way] = Some(from + takes);
            (from + takes, down)
        };
        tokio::time::sleep_until(until.into()).await;
        !down
    }
}
