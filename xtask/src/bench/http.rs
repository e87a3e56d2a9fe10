//! HTTP/1.1 on one connection that stays open: what one client of the load sends and waits for.
//!
//! Blocking and plain, so that a client costs the servers beside it little: a request is one write, and an answer is read
//! by its length or its chunks. Only the local machine is spoken to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How long an answer may take before the run gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest head of an answer, in lines.
const LINES_MAX: usize = 100;
/// Largest body of an answer in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Where a server is, and what each request to it carries.
#[derive(Clone, Debug)]
pub(super) struct Address {
    socket: SocketAddr,
    /// Goes before each path.
    base: String,
    /// Header lines, each with its line end.
    lines: String,
}

impl Address {
    /// A server at `http://host:port/base`; `lines` are header lines that each request carries.
    pub(super) fn new(url: &str, lines: &[(&str, &str)]) -> Result<Address> {
        let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not http"))?;
        let (host, base) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let socket: SocketAddr = host.parse().with_context(|| format!("{host} is not an address with a port"))?;
        ensure!(socket.ip().is_loopback(), "{host} is not this machine");
        let lines = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
        Ok(Address { socket, base: base.trim_end_matches('/').to_owned(), lines: format!("host: {host}\r\n{lines}") })
    }
}

/// What a server said.
#[derive(Debug)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// The tag of what was answered.
    pub(super) etag: Option<String>,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    address: Address,
}

impl Connection {
    /// Connects.
    pub(super) fn open(address: &Address) -> Result<Connection> {
        let stream = TcpStream::connect(address.socket).with_context(|| format!("nobody is at {}", address.socket))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection { stream: BufReader::new(stream), address: address.clone() })
    }

    /// Sends one request and waits for the whole answer.
    pub(super) fn send(&mut self, method: &str, path: &str, lines: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let Address { base, lines: always, .. } = &self.address;
        let mut request = format!("{method} {base}{path} HTTP/1.1\r\n{always}content-length: {}\r\n", body.len());
        for (name, value) in lines {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.stream.get_mut().write_all(&bytes)?;
        read_answer(&mut self.stream, method)
    }
}

fn read_answer(stream: &mut impl BufRead, method: &str) -> Result<Answer> {
    let first = read_line(stream)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
    let status = status.with_context(|| format!("not a status line: {first}"))?;
    let (mut etag, mut length, mut is_chunked) = (None, None, false);
    for _ in 0..LINES_MAX {
        let line = read_line(stream)?;
        if line.is_empty() {
            let has_body = method != "HEAD" && !matches!(status, 204 | 304);
            let body = match (has_body, is_chunked, length) {
                (false, ..) => Vec::new(),
                (true, true, _) => read_chunks(stream)?,
                (true, false, Some(length)) => read_bytes(stream, length)?,
                (true, false, None) => bail!("an answer of unknown length"),
            };
            return Ok(Answer { status, etag, body });
        }
        let Some((name, value)) = line.split_once(':') else { bail!("not a header line: {line}") };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.parse::<usize>()?),
            "transfer-encoding" => is_chunked = value.eq_ignore_ascii_case("chunked"),
            "etag" => etag = Some(value.to_owned()),
            _ => {}
        }
    }
    bail!("an answer with too many header lines")
}

fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    ensure!(stream.read_line(&mut line)? > 0, "the connection was closed");
    Ok(line.trim_end().to_owned())
}

fn read_bytes(stream: &mut impl BufRead, length: usize) -> Result<Vec<u8>> {
    ensure!(length <= BODY_BYTES_MAX, "an answer of {length} bytes");
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_chunks(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let length = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16)?;
        ensure!(body.len().saturating_add(length) <= BODY_BYTES_MAX, "an answer that does not end");
        stream.take(length as u64).read_to_end(&mut body)?;
        let end = read_line(stream)?;
        ensure!(end.is_empty(), "a chunk is followed by its end");
        if length == 0 {
            return Ok(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, text: &str, status: u16, body: &str) {
        let mut bytes = text.as_bytes();
        let answer = read_answer(&mut bytes, method).expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (status, body.as_bytes()));
        assert!(bytes.is_empty(), "the next answer begins where this one ends");
    }

    #[test]
    fn an_answer_ends_by_its_length_or_with_its_last_chunk() {
        check("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok");
        check(
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\na\r\n0123456789\r\n0\r\n\r\n",
            200,
            "ok0123456789",
        );
        check("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "");
        check("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, "");
    }

    #[test]
    fn the_tag_of_an_answer_is_kept() {
        let answer = read_answer(&mut "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".as_bytes(), "GET");
        assert_eq!(answer.expect("an answer").etag.as_deref(), Some("\"x\""));
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        for text in ["", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", "HTTP/1.1 200 OK\r\n\r\n"] {
            assert!(read_answer(&mut text.as_bytes(), "GET").is_err(), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to() {
        assert!(Address::new("http://127.0.0.1:80/iceberg", &[]).is_ok());
        assert!(Address::new("http://192.0.2.1:80", &[]).is_err());
        assert!(Address::new("https://127.0.0.1:80", &[]).is_err());
    }
}
