//! Tells a client that has closed its connection from one that only sends nothing more and reads on.
//!
//! Both end their side alike. But when something is written to the former, its system answers with a reset.

use std::{io, os::fd::AsFd as _, pin::Pin, time::Duration};

use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::TcpStream,
    time::sleep,
};

/// Whoever gets an answer before that is not asked.
const ASK_AFTER: Duration = Duration::from_millis(200);
/// A client passes over it, whether it waits for one or not (RFC 9110 section 15.2.1).
const QUESTION: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Waits until the client is known to be gone. To be dropped before anything else is written to it.
pub(super) type Gone = Pin<Box<dyn Future<Output = ()>>>;

/// Asks the client over its connection.
///
/// # Errors
/// No file is left.
pub(super) fn gone(stream: &TcpStream) -> io::Result<Gone> {
    // Of its own, for whoever has read the end of a stream hears no more of it.
    let mut stream = TcpStream::from_std(stream.as_fd().try_clone_to_owned()?.into())?;
    Ok(Box::pin(async move {
        sleep(ASK_AFTER).await;
        if stream.write(QUESTION).await.is_ok_and(|written| written == QUESTION.len()) {
            // An error of waiting is an end as well.
            let _ = stream.ready(Interest::ERROR).await;
        }
    }))
}
