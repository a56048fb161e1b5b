//! The loopback address to which the authorization server sends the person back. It takes one answer, to the question that was asked;
//! anything else that knocks is turned away and changes nothing.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The longest head of a request that is read.
const MAX_HEAD: usize = 16 << 10;

/// How long one visitor may take to say what it wants.
const VISIT: Duration = Duration::from_secs(5);

/// How many visitors are heard at the same time.
const VISITORS: usize = 16;

const PATH: &str = "/callback";

/// Waits on a port of this machine.
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

/// What came back, belonging to the state that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Returned {
    /// A code for tokens, and who says so.
    Code { code: String, issuer: Option<String> },
    /// A no.
    Error { error: String, description: String },
}

impl Callback {
    pub(super) async fn bind(port: Option<u16>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// The address that is told to the authorization server.
    pub(super) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for the answer with this state. Visitors with another one are turned away: they may be anybody. One that says nothing (a
    /// browser opens connections before it needs them) keeps nobody waiting.
    pub(super) async fn wait(&self, state: &str) -> std::io::Result<Returned> {
        let mut visits = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if visits.len() < VISITORS => visits.push(visit(accepted?.0, state)),
                Some(returned) = visits.next() => if let Some(returned) = returned { return Ok(returned) },
            }
        }
    }
}

/// Hears one visitor out and answers.
async fn visit(mut stream: TcpStream, state: &str) -> Option<Returned> {
    let head = tokio::time::timeout(VISIT, head(&mut stream)).await.ok()??;
    let returned = target(&head).and_then(|query| returned(query, state));
    let (status, text) = match &returned {
        Some(Returned::Code { .. }) => ("200 OK", "Done. You can close this page and go back to Swell."),
        Some(Returned::Error { .. }) => ("200 OK", "Nothing was authorized. You can close this page and go back to Swell."),
        None => ("404 Not Found", "This is not an answer that Swell waits for."),
    };
    let _ = tokio::time::timeout(VISIT, answer(&mut stream, status, text)).await;
    returned
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let (mut all, mut buffer) = (Vec::new(), [0; 2048]);
    while !all.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer).await.ok()? {
            0 => return None,
            n if all.len() + n <= MAX_HEAD => all.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
    String::from_utf8(all).ok()
}

/// The query of a `GET` of our path.
fn target(head: &str) -> Option<&str> {
    let path = head.lines().next()?.strip_prefix("GET ")?.split(' ').next()?;
    path.strip_prefix(PATH)?.strip_prefix('?')
}

fn returned(query: &str, state: &str) -> Option<Returned> {
    let url = reqwest::Url::parse(&format!("http://127.0.0.1{PATH}?{query}")).ok()?;
    let mut all: HashMap<String, String> = HashMap::new();
    for (name, value) in url.query_pairs() {
        // A parameter that stands twice makes the answer mean two things (RFC 6749, 3.1).
        if all.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    if all.get("state").map(String::as_str) != Some(state) {
        return None;
    }
    if let Some(error) = all.remove("error") {
        return Some(Returned::Error { error, description: all.remove("error_description").unwrap_or_default() });
    }
    Some(Returned::Code { code: all.remove("code").filter(|c| !c.is_empty())?, issuer: all.remove("iss") })
}

async fn answer(stream: &mut TcpStream, status: &str, text: &str) -> std::io::Result<()> {
    let page = format!("<!doctype html><meta charset=utf-8><title>Swell</title><p>{text}</p>");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_the_question_counts() {
        let code = |issuer: Option<&str>| Some(Returned::Code { code: "c 1".into(), issuer: issuer.map(str::to_owned) });
        for (head, expected) in [
            ("GET /callback?code=c%201&state=s HTTP/1.1\r\n\r\n", code(None)),
            ("GET /callback?state=s&iss=https%3A%2F%2Fas&code=c+1 HTTP/1.1\r\n\r\n", code(Some("https://as"))),
            ("GET /callback?code=c&state=other HTTP/1.1\r\n\r\n", None),
            ("GET /callback?code=c HTTP/1.1\r\n\r\n", None),
            ("GET /callback?code=a&code=b&state=s HTTP/1.1\r\n\r\n", None),
            ("GET /callback?code=&state=s HTTP/1.1\r\n\r\n", None),
            ("GET /favicon.ico HTTP/1.1\r\n\r\n", None),
            ("POST /callback?code=c&state=s HTTP/1.1\r\n\r\n", None),
            (
                "GET /callback?error=access_denied&error_description=no&state=s HTTP/1.1\r\n\r\n",
                Some(Returned::Error { error: "access_denied".into(), description: "no".into() }),
            ),
            ("GET /callback?error=access_denied&state=x HTTP/1.1\r\n\r\n", None),
        ] {
            assert_eq!(target(head).and_then(|query| returned(query, "s")), expected, "{head}");
        }
    }

    #[tokio::test]
    async fn visitors_that_say_nothing_keep_nobody_waiting_and_only_this_machine_can_come() {
        let callback = Callback::bind(None).await.unwrap();
        assert!(callback.listener.local_addr().unwrap().ip().is_loopback());
        let at = ("127.0.0.1", callback.port);
        let mut silent = Vec::new();
        for _ in 0..VISITORS - 1 {
            silent.push(TcpStream::connect(at).await.unwrap());
        }
        let person = async {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(b"GET /callback?code=c&state=s HTTP/1.1\r\n\r\n").await.unwrap();
            let mut page = String::new();
            stream.read_to_string(&mut page).await.unwrap();
            page
        };
        let both = async { tokio::join!(callback.wait("s"), person) };
        let (returned, page) = tokio::time::timeout(VISIT - Duration::from_secs(1), both).await.expect("nobody waits for the silent ones");
        assert_eq!(returned.unwrap(), Returned::Code { code: "c".into(), issuer: None });
        assert!(page.starts_with("HTTP/1.1 200") && !page.contains("code=c"), "{page}");
    }
}
