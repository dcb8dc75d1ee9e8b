//! A service that remembers what it was sent, byte for byte, and answers as it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

pub enum Reply {
    /// Written as it is; the connection stays open.
    Bytes(Vec<u8>),
    /// Written as they come, then the connection is closed.
    Pieces(mpsc::Receiver<Vec<u8>>),
    /// Nothing, and the connection stays open.
    Silence,
    /// The connection is closed.
    HangUp,
}

pub struct Service {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Connections that the other side has closed, or this one.
    ended: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Reply {
    pub fn ok(body: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }

    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl Service {
    /// Answers every request with 200 and these words.
    pub async fn saying(words: &'static str) -> Self {
        Self::start(move |_| Reply::ok(words)).await
    }

    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answer).await
    }

    pub async fn start_at(addr: SocketAddr, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(addr).unwrap();
        let listener = socket.listen(1024).unwrap();
        let addr = listener.local_addr().unwrap();
        let (seen, ended) = (Arc::default(), Arc::default());
        let connections = Arc::default();
        let accepting = tokio::spawn(accept(
            listener,
            Arc::new(answer),
            Arc::clone(&seen),
            Arc::clone(&ended),
            Arc::clone(&connections),
        ));
        Self { addr, seen, ended, accepting, connections }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the service was asked")
    }

    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// Closes its connections and its port, as a process that is killed.
    pub async fn kill(self) -> SocketAddr {
        self.accepting.abort();
        let _ = self.accepting.await;
        let connections = std::mem::take(&mut *self.connections.lock().unwrap());
        for connection in connections {
            connection.abort();
            let _ = connection.await;
        }
        self.addr
    }
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers(name).into_iter();
        let value = values.next();
        assert!(values.next().is_none(), "{name} more than once: {}", self.head);
        value
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub fn request_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }
}

async fn accept<F: Fn(&Seen) -> Reply + Send + Sync + 'static>(
    listener: TcpListener,
    answer: Arc<F>,
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<AtomicUsize>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
) {
    for connection in 0.. {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (answer, seen, ended) = (answer.clone(), seen.clone(), ended.clone());
        let task = tokio::spawn(async move {
            serve(stream, connection, &*answer, &seen).await;
            ended.fetch_add(1, Ordering::SeqCst);
        });
        connections.lock().unwrap().push(task);
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    answer: &(dyn Fn(&Seen) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Seen>>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, connection).await {
        seen.lock().unwrap().push(request.clone());
        let reply = answer(&request);
        match reply {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Pieces(mut pieces) => {
                while let Some(piece) = pieces.recv().await {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                }
                return;
            }
            Reply::Silence => {
                // Until the other side hangs up.
                while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {}
                return;
            }
            Reply::HangUp => return,
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Seen> {
    let head = until(stream, buffer, b"\r\n\r\n").await?;
    let mut request = Seen { head: String::from_utf8(head).unwrap(), body: Vec::new(), connection };
    if let Some(length) = request.header("content-length") {
        let length: usize = length.parse().unwrap();
        while buffer.len() < length {
            if stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
        request.body = buffer.drain(..length).collect();
    } else if request.header("transfer-encoding").is_some() {
        request.body = until(stream, buffer, b"0\r\n\r\n").await?;
    }
    Some(request)
}

async fn until(stream: &mut TcpStream, buffer: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
            return Some(buffer.drain(..at + end.len()).collect());
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
