//! The commands of the README do what it says: every line of a block marked `sh test` is run against the system that
//! `cargo run` starts, and what is printed below it is what comes back, but for moments and addresses.
//!
//! With httpie where it is installed, word for word; else the lines are read as httpie would read them.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use harness::waiting::{PATIENCE, eventually, when};
use serde_json::{Map, Value};
use stories::http::{Answer, send};
use stories::setup::Setup;
use stories::system::System;

/// The port that the README names.
const PORT: &str = ":8088";

/// A line, and what the README says comes back.
#[derive(Debug, PartialEq)]
struct Line {
    command: String,
    status: u16,
    body: Option<Value>,
}

#[test]
fn commands_do_what_the_readme_says() {
    harness::runtime().block_on(async {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
        let lines = lines(&std::fs::read_to_string(readme).unwrap());
        assert!(lines.len() >= 6, "the customer's story is told: {lines:?}");
        let httpie =
            Command::new("http").arg("--version").output().is_ok_and(|output| output.status.success());
        println!(
            "README: {} commands, {}",
            lines.len(),
            if httpie { "through httpie" } else { "httpie not found: read as it would" }
        );
        let system = System::start(Setup::One).await;
        let sessions = Sessions::new();
        for line in lines {
            eventually(PATIENCE, &line.command, async || {
                let (status, body) = match httpie {
                    true => run(&system, &line.command, &sessions),
                    false => ask(&system, &line.command, &sessions).await,
                };
                // What follows a reservation takes a moment; who only reads may look again.
                let is_right = when(status == line.status, format!("{status} {body}"));
                assert!(is_right.is_ok() || status == 404, "{}: {is_right:?}", line.command);
                is_right?;
                if let Some(shown) = &line.body {
                    assert_eq!(shape(shown), shape(&body), "what the README shows of {}", line.command);
                }
                Ok::<_, String>(())
            })
            .await;
        }
    });
}

/// What httpie keeps of a `--session` from one command to the next.
struct Sessions {
    /// Its own files.
    directory: tempfile::TempDir,
    /// The cookies of each session, where it is not there.
    cookies: RefCell<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Sessions {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), cookies: RefCell::default() }
    }

    fn cookies(&self, session: &str) -> String {
        let all = self.cookies.borrow();
        let cookies = all.get(session).into_iter().flatten();
        cookies.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, session: &str, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = cookie.split_once('=').unwrap();
            let mut all = self.cookies.borrow_mut();
            all.entry(session.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
        }
    }
}

/// The command as it stands, but for the port.
fn run(system: &System, command: &str, sessions: &Sessions) -> (u16, Value) {
    let port = format!(":{}", system.gateway().origin().rsplit(':').next().unwrap());
    let command = command
        .replacen("http ", "http --ignore-stdin --print=hb --pretty=none ", 1)
        .replacen("curl ", "curl -si ", 1)
        .replace(PORT, &port);
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).env("HTTPIE_CONFIG_DIR", sessions.directory.path());
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    let (head, body) = said.split_once("\n\n").unwrap_or((&said, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status =
        status.unwrap_or_else(|| panic!("{command}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// The command as httpie reads it: `[--session=NAME] [METHOD] URL [name=value...]`.
async fn ask(system: &System, command: &str, sessions: &Sessions) -> (u16, Value) {
    let mut words = words(command).into_iter().skip(1).peekable();
    let session = words.next_if(|word| word.starts_with("--session="));
    let method = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
    let url = words.next().expect("a URL");
    let path = url.strip_prefix(PORT).unwrap_or_else(|| panic!("{command}: {PORT} is not asked"));
    let fields: Map<String, Value> = words
        .map(|item| item.split_once('=').map(|(name, value)| (name.to_owned(), value.into())))
        .collect::<Option<_>>()
        .unwrap_or_else(|| panic!("{command}: only name=value is understood"));
    let method = method.unwrap_or_else(|| if fields.is_empty() { "GET" } else { "POST" }.to_owned());
    let request = system.gateway().request(&method, path);
    let request = if fields.is_empty() { request } else { request.json(&fields) };
    let request = match session.as_ref().map(|session| sessions.cookies(session)) {
        Some(cookies) if !cookies.is_empty() => request.header("cookie", cookies),
        _ => request,
    };
    let answer = send(request).await;
    if let Some(session) = &session {
        sessions.keep(session, &answer);
    }
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// Words as a shell splits them; double and single quotes keep spaces together.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in command.trim().chars() {
        match (quote, character) {
            (None, ' ') => words.push(String::new()),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The lines of all blocks ```` ```sh test ````, each with the answer that a block of output right after it shows.
fn lines(readme: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut block: Option<(String, String)> = None;
    let mut was_tested = false;
    for text in readme.lines() {
        match (text.strip_prefix("```"), block.take()) {
            (Some(info), None) => block = Some((info.trim().to_owned(), String::new())),
            (Some(_), Some((info, content))) => {
                if info == "sh test" {
                    lines.extend(content.lines().filter(|line| !line.trim().is_empty()).map(line));
                } else if let Some(shown) =
                    content.strip_prefix("HTTP/1.1 ").filter(|_| was_tested && info.is_empty())
                {
                    let last = lines.last_mut().unwrap();
                    last.status = shown.split(' ').next().unwrap().parse().unwrap();
                    last.body = shown.split_once("\n\n").map(|(_, body)| serde_json::from_str(body).unwrap());
                }
                was_tested = info == "sh test";
            }
            (None, Some((info, content))) => block = Some((info, content + text + "\n")),
            // Words between a command and a block of output: it is another's.
            (None, None) => was_tested &= text.trim().is_empty(),
        }
    }
    lines
}

fn line(command: &str) -> Line {
    let words = words(command);
    assert!(["http", "curl"].contains(&words[0].as_str()), "not run by this test: {command}");
    let status = if words.iter().any(|word| word == "DELETE") {
        204
    } else if words.iter().any(|word| word == "POST") {
        201
    } else {
        200
    };
    Line { command: command.to_owned(), status, body: None }
}

/// A document without what differs from run to run: moments, addresses.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(text) if text.starts_with("http://") => "(a link)".into(),
        Value::String(text) if text.len() == 29 && text.ends_with("+00:00") => "(a moment)".into(),
        other => other.clone(),
    }
}

#[test]
fn blocks_are_found() {
    let readme = "text\n```sh test\nhttp POST :8088/x a=\"b c\" d=1\n```\n```\nHTTP/1.1 202 Accepted\nx: y\n\n{\"a\": 1}\n```\n\
        ```sh\ncargo run\n```\n```sh test\nhttp DELETE :8088/x/1\nhttp :8088/x\n```\nwords\n```\nHTTP/1.1 500 No\n```\n";
    let found = lines(readme);
    let statuses: Vec<u16> = found.iter().map(|line| line.status).collect();
    assert_eq!(statuses, [202, 204, 200]);
    assert_eq!(found[0].body, Some(serde_json::json!({"a": 1})));
    assert_eq!(words(&found[0].command), ["http", "POST", ":8088/x", "a=b c", "d=1"]);
}
