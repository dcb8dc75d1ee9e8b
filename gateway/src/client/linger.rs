//! The end of a connection: what was written last must not be lost.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
};

use crate::progress::Progress;

/// How long, and how much, a connection that ends is still read from.
pub(super) const LINGER_MS: u64 = 1000;
const LINGER_BYTES: usize = 1 << 20;

/// Says that nothing more comes, and lets the client read to the end.
pub(super) async fn linger(mut stream: TcpStream, progress: &Progress) {
    if stream.shutdown().await.is_err() {
        return;
    }
    progress.deadline.set(LINGER_MS);
    let mut most = LINGER_BYTES;
    poll_fn(|cx| match poll_discard(&mut stream, cx, &mut most) {
        Poll::Pending if !progress.deadline.expired() => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

/// Reads and forgets: closing a socket with unread bytes resets the connection.
fn poll_discard(stream: &mut TcpStream, cx: &mut Context<'_>, most: &mut usize) -> Poll<()> {
    let mut scratch = [0; 4096];
    while *most > 0 {
        let mut read = ReadBuf::new(&mut scratch);
        match ready!(Pin::new(&mut *stream).poll_read(cx, &mut read)) {
            Ok(()) if !read.filled().is_empty() => {
                *most = most.saturating_sub(read.filled().len());
            }
            _ => break,
        }
    }
    Poll::Ready(())
}
