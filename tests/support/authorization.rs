//! An MCP server that wants authorization, and its authorization server, in this process. They may lie as the test says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// What the servers do, and what they saw.
#[derive(Default)]
pub struct World {
    pub uri: String,
    /// Lies.
    pub issuer: Option<String>,
    pub iss: Option<String>,
    pub resource: Option<String>,
    pub authorization_endpoint: Option<String>,
    pub no_registration: bool,
    pub deny: bool,
    /// What a call of `write-more` is told to need.
    pub wants: String,
    /// Seconds until a token is no longer good.
    pub lifetime: Option<u64>,
    pub challenge: Option<(String, String, String)>,
    pub tokens: BTreeMap<String, BTreeSet<String>>,
    pub refresh: Option<String>,
    pub made: usize,
    pub seen: Vec<String>,
}

/// An MCP server and its authorization server at one address.
#[derive(Clone, Default)]
pub struct Both(Arc<Mutex<World>>);

impl Both {
    pub async fn start() -> (Self, MockServer) {
        let this = Self::default();
        let mock = MockServer::start().await;
        this.world().uri = mock.uri();
        Mock::given(any()).respond_with(this.clone()).mount(&mock).await;
        (this, mock)
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub fn url(&self) -> String {
        format!("{}/mcp", self.world().uri)
    }

    pub fn count(&self, what: &str) -> usize {
        self.world().seen.iter().filter(|s| s.starts_with(what)).count()
    }
}

/// A browser that goes wherever it is sent.
pub async fn browse(url: &str) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::get(url).await.map_or(0, |r| r.status().as_u16())
}

impl World {
    fn token(&mut self, scopes: &str) -> Value {
        self.made += 1;
        let token = format!("access-token-{}", self.made);
        let refresh = format!("refresh-token-{}", self.made);
        self.tokens.insert(token.clone(), scopes.split_whitespace().map(str::to_owned).collect());
        self.refresh = Some(refresh.clone());
        let mut reply = json!({"access_token": token, "token_type": "Bearer", "refresh_token": refresh, "scope": scopes});
        if let Some(lifetime) = self.lifetime {
            reply["expires_in"] = json!(lifetime);
        }
        reply
    }

    fn mcp(&self, request: &Request) -> ResponseTemplate {
        let bearer = request.headers.get("authorization").and_then(|h| h.to_str().ok()).and_then(|h| h.strip_prefix("Bearer "));
        let metadata = format!("resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"", self.uri);
        let Some(scopes) = bearer.and_then(|token| self.tokens.get(token)) else {
            return ResponseTemplate::new(401).insert_header("www-authenticate", format!("Bearer {metadata}, scope=\"read\""));
        };
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let result = match (message["method"].as_str(), message["params"]["name"].as_str()) {
            (Some("initialize"), _) => {
                json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "h", "version": "1"}})
            }
            (Some("tools/call"), Some("write-more")) => {
                let header = format!("Bearer error=\"insufficient_scope\", scope=\"{}\", {metadata}", self.wants);
                return ResponseTemplate::new(403).insert_header("www-authenticate", header);
            }
            (Some("tools/call"), Some("write")) if !scopes.contains("write") => {
                let header = format!("Bearer error=\"insufficient_scope\", scope=\"write\", {metadata}");
                return ResponseTemplate::new(403).insert_header("www-authenticate", header);
            }
            (Some("tools/call"), _) => json!({"content": [{"type": "text", "text": "done"}]}),
            _ if message.get("id").is_none() => return ResponseTemplate::new(202),
            _ => {
                let error = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no such method"}});
                return ResponseTemplate::new(200).set_body_json(error);
            }
        };
        ResponseTemplate::new(200).set_body_json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
    }

    fn authorize(&mut self, query: &BTreeMap<String, String>) -> ResponseTemplate {
        assert_eq!((query["code_challenge_method"].as_str(), query["response_type"].as_str()), ("S256", "code"));
        assert_eq!(query["resource"], format!("{}/mcp", self.uri));
        let scope = query.get("scope").cloned().unwrap_or_default();
        self.challenge = Some((query["code_challenge"].clone(), query["redirect_uri"].clone(), scope));
        let answer = if self.deny { "error=access_denied".to_owned() } else { "code=the-code".to_owned() };
        let iss = self.iss.as_ref().map(|iss| format!("&iss={iss}")).unwrap_or_default();
        let back = format!("{}?{answer}&state={}{iss}", query["redirect_uri"], query["state"]);
        ResponseTemplate::new(302).insert_header("location", back)
    }

    fn exchange(&mut self, form: &BTreeMap<String, String>) -> ResponseTemplate {
        assert_eq!(form["resource"], format!("{}/mcp", self.uri), "the resource indicator is in every request for tokens");
        let scopes = match form["grant_type"].as_str() {
            "authorization_code" => {
                let (challenge, redirect, scopes) = self.challenge.take().unwrap();
                assert_eq!(challenge, URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes())));
                assert_eq!((&form["redirect_uri"], form["code"].as_str()), (&redirect, "the-code"));
                scopes
            }
            "client_credentials" => {
                assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("robot", "robot-secret"));
                "read".to_owned()
            }
            _ if self.refresh.as_ref() == form.get("refresh_token") => "read".to_owned(),
            _ => return ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_grant"})),
        };
        let mut reply = self.token(&scopes);
        if form["grant_type"] == "client_credentials" {
            // A client that can always come again gets nothing to come again with.
            reply.as_object_mut().unwrap().remove("refresh_token");
        }
        ResponseTemplate::new(200).set_body_json(reply)
    }
}

impl Respond for Both {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut world = self.world();
        let pairs = |text: &str| -> BTreeMap<String, String> {
            let url = reqwest::Url::parse(&format!("http://x/?{text}")).unwrap();
            url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
        };
        let body = String::from_utf8_lossy(&request.body).into_owned();
        world.seen.push(format!("{} {} {}", request.method, request.url.path(), body));
        let uri = world.uri.clone();
        match request.url.path() {
            "/mcp" => world.mcp(request),
            "/.well-known/oauth-protected-resource/mcp" => {
                let resource = world.resource.clone().unwrap_or_else(|| format!("{uri}/mcp"));
                ResponseTemplate::new(200).set_body_json(json!({"resource": resource, "authorization_servers": [uri]}))
            }
            "/.well-known/oauth-authorization-server" => {
                let mut metadata = json!({
                    "issuer": world.issuer.clone().unwrap_or_else(|| uri.clone()),
                    "authorization_endpoint": world.authorization_endpoint.clone().unwrap_or_else(|| format!("{uri}/authorize")),
                    "token_endpoint": format!("{uri}/token"),
                    "response_types_supported": ["code"],
                    "code_challenge_methods_supported": ["S256"],
                    "authorization_response_iss_parameter_supported": world.iss.is_some(),
                });
                if !world.no_registration {
                    metadata["registration_endpoint"] = json!(format!("{uri}/register"));
                }
                ResponseTemplate::new(200).set_body_json(metadata)
            }
            "/register" => {
                let asked: Value = serde_json::from_str(&body).unwrap();
                ResponseTemplate::new(201).set_body_json(json!({"client_id": "client-1", "redirect_uris": asked["redirect_uris"]}))
            }
            "/authorize" => world.authorize(&pairs(request.url.query().unwrap_or_default())),
            "/token" => world.exchange(&pairs(&body)),
            _ => ResponseTemplate::new(404),
        }
    }
}
