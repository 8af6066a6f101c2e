//! Uploads by third-party clients: tus-js-client (npm) and tuspy (PyPI); and what else the protocol
//! requires.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use baoan_tests::{Answer, Caller, Server, Setting, root, sha256_hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

fn session(server: &Server) -> Caller {
    let mut caller = server.caller();
    assert_eq!(caller.get("/api/v1/session").status, 200);
    caller
}

fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i * 31 % 251) as u8).collect()
}

/// Runs a script with the server's address, a session and a file; it prints the upload's address.
fn foreign(program: &str, args: &[&str], script: &str, server: &Server, file: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let extension = if program == "node" { "mjs" } else { "py" };
    // Beside node_modules, where Node looks for packages.
    let path = if program == "node" {
        root().join(format!("target/tus-client.{extension}"))
    } else {
        folder.path().join(format!("client.{extension}"))
    };
    fs::write(&path, script).unwrap();
    let output = Command::new(program)
        .args(args)
        .arg(&path)
        .env("UPLOADS", server.url("/api/v1/uploads"))
        .env("COOKIE", session(server).cookie())
        .env("FILE", file)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn tus_js_client_uploads_pauses_resumes_and_terminates() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("photo.bin");
    let bytes = sample(700_001);
    fs::write(&file, &bytes).unwrap();
    let script = r"
        import * as tus from 'tus-js-client';
        import { readFileSync } from 'node:fs';
        const data = readFileSync(process.env.FILE);
        const options = (extra) => ({ endpoint: process.env.UPLOADS, headers: { Cookie: process.env.COOKIE }, chunkSize: 100000, retryDelays: [0, 200, 500], metadata: { filename: '现场.jpg' }, ...extra });
        const whole = (url) => new Promise((resolve, reject) => {
          const upload = new tus.Upload(data, options({ uploadUrl: url, onError: reject, onSuccess: () => resolve(upload.url) }));
          upload.start();
        });
        // Paused in the middle: what has arrived stays.
        const paused = await new Promise((resolve, reject) => {
          let ended = false;
          const upload = new tus.Upload(data, options({ onError: reject, onChunkComplete: async (_, sent) => {
            if (sent >= 300000 && !ended) { ended = true; await upload.abort(); resolve(upload.url); }
          } }));
          upload.start();
        });
        const head = await fetch(paused, { method: 'HEAD', headers: { Cookie: process.env.COOKIE, 'Tus-Resumable': '1.0.0' } });
        const offset = Number(head.headers.get('upload-offset'));
        if (offset < 300000 || offset >= data.length) throw new Error('offset ' + offset);
        const url = await whole(paused);
        if (url !== paused) throw new Error('not resumed but begun again');
        // Another one, terminated.
        const second = await whole(null);
        await tus.Upload.terminate(second, options({}));
        const gone = await fetch(second, { method: 'HEAD', headers: { Cookie: process.env.COOKIE, 'Tus-Resumable': '1.0.0' } });
        if (![404, 410].includes(gone.status)) throw new Error('still there: ' + gone.status);
        console.log(url);
    ";
    let address = foreign("node", &[], script, &server, &file);
    let stored = server.stored_files();
    assert_eq!(stored.len(), 1, "the terminated one is gone");
    assert!(address.ends_with(stored[0].file_name().unwrap().to_str().unwrap()));
    assert_eq!(
        sha256_hex(&fs::read(&stored[0]).unwrap()),
        sha256_hex(&bytes)
    );
}

