//! Starts `weir run` on a free port with a directory of its own, and a plain HTTP client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running Weir; killed when dropped.
pub(crate) struct Weir {
    child: Child,
    pub(crate) address: String,
    pub(crate) data: PathBuf,
    folder: Option<tempfile::TempDir>,
}

/// How to start one.
#[derive(Default)]
pub(crate) struct Options<'a> {
    pub(crate) arguments: &'a [&'a str],
    pub(crate) data: Option<&'a Path>,
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

impl Weir {
    /// Dialect oss, nobody asked for a token, no inputs.
    pub(crate) fn oss() -> Self {
        Self::start(&Options {
            arguments: &["--dialect", "oss", "--no-auth", "--no-inputs"],
            ..Options::default()
        })
    }

    pub(crate) fn start(options: &Options<'_>) -> Self {
        let folder = options.data.is_none().then(|| tempfile::tempdir().unwrap());
        let data = match (options.data, &folder) {
            (Some(data), _) => data.to_owned(),
            (None, Some(folder)) => folder.path().join("data"),
            (None, None) => unreachable!(),
        };
        let mut child = command()
            .arg("run")
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(options.arguments)
            .envs(options.environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the program ended before it listened").unwrap();
            if let Some(rest) = line.strip_prefix("listening on http://") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
        };
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, data, folder }
    }

    /// kill -9, then the same again on the same data.
    pub(crate) fn crash_and_restart(mut self, arguments: &[&str]) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = self.folder.take();
        let data = self.data.clone();
        let mut again = Self::start(&Options { arguments, data: Some(&data), ..Options::default() });
        again.folder = folder;
        again
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not stop");
    }

    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory, bytes.
    pub(crate) fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.data.join("operator.token")).unwrap().trim().to_owned()
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        send(&self.address, method, path, headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    /// Writes lines; the reply.
    pub(crate) fn write(&self, parameters: &str, lines: &str) -> Reply {
        self.send("POST", &format!("/write?{parameters}"), &[], lines.as_bytes())
    }

    /// Writes lines, which must be taken.
    pub(crate) fn write_ok(&self, parameters: &str, lines: &str) {
        let reply = self.write(parameters, lines);
        assert_eq!(reply.status, 204, "{}", reply.text());
    }

    /// A query's answer as JSON.
    pub(crate) fn query(&self, parameters: &str, q: &str) -> serde_json::Value {
        let reply = self.send("POST", &format!("/query?{parameters}&q={}", encode(q)), &[], b"");
        assert_eq!(reply.status, 200, "{q}: {}", reply.text());
        reply.json()
    }

    /// Rows of the only series of the only statement.
    pub(crate) fn rows(&self, parameters: &str, q: &str) -> serde_json::Value {
        let answer = self.query(parameters, q);
        assert_eq!(answer["results"][0]["error"], serde_json::Value::Null, "{q}");
        answer["results"][0]["series"][0]["values"].clone()
    }

    /// Asks until the answer satisfies.
    pub(crate) fn wait_for(
        &self,
        parameters: &str,
        q: &str,
        done: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.query(parameters, q);
            if done(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{q}: still {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, with an environment that names no configuration.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command
        .env_remove("WEIR_CONFIG")
        .env_remove("WEIR_TOKEN")
        .env_remove("WEIR_URL")
        .env("WEIR_LOG", "error");
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

/// An HTTP answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// One request on a connection of its own.
pub(crate) fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if !body.is_empty() || method == "POST" {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    // A server that refuses a large body may close before it has read all of it.
    let _ = stream.write_all(body);
    read_reply(&mut stream)
}

/// Reads an answer that ends with the connection.
pub(crate) fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset && !bytes.is_empty() => break,
            Err(e) => panic!("no answer: {e}"),
        }
    }
    parse_reply(&bytes)
}

fn parse_reply(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no HTTP answer: {:?}", String::from_utf8_lossy(bytes));
    });
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|l| l.split_once(": ").or_else(|| l.split_once(':')).unwrap())
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if status == 100 {
        return parse_reply(&body);
    }
    if headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("transfer-encoding") && v == "chunked") {
        body = dechunk(&body);
    }
    Reply { status, headers, body }
}

fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        out.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    out
}

/// Percent-encodes everything that is not a letter or a digit.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Standard base64.
pub(crate) fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let c = ALPHABET[(n >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(c) } else { '=' });
        }
    }
    out
}

/// The text gzipped.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
