//! A client that sends exactly the bytes that it is given.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::PATIENCE;

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// One request on a connection of its own.
pub async fn get(addr: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(addr).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    client.answer().await
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap(), buffer: Vec::new() }
    }

    /// A client that the kernel lets fall behind soon.
    pub async fn with_receive_buffer(addr: SocketAddr, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        Self { stream: socket.connect(addr).await.unwrap(), buffer: Vec::new() }
    }

    /// Says that nothing more comes, and reads on.
    pub async fn end(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Closes the connection so that the other side hears of it at once.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Takes in a little of what has come; false at the end.
    pub async fn sip(&mut self) -> bool {
        let mut sip = [0; 8192];
        let read = timeout(PATIENCE, self.stream.read(&mut sip)).await;
        let read = read.expect("the server keeps silent").unwrap_or(0);
        self.buffer.extend_from_slice(&sip[..read]);
        read > 0
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The other side may have hung up; what it said before counts.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    pub async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    /// The next answer; panics if there is none.
    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.unwrap()
    }

    /// The next answer that is more than a word on the way to one.
    pub async fn last_answer(&mut self) -> Answer {
        loop {
            let answer = self.answer().await;
            if answer.status >= 200 {
                return answer;
            }
        }
    }

    /// The next answer, if one comes before the end of the connection.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        self.answer_to(false).await
    }

    pub async fn answer_to_head(&mut self) -> Answer {
        self.try_answer_to_head().await.unwrap()
    }

    pub async fn try_answer_to_head(&mut self) -> Option<Answer> {
        self.answer_to(true).await
    }

    async fn answer_to(&mut self, head_only: bool) -> Option<Answer> {
        let end = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        if head_only || status == 204 || status == 304 || status < 200 {
            return Some(answer);
        }
        let body = if let Some(length) = answer.header("content-length") {
            self.take(length.parse().unwrap()).await?
        } else if answer.header("transfer-encoding").is_some() {
            self.chunks().await?
        } else {
            while self.more().await {}
            std::mem::take(&mut self.buffer)
        };
        answer.body = String::from_utf8(body).unwrap();
        Some(answer)
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Some(body);
            }
            body.extend(chunk);
        }
    }

    /// One chunk of an answer; empty at the end.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = self.until(b"\r\n").await?;
        let size = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let chunk = self.take(size).await?;
        self.take(2).await?;
        Some(chunk)
    }

    /// The head of an answer alone.
    pub async fn head(&mut self) -> String {
        let end = self.until(b"\r\n\r\n").await.unwrap();
        String::from_utf8(self.buffer.drain(..end).collect()).unwrap()
    }

    /// Whether the server has closed the connection, with nothing more to say.
    pub async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.more().await
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.more().await {
                return None;
            }
        }
        Some(self.buffer.drain(..length).collect())
    }

    async fn until(&mut self, end: &[u8]) -> Option<usize> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Some(at + end.len());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        read.expect("the server keeps silent").is_ok_and(|read| read > 0)
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// A problem document with this status, and nothing else.
    #[track_caller]
    pub fn is_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
}
