//! Firefox, for what a page can find out by itself: no driver, the page posts its answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The result of an async function with this body, run once in its own page.
///
/// # Panics
/// When no answer comes within two minutes, or Firefox is not there.
pub fn in_firefox(body: &str) -> Value {
    let fail = |e: std::io::Error| -> ! { panic!("firefox-esr: {e}") };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| fail(e));
    let address = listener.local_addr().unwrap_or_else(|e| fail(e));
    listener.set_nonblocking(true).unwrap_or_else(|e| fail(e));
    let profile = tempfile::tempdir().unwrap_or_else(|e| fail(e));
    let mut firefox = Command::new("firefox-esr")
        .args(["--headless", "--no-remote", "--profile"])
        .arg(profile.path())
        .arg(format!("http://{address}/"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| fail(e));
    let page = format!(
        "<!doctype html><meta charset=utf-8><script>(async () => {{ {body} }})().then((v) => v, (e) => 'failed: ' + e)
         .then((v) => fetch('/answer', {{ method: 'POST', body: JSON.stringify(v) }}));</script>"
    );
    let (end, mut answer) = (Instant::now() + Duration::from_secs(120), None);
    while answer.is_none() && Instant::now() < end {
        match listener.accept() {
            Ok((stream, _)) => answer = exchange(stream, &page),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    let _ = firefox.kill();
    let _ = firefox.wait();
    answer.unwrap_or_else(|| panic!("Firefox did not answer"))
}

/// One request: the page, or the answer.
fn exchange(stream: TcpStream, page: &str) -> Option<Value> {
    stream.set_nonblocking(false).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let mut reader = BufReader::new(&stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok()?;
    let is_answer = line.starts_with("POST /answer");
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let said = if is_answer { "" } else { page };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        said.len()
    );
    (&stream).write_all((head + said).as_bytes()).ok()?;
    if is_answer {
        serde_json::from_slice(&body).ok()
    } else {
        None
    }
}