#[test]
fn tuspy_uploads_with_checksums_and_resumes() {
    let Some(python) = std::env::var_os("BAOAN_PYTHON") else {
        panic!("BAOAN_PYTHON names the interpreter with tuspy; `cargo xtask test` sets it")
    };
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("photo.bin");
    let bytes = sample(450_000);
    fs::write(&file, &bytes).unwrap();
    let script = r"
import os
import requests
from tusclient import client
tus = client.TusClient(os.environ['UPLOADS'], headers={'Cookie': os.environ['COOKIE']})
uploader = tus.uploader(os.environ['FILE'], chunk_size=100000, upload_checksum=True)
uploader.upload_chunk()
uploader.upload_chunk()
assert uploader.offset == 200000, uploader.offset
# Another process goes on where this one stopped.
again = tus.uploader(os.environ['FILE'], chunk_size=100000, url=uploader.url, upload_checksum=True)
assert again.offset == 200000, again.offset
again.upload()
assert again.offset == 450000, again.offset
other = tus.uploader(os.environ['FILE'], chunk_size=100000)
other.upload_chunk()
gone = requests.delete(other.url, headers={'Cookie': os.environ['COOKIE'], 'Tus-Resumable': '1.0.0'})
assert gone.status_code == 204, gone.status_code
print(again.url)
";
    foreign(python.to_str().unwrap(), &[], script, &server, &file);
    let stored = server.stored_files();
    assert_eq!(stored.len(), 1);
    assert_eq!(fs::read(&stored[0]).unwrap(), bytes);
}

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");
const CHUNK: (&str, &str) = ("content-type", "application/offset+octet-stream");

fn create(caller: &mut Caller, length: usize, sha256: Option<&str>) -> String {
    let length = length.to_string();
    let metadata = sha256.map(|s| format!("sha256 {}", STANDARD.encode(s)));
    let mut headers = vec![TUS, ("upload-length", &length)];
    headers.extend(metadata.as_deref().map(|m| ("upload-metadata", m)));
    let answer = caller.send("POST", "/api/v1/uploads", &headers, b"");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(answer.header("upload-expires").is_some());
    answer.header("location").unwrap().to_owned()
}

fn append(
    caller: &mut Caller,
    path: &str,
    offset: usize,
    bytes: &[u8],
    checksum: Option<&str>,
) -> Answer {
    let offset = offset.to_string();
    let mut headers = vec![TUS, CHUNK, ("upload-offset", &offset)];
    headers.extend(checksum.map(|c| ("upload-checksum", c)));
    caller.send("PATCH", path, &headers, bytes)
}

fn offset(caller: &mut Caller, path: &str) -> Option<String> {
    caller
        .send("HEAD", path, &[TUS], b"")
        .header("upload-offset")
        .map(str::to_owned)
}

#[test]
fn the_protocol_is_kept_to_the_letter() {
    let server = Server::start();
    let mut caller = session(&server);
    let options = caller.send("OPTIONS", "/api/v1/uploads", &[], b"");
    assert_eq!(
        (
            options.status,
            options.header("tus-version"),
            options.header("tus-extension")
        ),
        (
            204,
            Some("1.0.0"),
            Some("creation,checksum,expiration,termination")
        )
    );

    let bytes = sample(10_000);
    let path = create(&mut caller, bytes.len(), Some(&sha256_hex(&bytes)));
    assert_eq!(offset(&mut caller, &path).as_deref(), Some("0"));
    // A refused request leaves the offset where it was.
    let wrong = STANDARD.encode(Sha256::digest(b"something else"));
    for (answer, status) in [
        (append(&mut caller, &path, 5, &bytes[5..], None), 409),
        (append(&mut caller, &path, 0, &sample(10_001), None), 413),
        (
            append(
                &mut caller,
                &path,
                0,
                &bytes[..4000],
                Some(&format!("sha256 {wrong}")),
            ),
            460,
        ),
        (
            append(&mut caller, &path, 0, &bytes[..4000], Some("md5 AAAA")),
            400,
        ),
        (
            caller.send(
                "PATCH",
                &path,
                &[TUS, ("upload-offset", "0"), ("content-type", "image/jpeg")],
                &bytes,
            ),
            415,
        ),
        (
            caller.send("PATCH", &path, &[CHUNK, ("upload-offset", "0")], &bytes),
            412,
        ),
        (
            caller.send(
                "PATCH",
                &path,
                &[TUS, CHUNK, ("upload-offset", "+0")],
                &bytes,
            ),
            400,
        ),
        (
            caller.send(
                "PATCH",
                &path,
                &[TUS, CHUNK, ("upload-offset", "18446744073709551616")],
                &bytes,
            ),
            400,
        ),
        (
            session(&server).send(
                "PATCH",
                &path,
                &[TUS, CHUNK, ("upload-offset", "0")],
                &bytes,
            ),
            404,
        ),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("tus-resumable"), Some("1.0.0"));
        assert_eq!(offset(&mut caller, &path).as_deref(), Some("0"));
    }
    let right = format!("sha256 {}", STANDARD.encode(Sha256::digest(&bytes[..4000])));
    assert_eq!(
        append(&mut caller, &path, 0, &bytes[..4000], Some(&right)).header("upload-offset"),
        Some("4000")
    );
    // Through a proxy that does not support PATCH.
    let rest = caller.send(
        "POST",
        &path,
        &[
            TUS,
            CHUNK,
            ("upload-offset", "4000"),
            ("x-http-method-override", "PATCH"),
        ],
        &bytes[4000..],
    );
    assert_eq!(
        (rest.status, rest.header("upload-offset")),
        (204, Some("10000"))
    );

    for (headers, status) in [
        (vec![TUS, ("upload-length", "-1")], 400),
        (vec![TUS, ("upload-length", "1e3")], 400),
        (vec![TUS, ("upload-length", "20971521")], 413),
        (
            vec![
                TUS,
                ("upload-length", "5"),
                ("upload-metadata", "sha256 !!!"),
            ],
            400,
        ),
        (vec![("upload-length", "5")], 412),
    ] {
        assert_eq!(
            caller.send("POST", "/api/v1/uploads", &headers, b"").status,
            status,
            "{headers:?}"
        );
    }
}

