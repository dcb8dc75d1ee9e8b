//! A lean HTTP/1.1 client: one connection, one request at a time, bytes prepared by the caller.
//!
//! The generator shares its cores with what it measures, so it does as little as it can: no header map, no URL, no pool.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const READ_BYTES: usize = 16 * 1024;
const HEADERS: usize = 48;
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Whether `Retry-After` was there.
    pub retry_after: bool,
    /// The values of `Set-Cookie`, whole.
    pub set_cookies: Vec<String>,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The value of a cookie that the answer sets.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.set_cookies.iter().filter_map(|line| line.split(';').next()?.split_once('='));
        pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next_back()
    }
}

/// Appends a `GET`.
pub fn get(request: &mut Vec<u8>, path: &str) {
    get_with(request, path, "");
}

/// Appends a `GET`; `headers` are whole lines, each with its `\r\n`.
pub fn get_with(request: &mut Vec<u8>, path: &str, headers: &str) {
    for part in ["GET ", path, " HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n", headers, "\r\n"] {
        request.extend_from_slice(part.as_bytes());
    }
}

/// Appends any request with a JSON body; `headers` are whole lines, each with its `\r\n`.
pub fn with_body(request: &mut Vec<u8>, method: &str, path: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    request.extend_from_slice(head.as_bytes());
    request.extend_from_slice(body);
}

/// One address; connects when it has to, and again after an error or when the server wants to close.
pub struct Client {
    address: SocketAddr,
    patience: Duration,
    connection: Option<Connection>,
}

impl Client {
    pub fn new(address: SocketAddr, patience: Duration) -> Self {
        Self { address, patience, connection: None }
    }

    /// Connects, so that the first request does not have to.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn connect(&mut self) -> io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(self.address).await?);
        }
        Ok(())
    }

    /// Sends the bytes of one request and reads its answer.
    ///
    /// # Errors
    /// The connection failed, or the answer took longer than the client's patience. Whether the request had an effect
    /// is then unknown.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let (answer, keep) = tokio::time::timeout(self.patience, connection.exchange(request))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if keep {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    /// # Errors
    /// As [`send`](Self::send).
    pub async fn get(&mut self, path: &str) -> io::Result<Answer> {
        let mut request = Vec::with_capacity(128);
        get(&mut request, path);
        self.send(&request).await
    }
}

struct Connection {
    stream: TcpStream,
    input: BytesMut,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: BytesMut::with_capacity(READ_BYTES) })
    }

    /// The answer, and whether the connection may be used again.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<(Answer, bool)> {
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(head) = parse_head(&self.input)? {
                // An interim answer says nothing.
                if head.status >= 200 {
                    break head;
                }
                drop(self.input.split_to(head.length));
                continue;
            }
            self.fill().await?;
        };
        drop(self.input.split_to(head.length));
        let body = match head.body {
            Body::Length(length) => self.take(length).await?,
            Body::Chunked => self.chunks().await?,
        };
        let Head { status, retry_after, set_cookies, keep_alive, .. } = head;
        Ok((Answer { status, retry_after, set_cookies, body }, keep_alive))
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.input.len() > LARGEST_ANSWER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer does not end"));
        }
        self.input.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        while self.input.len() < length {
            self.fill().await?;
        }
        Ok(self.input.split_to(length).freeze())
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let (skip, size) = loop {
                match httparse::parse_chunk_size(&self.input) {
                    Ok(httparse::Status::Complete((skip, size))) => break (skip, size as usize),
                    Ok(httparse::Status::Partial) => self.fill().await?,
                    Err(_) => return Err(invalid("a bad chunk")),
                }
            };
            drop(self.input.split_to(skip));
            let chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body.freeze());
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
}

struct Head {
    status: u16,
    length: usize,
    body: Body,
    keep_alive: bool,
    retry_after: bool,
    set_cookies: Vec<String>,
}

enum Body {
    Length(usize),
    Chunked,
}

fn parse_head(input: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(input).map_err(|e| invalid(&e.to_string()))? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or_default();
    let mut head = Head {
        status,
        length,
        body: Body::Length(0),
        keep_alive: true,
        retry_after: false,
        set_cookies: Vec::new(),
    };
    let mut framed = matches!(status, 100..=199 | 204 | 304);
    for header in response.headers.iter() {
        let value = str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            head.body = Body::Length(value.parse().map_err(|_| invalid("a bad Content-Length"))?);
            framed = true;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            head.body = Body::Chunked;
            framed = true;
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.keep_alive = !value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            head.retry_after = true;
        } else if header.name.eq_ignore_ascii_case("set-cookie") {
            head.set_cookies.push(value.to_owned());
        }
    }
    if framed { Ok(Some(head)) } else { Err(invalid("an answer without a length")) }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
