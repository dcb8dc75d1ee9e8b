//! Small servers to compare with, each a process of its own (this program again), so that its CPU is counted apart.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};

use harness::Error;
use harness::ports::free_address;
use harness::process::Process;

/// What a proxy passes on: 1 kB.
const KILOBYTE: [u8; 1024] = [b'x'; 1024];
const READY_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Server {
    /// Answers 1 kB to anything, at the least cost: what stands behind a proxy that is measured
    Upstream,
    /// The least that actix-web can do: one handler, 1 kB
    Actix,
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Actix => "actix",
        }
    }

    /// Starts it as a process on these CPUs.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn start(self, cpus: &str, directory: &Path) -> Result<(Process, SocketAddr), Error> {
        let address = free_address()?;
        let this = std::env::current_exe().map_err(Error::io("finding this program"))?;
        let mut command = Command::new("taskset");
        command.args(["-c", cpus]).arg(this).args([
            "--serve",
            self.name(),
            "--port",
            &address.port().to_string(),
        ]);
        let log = directory.join(format!("{}.log", self.name()));
        let mut process = Process::start(self.name(), &mut command, &log)?;
        await_listening(&mut process, address).await?;
        Ok((process, address))
    }

    /// Serves until killed.
    ///
    /// # Errors
    /// The port is taken.
    pub fn serve(self, port: u16) -> Result<(), Error> {
        match self {
            Self::Upstream => upstream(port),
            Self::Actix => actix(port),
        }
        .map_err(Error::io(format!("serving {}", self.name())))
    }
}

/// # Errors
/// Nobody listens there in time.
pub async fn await_listening(process: &mut Process, address: SocketAddr) -> Result<(), Error> {
    let start = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        process.must_run()?;
        if start.elapsed() > READY_WITHIN {
            return Err(Error::unexpected(format!("nobody listens on {address}")));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// A thread for each connection: proxies keep few.
fn upstream(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || answer_all(stream));
    }
    Ok(())
}

fn answer_all(mut stream: TcpStream) {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n".to_vec();
    answer.extend_from_slice(&KILOBYTE);
    let mut input = Vec::with_capacity(4096);
    let mut piece = [0; 4096];
    let _ = stream.set_nodelay(true);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        input.extend_from_slice(&piece[..n]);
        // Requests without a body, one at a time.
        if input.ends_with(b"\r\n\r\n") {
            input.clear();
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

fn actix(port: u16) -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async move {
        let app = || {
            let answer = || async { HttpResponse::Ok().content_type("text/plain").body(&KILOBYTE[..]) };
            App::new().default_service(web::to(answer))
        };
        HttpServer::new(app).workers(1).bind(("127.0.0.1", port))?.run().await
    })
}
