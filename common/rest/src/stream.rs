//! The connection under actix-http, which answers what it cannot parse by itself, with a head and no body: `400`, `408`, `431`.
//! Here these answers become problem documents; a client that is still sending gets to read them; and a connection on which
//! nothing moves any more is closed.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, Sleep, sleep, timeout},
};

use http_common::{PROBLEM_JSON, Problem, protective};

use crate::connections::OpenConnection;

/// How long a refused client may go on sending before the connection is cut.
const LINGER: Duration = Duration::from_secs(1);

pub(crate) struct HttpStream {
    /// Taken on drop only.
    io: Option<TcpStream>,
    connection: Option<OpenConnection>,
    /// What is left to send of a problem document that took the place of an empty answer.
    problem: Option<Bytes>,
    idle_limit: Duration,
    moved: Instant,
    idle: Pin<Box<Sleep>>,
}

impl HttpStream {
    pub(crate) fn new(io: TcpStream, connection: OpenConnection, idle_limit: Duration) -> Self {
        Self {
            io: Some(io),
            connection: Some(connection),
            problem: None,
            idle_limit,
            moved: Instant::now(),
            idle: Box::pin(sleep(idle_limit)),
        }
    }

    fn io(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.io.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Ready when nothing has moved for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.idle.as_mut().poll(cx).is_ready() {
            let deadline = self.moved + self.idle_limit;
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            self.idle.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn poll_send_problem(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(problem) = self.problem.clone().filter(Bytes::has_remaining) {
            let written = ready!(self.io()?.poll_write(cx, &problem))?;
            if let Some(problem) = &mut self.problem {
                problem.advance(written);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.io()?.poll_read(cx, buf) {
            Poll::Ready(read) => {
                self.moved = Instant::now();
                Poll::Ready(read)
            }
            Poll::Pending => self.poll_idle(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.problem.is_some() {
            // Nothing follows the answer to what could not be parsed.
            return self.poll_send_problem(cx).map_ok(|()| buf.len());
        }
        let Some((start, status)) = empty_error(buf) else {
            let written = ready!(self.io()?.poll_write(cx, buf));
            self.moved = Instant::now();
            return Poll::Ready(written);
        };
        if start > 0 {
            // The answers to requests that came before it are sent as they are.
            return self.io()?.poll_write(cx, &buf[..start]);
        }
        self.problem = Some(with_problem(buf, status));
        // It is accepted as a whole; what the kernel does not take now follows with the flush.
        match self.poll_send_problem(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(buf.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_problem(cx))?;
        self.io()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_problem(cx))?;
        self.io()?.poll_shutdown(cx)
    }
}

/// Closing a socket on which data is waiting resets the connection, and the client may never see the answer. So what a
/// refused client is still sending is read for a moment and thrown away.
impl Drop for HttpStream {
    fn drop(&mut self) {
        let (Some(rest), Some(mut io)) = (self.problem.take(), self.io.take()) else {
            return;
        };
        let connection = self.connection.take();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let farewell = async {
                io.write_all(&rest).await?;
                io.shutdown().await?;
                let mut scrap = [0; 4096];
                while io.read(&mut scrap).await? > 0 {}
                io::Result::Ok(())
            };
            // Whether it went well or not, the connection ends here.
            let _ = timeout(LINGER, farewell).await;
            drop(connection);
        });
    }
}

/// Finds, at the end of what is to be written, an answer of actix-http's own making: its head's start, and its status.
/// No answer of ours is an error without a body, so there is nothing to confuse it with.
fn empty_error(buf: &[u8]) -> Option<(usize, u16)> {
    // All that most answers cost: they end with a body.
    if !buf.ends_with(b"\r\n\r\n") {
        return None;
    }
    const HEAD: &[u8] = b"HTTP/1.1 ";
    let start = buf.windows(HEAD.len()).rposition(|window| window == HEAD)?;
    let head = &buf[start..];
    let status = std::str::from_utf8(head.get(HEAD.len()..HEAD.len() + 3)?).ok()?.parse().ok()?;
    (status >= 400 && position_of_length(head).is_some()).then_some((start, status))
}

const NO_LENGTH: &[u8] = b"\r\ncontent-length: 0\r\n";

fn position_of_length(head: &[u8]) -> Option<usize> {
    head.windows(NO_LENGTH.len()).position(|window| window == NO_LENGTH)
}

/// The same head, now with a body.
fn with_problem(head: &[u8], status: u16) -> Bytes {
    let problem = Problem::new(status);
    let body = problem.to_json();
    let mut answer = Vec::with_capacity(head.len() + body.len() + 64);
    let Some(length) = position_of_length(head) else {
        return Bytes::copy_from_slice(head);
    };
    answer.extend_from_slice(&head[..length]);
    answer.extend_from_slice(
        format!("\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\n", body.len()).as_bytes(),
    );
    for (name, value) in protective::FIELDS {
        answer.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    answer.extend_from_slice(&head[length + NO_LENGTH.len()..]);
    answer.extend_from_slice(&body);
    answer.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const EMPTY: &[u8] =
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\ndate: now\r\n\r\n";

    #[test]
    fn only_empty_errors_at_the_end_are_found() {
        assert_eq!(empty_error(EMPTY), Some((0, 431)));
        let earlier = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(empty_error(&[earlier, EMPTY].concat()), Some((earlier.len(), 431)));
        assert_eq!(empty_error(earlier), None);
        assert_eq!(empty_error(b"HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"), None);
        assert_eq!(empty_error(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(empty_error(b"HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\n"), None);
        assert_eq!(empty_error(b"\r\n\r\n"), None);
        assert_eq!(empty_error(b""), None);
    }

    #[test]
    fn the_head_is_kept_and_a_body_follows() {
        let answer = with_problem(EMPTY, 431);
        let text = std::str::from_utf8(&answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 "));
        assert!(head.contains("content-type: application/problem+json\r\n"));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        assert!(head.contains("connection: close") && head.contains("x-content-type-options: nosniff\r\n"));
        assert!(body.contains("\"status\":431"));
    }
}
