//! What a client sends and sees.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything may take; so that a story fails rather than hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// One address.
#[derive(Clone, Debug)]
pub struct Http {
    address: SocketAddr,
    internal_token: Option<&'static str>,
    bearer: Option<String>,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Http {
    pub fn at(address: SocketAddr) -> Self {
        Self { address, internal_token: None, bearer: None }
    }

    /// As a service asks, not as a customer.
    #[must_use]
    pub fn with_internal_token(self, token: &'static str) -> Self {
        Self { internal_token: Some(token), ..self }
    }

    /// As the user whose token it is.
    #[must_use]
    pub fn with_bearer(self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..self }
    }

    /// `http://127.0.0.1:8088`
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A request to be built; [`send`] sends it. A path, or a whole URL: a link.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http://") { path.to_owned() } else { self.origin() + path };
        let request = client().request(Method::from_bytes(method.as_bytes()).expect("a method"), url);
        let request = match &self.bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        match self.internal_token {
            Some(token) => request.header("X-Internal-Token", token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request("GET", path)).await
    }

    /// # Errors
    /// Nobody answers.
    pub async fn try_get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        try_send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request("POST", path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        send(self.request("PUT", path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request("DELETE", path)).await
    }

    /// Bytes that no client library would send; everything that comes back until the server closes or pauses.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut connection = TcpStream::connect(self.address).await.expect("somebody listens");
        // The server may have seen enough before it has seen everything.
        let _ = connection.write_all(request).await;
        let mut answer = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(Ok(length @ 1..)) = tokio::time::timeout(LIMIT, connection.read(&mut buffer)).await {
            answer.extend_from_slice(&buffer[..length]);
            if is_complete(&answer) {
                break;
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// # Panics
/// When nobody answers.
pub async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
}

/// # Errors
/// Nobody answers.
pub async fn try_send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
}

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        Client::builder()
            // Services are killed and started again behind its back.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(LIMIT)
            .build()
            .expect("a client can be made")
    })
}

impl Answer {
    /// # Panics
    /// With the body, where it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The value of a cookie that the answer sets; empty where the answer clears it.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let set = self.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
        set.filter_map(|line| line.split(';').next()?.split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.to_owned())
    }

    pub fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    /// The answer, if it has that status.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The problem document, after a look at what every one has to have.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.content_type(), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "instance"] {
            // A request that did not arrive whole may have had any path.
            let is_unknown = member == "instance" && [400, 408, 414, 431].contains(&status);
            assert!(problem[member].is_string() || is_unknown, "{member} is missing: {problem}");
        }
        if status == 503 {
            assert!(self.header("retry-after").is_some(), "503 without Retry-After: {problem}");
        }
        problem
    }
}

/// Whether a raw answer has as many bytes as its head says.
fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}