#[test]
fn a_file_that_is_not_what_was_promised_is_thrown_away() {
    let server = Server::start();
    let mut caller = session(&server);
    let path = create(&mut caller, 100, Some(&sha256_hex(b"promised")));
    assert_eq!(
        append(&mut caller, &path, 0, &sample(100), None).status,
        460
    );
    assert_eq!(caller.send("HEAD", &path, &[TUS], b"").status, 404);
    assert!(server.stored_files().is_empty());
}

#[test]
fn acknowledged_bytes_survive_a_killed_server_and_a_torn_file() {
    let mut server = Server::start();
    let mut caller = session(&server);
    let bytes = sample(300_000);
    let path = create(&mut caller, bytes.len(), Some(&sha256_hex(&bytes)));
    assert_eq!(
        append(&mut caller, &path, 0, &bytes[..120_000], None).status,
        204
    );
    server.kill();
    // Bytes written but never acknowledged: the database is authoritative, so they are cut off.
    let file = server.sealed_files().remove(0);
    let mut torn = fs::read(&file).unwrap();
    torn.extend([0xEE; 5000]);
    fs::write(&file, torn).unwrap();
    server.start_again();
    assert_eq!(offset(&mut caller, &path).as_deref(), Some("120000"));
    assert_eq!(
        append(&mut caller, &path, 120_000, &bytes[120_000..], None).status,
        204
    );
    assert_eq!(fs::read(&server.stored_files()[0]).unwrap(), bytes);
}

/// Sends the head of a PATCH and only a part of the body it announced; the connection stays open.
fn half_a_patch(
    server: &Server,
    caller: &Caller,
    path: &str,
    announced: usize,
    sent: &[u8],
    checksum: &str,
) -> TcpStream {
    let mut socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: x\r\nCookie: {}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: {}\r\n{checksum}Content-Length: {announced}\r\n\r\n",
        caller.cookie(),
        CHUNK.1
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(sent).unwrap();
    socket
}

/// Waits until the server has written this many bytes of an upload. It does not ask the server:
/// that would end the request.
fn arrived(server: &Server, path: &str, bytes: u64) {
    let id = path.rsplit('/').next().unwrap();
    let written = || {
        server
            .sealed_files()
            .iter()
            .any(|f| f.ends_with(id) && fs::metadata(f).unwrap().len() == bytes)
    };
    server.until("the part is on the disk", written);
}

