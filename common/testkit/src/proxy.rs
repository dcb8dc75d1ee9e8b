use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing passes, nothing is closed.
    Stalled,
    /// Connections end at once.
    Cut,
}

/// A wire to a server that can be cut or clogged. Ends with its owner.
pub struct TcpProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl TcpProxy {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it listens");
        let (state, seen) = watch::channel(State::Open);
        tokio::spawn(async move {
            let mut ended = seen.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { return };
                        if *seen.borrow() != State::Cut {
                            tokio::spawn(connect(client, server, seen.clone()));
                        }
                    }
                    open = ended.changed() => if open.is_err() { return },
                }
            }
        });
        Self { address, state }
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and new ones as soon as they are made.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets nothing pass; connections stay open.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    /// All is well again.
    pub fn restore(&self) {
        self.state.send_replace(State::Open);
    }
}

async fn connect(client: TcpStream, server: SocketAddr, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // Small packets to and fro: waiting for more of them would take 40 ms each time.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Either end closes both.
    tokio::select! {
        _ = pump(from_client, to_server, state.clone()) => {}
        _ = pump(from_server, to_client, state) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let seen = *state.borrow_and_update();
        if seen == State::Cut {
            return Ok(());
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return Ok(()) },
            read = from.read(&mut buffer), if seen == State::Open => match read? {
                0 => return Ok(()),
                length => to.write_all(&buffer[..length]).await?,
            },
        }
    }
}
