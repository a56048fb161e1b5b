//! Logins, against an authorization server and an MCP server in this process that may lie as the test says.

use std::{path::Path, sync::Arc, time::Duration};

use swell::{
    diagnostic::Explain,
    domain::Properties,
    mcp::{
        CallControl, CallError, ConnectError, ConnectOptions, Connection, Effect, Endpoint,
        auth::{AuthSpec, Challenge, Grant, Login, LoginError, Tokens, Trouble},
        http::HttpSpec,
    },
    secret::Redactor,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::authorization::{Both, World, browse};

fn spec(folder: &Path, url: &str, redactor: &Redactor) -> AuthSpec {
    AuthSpec::new(Arc::new(Tokens::new(folder, "far".parse().unwrap(), url, redactor.clone())))
}

fn connection(auth: &AuthSpec) -> Arc<Connection> {
    let spec = HttpSpec { url: auth.tokens.url().to_owned(), headers: Default::default(), bearer: None, auth: Some(auth.clone()) };
    Connection::new(
        "far".parse().unwrap(),
        Endpoint::Http(spec),
        ConnectOptions { timeout: Duration::from_secs(10), ..ConnectOptions::default() },
    )
}

/// A server that wants a login, at which nobody has logged in yet.
struct Closed {
    both: Both,
    auth: AuthSpec,
    c: Arc<Connection>,
    folder: tempfile::TempDir,
    _mock: MockServer,
}

impl Closed {
    async fn new(lie: impl FnOnce(&mut World)) -> Self {
        let (both, _mock) = Both::start().await;
        lie(&mut both.world());
        let folder = tempfile::tempdir().unwrap();
        let auth = spec(folder.path(), &both.url(), &Redactor::default());
        let c = connection(&auth);
        c.connect().await.unwrap_err();
        Self { both, auth, c, folder, _mock }
    }
}

async fn log_in(c: &Connection, auth: &AuthSpec) -> Result<Vec<String>, Trouble> {
    let login = Login::begin(auth, c.challenge().as_ref(), &[]).await.map_err(|e| e.what)?;
    let page = login.asked().url.clone();
    let (granted, _) = tokio::join!(login.finish(Duration::from_secs(10)), browse(&page));
    c.close().await;
    granted.map_err(|e| e.what)
}

async fn call(c: &Connection, tool: &str) -> Result<String, CallError> {
    let control = CallControl { idle: Duration::from_secs(5), total: Duration::from_secs(5), cancel: Default::default() };
    c.call(&tool.parse().unwrap(), Properties::new(), Effect::Change, &control).await.map(|r| r.text)
}

#[tokio::test]
async fn a_login_is_asked_for_kept_refreshed_and_forgotten() {
    let (both, _mock) = Both::start().await;
    let (folder, redactor) = (tempfile::tempdir().unwrap(), Redactor::default());
    let auth = spec(folder.path(), &both.url(), &redactor);
    let c = connection(&auth);
    let e = c.connect().await.unwrap_err();
    assert!(matches!(&e, ConnectError::Auth { .. }), "{e:?}");
    assert_eq!(e.explain().next.unwrap().command.unwrap(), "swell servers login far");

    both.world().lifetime = Some(1);
    assert_eq!(log_in(&c, &auth).await, Ok(vec!["read".to_owned()]));
    assert_eq!(call(&c, "look").await.unwrap(), "done");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(auth.tokens.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // The token of one second is renewed before it is sent, and the new refresh token takes the place of the old one.
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while both.count("POST /token grant_type=refresh_token") == 0 && std::time::Instant::now() < until {
        assert_eq!(call(&c, "look").await.unwrap(), "done");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(both.count("POST /token grant_type=refresh_token") > 0);
    let kept = std::fs::read_to_string(auth.tokens.path()).unwrap();
    assert!(kept.contains(both.world().refresh.as_deref().unwrap()));
    for made in ["access-token-1", "refresh-token-1"] {
        assert_eq!(redactor.text(&format!("the value {made} is out")), "the value ‹secret token-of-far› is out");
    }

    // Another process that has the same login sees the tokens; another URL of the same name does not.
    assert!(spec(folder.path(), &both.url(), &redactor).tokens.are_there());
    assert!(!spec(folder.path(), "http://127.0.0.1:1/mcp", &redactor).tokens.are_there());
    assert!(auth.tokens.forget().unwrap() && !auth.tokens.forget().unwrap());
    c.close().await;
    assert!(matches!(c.connect().await, Err(ConnectError::Auth { .. })));
}

#[tokio::test]
async fn more_rights_are_asked_for_by_the_person_and_the_call_is_not_replayed() {
    let Closed { both, auth, c, .. } = &Closed::new(|_| ()).await;
    log_in(c, auth).await.unwrap();
    let e = call(c, "write").await.unwrap_err();
    let CallError::NotSent { reason, .. } = &e else { panic!("{e:?}") };
    assert_eq!(reason, "the server wants more rights (write); run `swell servers login far`");
    let writes = both.world().seen.iter().filter(|s| s.starts_with("POST /mcp") && s.contains("\"name\":\"write\"")).count();
    assert_eq!(writes, 1);

    // Another process logs in: it knows from the file what was wanted, and nothing of the challenge.
    let fresh = connection(auth);
    assert_eq!(log_in(&fresh, auth).await, Ok(vec!["read".to_owned(), "write".to_owned()]));
    assert_eq!(call(c, "write").await.unwrap(), "done");

    // A server that asks for what was granted is not logged in at again and again.
    both.world().tokens.clear();
    let again = Challenge { header: "Bearer".into(), scopes: vec!["write".into()], insufficient: true };
    let e = Login::begin(auth, Some(&again), &[]).await.map(|_| ()).unwrap_err();
    assert_eq!(e.what, Trouble::Again("write".into()));
}

#[tokio::test]
async fn an_authorization_server_that_lies_gets_nothing() {
    type Lie = fn(&mut World);
    let lies: [(&str, Lie); 4] = [
        ("issuer", |w| w.issuer = Some("https://elsewhere.example".into())),
        ("resource", |w| w.resource = Some("https://elsewhere.example/mcp".into())),
        ("page", |w| w.authorization_endpoint = Some("file:///etc/passwd".into())),
        ("registration", |w| w.no_registration = true),
    ];
    for (name, lie) in lies {
        let Closed { both, auth, c, .. } = &Closed::new(lie).await;
        let e = log_in(c, auth).await.unwrap_err();
        let expected = match name {
            "page" => matches!(e, Trouble::Insecure(_)),
            "registration" => matches!(e, Trouble::Registration(_)),
            _ => matches!(e, Trouble::Metadata(_)),
        };
        assert!(expected, "{name}: {e:?}");
        assert_eq!((both.count("POST /token"), both.count("GET /authorize")), (0, 0), "{name}");
        assert!(!auth.tokens.are_there(), "{name}");
        let d = LoginError { server: "far".parse().unwrap(), what: e }.explain();
        assert!(d.detail.contains("`far`") && d.state.contains("No token"), "{d:?}");
    }
}

#[tokio::test]
async fn an_answer_of_another_server_or_to_another_question_is_no_answer() {
    let Closed { both, auth, c, .. } = &Closed::new(|w| w.iss = Some("https://elsewhere.example".into())).await;
    let e = log_in(c, auth).await.unwrap_err();
    assert!(matches!(&e, Trouble::Issuer { received, .. } if received == "https://elsewhere.example"), "{e:?}");
    assert_eq!(both.count("POST /token"), 0, "the code goes nowhere");

    // A stranger knocks with a state of their own; the person comes after them.
    both.world().iss = None;
    let login = Login::begin(auth, c.challenge().as_ref(), &[]).await.unwrap();
    let page = reqwest::Url::parse(&login.asked().url).unwrap();
    let redirect = page.query_pairs().find(|(n, _)| n == "redirect_uri").unwrap().1.into_owned();
    let (granted, ()) = tokio::join!(login.finish(Duration::from_secs(10)), async {
        assert_eq!(browse(&format!("{redirect}?code=stolen&state=guess")).await, 404);
        browse(page.as_str()).await;
    });
    assert_eq!(granted.unwrap(), ["read"]);
    assert!(both.count("POST /token grant_type=authorization_code&code=stolen") == 0);

    both.world().deny = true;
    assert_eq!(log_in(c, auth).await, Err(Trouble::Denied("access_denied".into())));
    let login = Login::begin(auth, None, &[]).await.unwrap();
    assert!(matches!(login.finish(Duration::from_millis(50)).await.unwrap_err().what, Trouble::Timeout(_)));
}

#[tokio::test]
async fn a_file_that_others_can_read_is_not_used_and_a_redirect_gets_no_token() {
    let Closed { auth, c, folder, .. } = &Closed::new(|_| ()).await;
    log_in(c, auth).await.unwrap();
    let kept = std::fs::read_to_string(auth.tokens.path()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(auth.tokens.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let e = connection(auth).connect().await.unwrap_err();
        assert!(e.to_string().contains("can be read by others"), "{e}");
        std::fs::set_permissions(auth.tokens.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    // The server moves: within its origin it is followed, to another one it is not.
    let (thief, here) = (MockServer::start().await, MockServer::start().await);
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&thief).await;
    let moved = ResponseTemplate::new(307).insert_header("location", format!("{}/mcp", thief.uri()));
    Mock::given(any()).respond_with(moved).mount(&here).await;
    let moved = spec(folder.path(), &format!("{}/mcp", here.uri()), &Redactor::default());
    std::fs::write(moved.tokens.path(), kept.replace(auth.tokens.url(), moved.tokens.url())).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(moved.tokens.path(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let e = connection(&moved).connect().await.unwrap_err();
    assert!(e.to_string().contains("it redirects to another origin"), "{e}");
    assert!(!here.received_requests().await.unwrap().is_empty());
    assert!(thief.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_machine_logs_in_by_itself_and_again_when_its_token_has_ended() {
    let (both, _mock) = Both::start().await;
    let folder = tempfile::tempdir().unwrap();
    let auth = AuthSpec {
        client_id: Some("robot".into()),
        client_secret: Some("robot-secret".to_owned().into()),
        grant: Grant::Client,
        ..spec(folder.path(), &both.url(), &Redactor::default())
    };
    let c = connection(&auth);
    assert_eq!(call(&c, "look").await.unwrap(), "done");
    assert_eq!((both.count("GET /authorize"), both.count("POST /register"), both.count("POST /token")), (0, 0, 1));

    // Its token ends: that call was not done, and the next one has a new token.
    both.world().tokens.clear();
    let e = call(&c, "look").await.unwrap_err();
    assert!(matches!(e, CallError::NotSent { .. }), "{e:?}");
    assert_eq!(call(&c, "look").await.unwrap(), "done");
    assert_eq!(both.count("POST /token"), 2);

    let nameless = AuthSpec { client_id: None, ..auth };
    let _ = nameless.tokens.forget();
    let e = connection(&nameless).connect().await.unwrap_err();
    assert!(e.to_string().contains("no `client_id`"), "{e}");
}

/// Whoever renews the tokens is not undone by somebody who remembers something else in the same file.
#[tokio::test]
async fn nothing_is_written_while_another_process_renews_the_tokens() {
    let Closed { auth, c, both, .. } = &Closed::new(|_| ()).await;
    log_in(c, auth).await.unwrap();
    let lock = auth.tokens.path().with_extension("lock");
    let other = std::fs::OpenOptions::new().write(true).open(&lock).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&lock).unwrap().permissions().mode() & 0o777, 0o600, "nobody else can hold it");
    }
    other.lock().unwrap();
    let before = std::fs::read(auth.tokens.path()).unwrap();
    call(c, "write").await.unwrap_err();
    assert_eq!(std::fs::read(auth.tokens.path()).unwrap(), before);
    // A login waits for it.
    let login = Login::begin(auth, c.challenge().as_ref(), &[]).await.unwrap();
    let page = login.asked().url.clone();
    let mut finishing = tokio::spawn(login.finish(Duration::from_secs(10)));
    browse(&page).await;
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while both.count("POST /token grant_type=authorization_code") < 2 && std::time::Instant::now() < until {
        tokio::task::yield_now().await;
    }
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut finishing).await.is_err());
    assert_eq!(std::fs::read(auth.tokens.path()).unwrap(), before);
    drop(other);
    let mut granted = finishing.await.unwrap().unwrap();
    granted.sort();
    assert_eq!(granted, ["read", "write"]);
    // A server that asks for something new each time is remembered only so far.
    for n in 0..9 {
        let scopes: Vec<String> = (0..20).map(|m| format!("scope-{n}-{m}")).collect();
        both.world().wants = scopes.join(" ");
        call(c, "write-more").await.unwrap_err();
    }
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(auth.tokens.path()).unwrap()).unwrap();
    assert_eq!(kept["wanted"].as_array().unwrap().len(), 50);
}