#[test]
fn a_newer_request_ends_one_that_hangs_and_a_cut_body_is_no_end() {
    let server = Server::start();
    let mut caller = session(&server);
    let bytes = sample(1000);
    // A phone that lost its network in the middle: its old request hangs, its new one must not wait
    // for it.
    let path = create(&mut caller, bytes.len(), None);
    let hanging = half_a_patch(&server, &caller, &path, 1000, &bytes[..300], "");
    arrived(&server, &path, 300);
    let started = Instant::now();
    assert_eq!(
        offset(&mut caller, &path).as_deref(),
        Some("300"),
        "what came is kept"
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    drop(hanging);
    assert_eq!(
        append(&mut caller, &path, 300, &bytes[300..], None).status,
        204
    );
    // A dropped connection is not the end of a body.
    let path = create(&mut caller, bytes.len(), None);
    let cut = half_a_patch(&server, &caller, &path, 1000, &bytes[..400], "");
    arrived(&server, &path, 400);
    drop(cut);
    assert_eq!(offset(&mut caller, &path).as_deref(), Some("400"));
    // With a checksum, a partial body proves nothing and is discarded.
    let path = create(&mut caller, bytes.len(), None);
    let checksum = format!(
        "Upload-Checksum: sha256 {}\r\n",
        STANDARD.encode(Sha256::digest(&bytes))
    );
    let cut = half_a_patch(&server, &caller, &path, 1000, &bytes[..400], &checksum);
    arrived(&server, &path, 400);
    drop(cut);
    assert_eq!(offset(&mut caller, &path).as_deref(), Some("0"));
    assert_eq!(append(&mut caller, &path, 0, &bytes, None).status, 204);
}

#[test]
fn only_a_finished_photo_of_ours_is_attached_and_only_once() {
    let server = Server::start();
    let mut caller = session(&server);
    let number = caller
        .report(
            &baoan_tests::unique_key(),
            &baoan_tests::notice("2026-01-05T02:30:00Z"),
        )
        .json()["claim_no"]
        .as_str()
        .unwrap()
        .to_owned();
    let attach = |caller: &mut Caller, path: &str| {
        caller.send(
            "PUT",
            &format!(
                "/api/v1/claims/{number}/documents/scene/{}",
                path.rsplit('/').next().unwrap()
            ),
            &[],
            b"",
        )
    };
    let text = b"<script>alert(1)</script>";
    let path = create(&mut caller, text.len(), None);
    assert_eq!(
        attach(&mut caller, &path).code(),
        "not-allowed",
        "not finished"
    );
    append(&mut caller, &path, 0, text, None);
    assert_eq!(attach(&mut caller, &path).code(), "upload-rejected");
    assert_eq!(
        attach(&mut caller, "/x/unknown-upload").code(),
        "upload-expired",
        "to the sender it is gone: he sends it again"
    );

    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode(&[128; 64 * 64 * 3], 64, 64, image::ExtendedColorType::Rgb8)
        .unwrap();
    let path = create(&mut caller, jpeg.len(), Some(&sha256_hex(&jpeg)));
    append(&mut caller, &path, 0, &jpeg, None);
    let (first, second) = (attach(&mut caller, &path), attach(&mut caller, &path));
    assert_eq!(
        (first.status, &first.text),
        (200, &second.text),
        "{first:?}"
    );
    // The same picture by another upload is the same document.
    let again = create(&mut caller, jpeg.len(), None);
    append(&mut caller, &again, 0, &jpeg, None);
    assert_eq!(attach(&mut caller, &again).text, first.text);
    // Once linked, it can no longer be deleted.
    assert_eq!(caller.send("DELETE", &path, &[TUS], b"").status, 409);
}

/// What one session may hold, and what must stay free on disk.
#[test]
fn more_than_anybody_needs_is_refused() {
    let server = Server::start();
    let begin = |caller: &mut Caller, length: u64| {
        let answer = caller.send(
            "POST",
            "/api/v1/uploads",
            &[TUS, ("upload-length", &length.to_string())],
            b"",
        );
        (
            answer.status,
            if answer.status == 201 {
                answer.header("location").unwrap().to_owned()
            } else {
                answer.code()
            },
        )
    };
    let mut many = session(&server);
    assert_eq!(
        begin(&mut many, (20 << 20) + 1),
        (413, "upload-too-large".into())
    );
    let first = begin(&mut many, 10).1;
    for _ in 1..30 {
        assert_eq!(begin(&mut many, 10).0, 201);
    }
    assert_eq!(begin(&mut many, 10), (429, "quota".into()), "thirty files");
    assert_eq!(many.send("DELETE", &first, &[TUS], b"").status, 204);
    assert_eq!(begin(&mut many, 10).0, 201, "one was given back");
    let mut large = session(&server);
    for _ in 0..10 {
        assert_eq!(begin(&mut large, 20 << 20).0, 201);
    }
    assert_eq!(begin(&mut large, 1), (429, "quota".into()), "200 MiB");

    // Five requests at a time write; the sixth is told to wait, until one has ended.
    let mut writer = session(&server);
    let uploads: Vec<String> = (0..6).map(|_| begin(&mut writer, 1000).1).collect();
    let hanging: Vec<TcpStream> = uploads[..5]
        .iter()
        .map(|path| {
            let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
            let head = format!(
                "PATCH {path} HTTP/1.1\r\nhost: x\r\ncookie: {}\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n",
                writer.cookie()
            );
            stream.write_all(head.as_bytes()).unwrap();
            // The server asked for the body: from now on it writes.
            let mut go_on = [0; 21];
            stream.read_exact(&mut go_on).unwrap();
            assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&go_on));
            stream
        })
        .collect();
    let sixth = |writer: &mut Caller| {
        writer.send(
            "PATCH",
            &uploads[5],
            &[TUS, CHUNK, ("upload-offset", "0")],
            b"",
        )
    };
    let refused = sixth(&mut writer);
    assert_eq!(
        (
            refused.status,
            refused.code().as_str(),
            refused.header("retry-after")
        ),
        (429, "quota", Some("1"))
    );
    drop(hanging);
    server.until("they have ended", || sixth(&mut writer).status == 204);

    // Space that must stay free.
    let full = Server::with(Setting {
        args: &["--keep-free-mb", "99999999"],
        ..Setting::default()
    });
    assert_eq!(begin(&mut session(&full), 10), (507, "storage-full".into()));
    assert!(full.stored_files().is_empty());
}

/// Requests generated from the API description, valid and invalid, signed in and not: the answers
/// match the description. The stream is left out: it does not end.
#[test]
#[ignore = "takes minutes; run by `cargo xtask faults generated`"]
fn generated_requests_are_answered_as_described() {
    let python = std::env::var("BAOAN_PYTHON").expect("set by xtask");
    let examples = std::env::var("BAOAN_EXAMPLES").unwrap_or_else(|_| "20".into());
    let folder = tempfile::tempdir().unwrap();
    let here = baoan_tests::root().join("tests/http");
    for signed_in in [true, false] {
        let server = Server::start();
        let mut caller = server.caller();
        if signed_in {
            caller.sign_in(&server, "13800138000");
        } else {
            // A session begins with the first write.
            let tus = [("tus-resumable", "1.0.0"), ("upload-length", "3")];
            assert_eq!(
                caller.send("POST", "/api/v1/uploads", &tus, b"").status,
                201
            );
        }
        let description = folder.path().join("api.json");
        fs::write(&description, caller.get("/api/v1/openapi.json").text).unwrap();
        let session = caller.cookie().trim_start_matches("sid=").to_owned();
        let output = Command::new(Path::new(&python).with_file_name("schemathesis"))
            .arg("--config-file")
            .arg(here.join("schemathesis.toml"))
            .arg("run")
            .arg(&description)
            .args([
                "--url",
                &server.base,
                "--checks",
                "all",
                "--exclude-path",
                "/api/v1/claims/{no}/stream",
                "--seed",
                "7",
            ])
            .args(["--continue-on-failure", "-n", &examples])
            .env("BAOAN_SESSION", session)
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", &here)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let count = told
            .lines()
            .find(|l| l.contains(" generated,"))
            .unwrap_or("nothing was generated")
            .trim();
        println!(
            "requests {}: {count}, violations 0",
            if signed_in { "signed in" } else { "of nobody" }
        );
        assert!(
            output.status.success(),
            "{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
