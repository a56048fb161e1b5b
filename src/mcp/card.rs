//! Server cards (the MCP extension `io.modelcontextprotocol/server-card`): what a server says of itself before anybody connects.
//!
//! A card is a claim by whoever can write to that URL. It is read, checked and shown, and nothing follows from it: what it names is
//! quarantined like anything else that was found.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::http::{client, innermost};
use crate::domain::text::clean_line;

mod claims;

pub use claims::Claims;

/// The one schema that is known.
const SCHEMA: &str = "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json";
const CARD_TYPE: &str = "application/mcp-server-card+json";
const CATALOG_TYPE: &str = "application/ai-catalog+json";

/// A document larger than this is none of these.
const MOST_BYTES: usize = 256 * 1024;
/// More cards of one catalogue than this are not read.
const MOST_CARDS: usize = 50;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A card as it is written. Members that are not known are left alone, as the extension wants it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Card {
    #[serde(rename = "$schema")]
    schema: String,
    /// Reverse-DNS name: `com.example/weather`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does.
    pub description: String,
    /// For people.
    pub title: Option<String>,
    /// Where it is served.
    #[serde(default)]
    pub remotes: Vec<Remote>,
    /// Its tools, in cards that list them; a word or nothing in others.
    #[serde(default)]
    tools: Value,
}

/// One place where a server is served.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Remote {
    #[serde(rename = "type")]
    kind: String,
    url: String,
    #[serde(default)]
    headers: Vec<Input>,
    #[serde(default)]
    variables: BTreeMap<String, Input>,
    #[serde(default, rename = "supportedProtocolVersions")]
    versions: Vec<String>,
}

/// A value that is set or to be given.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Input {
    name: String,
    is_required: bool,
    is_secret: bool,
    default: Option<String>,
    value: Option<String>,
}

/// A server that a card names, ready to be put among those that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The card's name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Headers with their values.
    pub headers: BTreeMap<String, String>,
    /// Headers whose values the person has to give.
    pub wanted: Vec<String>,
    /// What a person should know before the review.
    pub notes: Vec<String>,
    /// What the server will be held against.
    pub claims: Claims,
}

impl Card {
    /// Reads and checks a card; the error says what is wrong with it.
    pub fn parse(value: Value) -> Result<Self, String> {
        let card: Card = serde_json::from_value(value).map_err(|e| clean_line(&e.to_string(), 200))?;
        let part = |text: &str, more: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        let named = card.name.split_once('/').is_some_and(|(space, name)| part(space, ".-") && part(name, "._-"));
        if card.schema != SCHEMA {
            return Err(format!("its `$schema` is `{}`, and only `{SCHEMA}` is known", clean_line(&card.schema, 120)));
        }
        if !named || card.name.len() > 200 {
            return Err("its `name` is not like `com.example/weather`".to_owned());
        }
        if card.version.is_empty() || card.version.len() > 255 || card.description.is_empty() || card.description.chars().count() > 100 {
            return Err("its `version` or `description` is empty or too long".to_owned());
        }
        Ok(card)
    }

    /// The servers that it names; for a place that cannot be used, why.
    pub fn offers(&self, from: &str) -> Vec<Result<Offered, String>> {
        if self.remotes.is_empty() {
            return vec![Err(format!("the card of {} names no place where the server is", clean_line(&self.name, 80)))];
        }
        self.remotes.iter().map(|r| self.offer(r, from)).collect()
    }

    fn offer(&self, remote: &Remote, from: &str) -> Result<Offered, String> {
        if remote.kind != "streamable-http" {
            return Err(format!("`{}` is a transport that Swell does not speak", clean_line(&remote.kind, 40)));
        }
        let url = filled(&remote.url, &remote.variables)?;
        let parsed = reqwest::Url::parse(&url).map_err(|e| format!("its URL cannot be read ({e})"))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("its URL is neither http nor https, or has a user in it".to_owned());
        }
        let mut offered = Offered {
            name: self.name.clone(),
            url,
            headers: BTreeMap::new(),
            wanted: Vec::new(),
            notes: Vec::new(),
            claims: Claims::new(&self.name, &self.version, &remote.versions, &self.tools),
        };
        let titled = self.title.as_ref().map(|t| format!(" \"{}\"", clean_line(t, 100))).unwrap_or_default();
        let (name, version) = (clean_line(&self.name, 120), clean_line(&self.version, 60));
        let description = clean_line(&self.description, 120);
        offered.notes.push(format!("its card, for which nobody vouches, says:{titled} {name} {version}: {description}"));
        if !remote.versions.is_empty() {
            offered.notes.push(format!("its card says that it speaks MCP {}", clean_line(&remote.versions.join(", "), 120)));
        }
        let host = |text: &str| reqwest::Url::parse(text).ok().and_then(|u| u.host_str().map(str::to_owned));
        if let (Some(of_card), Some(of_server)) = (host(from), host(&offered.url))
            && of_card != of_server
        {
            offered.notes.push(format!("the card lies on {of_card}, and sends you to {of_server}"));
        }
        for header in &remote.headers {
            let good = !header.name.is_empty() && header.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            if !good {
                return Err(format!("`{}` is no header name", clean_line(&header.name, 60)));
            }
            match header.value.as_ref().or(header.default.as_ref()).filter(|v| !header.is_secret && !v.contains('{')) {
                Some(value) => drop(offered.headers.insert(header.name.clone(), value.clone())),
                None if header.is_required || header.is_secret => offered.wanted.push(header.name.clone()),
                None => {}
            }
        }
        Ok(offered)
    }
}

/// Puts the defaults of variables in; one without a default is for the person.
fn filled(url: &str, variables: &BTreeMap<String, Input>) -> Result<String, String> {
    let mut out = url.to_owned();
    for (name, input) in variables {
        if let Some(value) = input.value.as_ref().or(input.default.as_ref()) {
            out = out.replace(&format!("{{{name}}}"), value);
        }
    }
    match (out.find('{'), out.contains('$')) {
        (None, false) => Ok(out),
        _ => Err(format!("its URL has variables to fill in: {}", clean_line(&out, 200))),
    }
}

/// Reads what lies at a URL: a card itself, the card beside an MCP endpoint, or what the domain's catalogue names.
pub async fn look_up(url: &str) -> Result<Vec<Result<Offered, String>>, String> {
    let base = reqwest::Url::parse(url).map_err(|e| format!("it is no URL ({e})"))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err("it is neither http nor https".to_owned());
    }
    let beside = format!("{}/server-card", url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/'));
    let at_root = |path: &str| base.join(path).map(|u| u.to_string());
    let mut places = vec![url.to_owned(), beside];
    // The last one is where older drafts had it.
    places.extend(["/.well-known/ai-catalog.json", "/.well-known/mcp/server-card.json"].iter().filter_map(|p| at_root(p).ok()));
    let mut reasons = Vec::new();
    for place in places {
        match document(&place).await {
            Ok(value) if value.get("entries").is_some() => return Ok(catalogue(&place, &value).await),
            Ok(value) => match Card::parse(value) {
                Ok(card) => return Ok(card.offers(&place)),
                Err(why) => reasons.push(format!("{}: {why}", shown(&place))),
            },
            Err(why) => reasons.push(format!("{}: {why}", shown(&place))),
        }
    }
    Err(format!("there is no server card: {}", reasons.join("; ")))
}

async fn catalogue(place: &str, catalogue: &Value) -> Vec<Result<Offered, String>> {
    let entries = catalogue.get("entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut all = Vec::new();
    for entry in entries.iter().filter(|e| e.get("type").and_then(Value::as_str) == Some(CARD_TYPE)).take(MOST_CARDS) {
        let (from, read) = match (entry.get("data"), entry.get("url").and_then(Value::as_str)) {
            (Some(data), None) => (place.to_owned(), Ok(data.clone())),
            (None, Some(url)) => (url.to_owned(), document(url).await),
            _ => (place.to_owned(), Err("an entry has both or neither of `url` and `data`".to_owned())),
        };
        match read.and_then(Card::parse) {
            Ok(card) => all.extend(card.offers(&from)),
            Err(why) => all.push(Err(format!("{}: {why}", shown(&from)))),
        }
    }
    all
}

fn shown(url: &str) -> String {
    clean_line(url.split(['?', '#']).next().unwrap_or(url), 200)
}

/// One bounded JSON document; redirects are not followed.
async fn document(url: &str) -> Result<Value, String> {
    let fetch = async {
        let client = client(reqwest::redirect::Policy::none()).map_err(|e| innermost(&e))?;
        let request = client.get(url).header("accept", format!("{CARD_TYPE}, {CATALOG_TYPE}, application/json"));
        let mut answer = request.send().await.map_err(|e| innermost(&e))?;
        if !answer.status().is_success() {
            return Err(format!("HTTP {}", answer.status().as_u16()));
        }
        let kind = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        if kind.starts_with("text/event-stream") {
            return Err("it is an MCP endpoint and no card".to_owned());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| innermost(&e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST_BYTES {
                return Err(format!("it is longer than {MOST_BYTES} bytes"));
            }
        }
        serde_json::from_slice(&bytes).map_err(|_| "it is no JSON".to_owned())
    };
    tokio::time::timeout(PATIENCE, fetch).await.unwrap_or_else(|_| Err("it did not come in time".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{header_regex, method, path},
    };

    use super::*;

    fn card(url: &str) -> Value {
        json!({"$schema": SCHEMA, "name": "com.example/weather", "version": "1.2.0", "description": "Weather\u{1b}[2J.", "more": {"x": 1},
            "remotes": [{"type": "streamable-http", "url": url, "supportedProtocolVersions": ["2026-07-28"],
                "headers": [{"name": "Authorization", "isRequired": true, "isSecret": true}, {"name": "X-Plan", "value": "free"}]}]})
    }

    #[test]
    fn a_card_is_checked_and_only_told() {
        let good = Card::parse(card("https://weather.example.com/mcp")).unwrap();
        let offered = good.offers("https://example.com/card").remove(0).unwrap();
        assert_eq!(
            (offered.url.as_str(), offered.wanted.as_slice()),
            ("https://weather.example.com/mcp", &["Authorization".to_owned()][..])
        );
        assert_eq!(offered.headers["X-Plan"], "free");
        assert!(offered.notes[0].contains("nobody vouches") && !offered.notes[0].contains('\u{1b}'), "{:?}", offered.notes);
        assert!(offered.notes.iter().any(|n| n.contains("sends you to weather.example.com")), "{:?}", offered.notes);
    }

    #[test]
    fn what_is_wrong_with_a_card_is_said() {
        let with = |key: &str, value: Value| {
            let mut all = card("https://x/mcp");
            all[key] = value;
            Card::parse(all).unwrap_err()
        };
        assert!(with("name", json!("weather")).contains("com.example/weather"));
        assert!(with("$schema", json!("https://other/v9")).contains("v9"));
        assert!(with("description", json!("x".repeat(101))).contains("too long"));
        assert!(with("version", json!(7)).contains("string"));
        let offer = |url: &str| Card::parse(card(url)).unwrap().offers("https://x").remove(0);
        assert!(offer("https://{tenant}.example.com/mcp").unwrap_err().contains("variables"));
        assert!(offer("https://x/${HOME}").is_err(), "nothing of the environment gets into a URL");
        assert!(offer("file:///etc/passwd").is_err());
        assert!(offer("https://user:pw@x/mcp").is_err());
    }

    #[tokio::test]
    async fn it_is_found_beside_the_endpoint_and_through_the_catalogue() {
        let server = MockServer::start().await;
        let url = format!("{}/mcp", server.uri());
        Mock::given(method("GET")).and(path("/mcp")).respond_with(ResponseTemplate::new(405)).mount(&server).await;
        assert!(look_up(&url).await.unwrap_err().contains("HTTP 405"));
        let catalogue = json!({"specVersion": "1.0", "entries": [
            {"identifier": "urn:air:x:mcp:a", "type": CARD_TYPE, "data": card(&url)},
            {"identifier": "urn:air:x:mcp:b", "type": CARD_TYPE, "url": format!("{}/gone", server.uri())},
            {"identifier": "urn:air:x:other", "type": "application/a2a-agent-card+json", "url": "https://x"},
        ]});
        Mock::given(path("/.well-known/ai-catalog.json"))
            .respond_with(ResponseTemplate::new(200).set_body_json(catalogue))
            .mount(&server)
            .await;
        let all = look_up(&url).await.unwrap();
        assert_eq!((all.len(), all[0].as_ref().unwrap().url.as_str(), all[1].is_err()), (2, url.as_str(), true));
        Mock::given(path("/mcp/server-card"))
            .and(header_regex("accept", "mcp-server-card"))
            .respond_with(ResponseTemplate::new(200).set_body_json(card(&url)))
            .mount(&server)
            .await;
        assert_eq!(look_up(&url).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_flood_or_a_redirect_is_no_card() {
        let server = MockServer::start().await;
        Mock::given(path("/big")).respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'['; MOST_BYTES + 1])).mount(&server).await;
        let away = ResponseTemplate::new(302).insert_header("location", "/big");
        Mock::given(path("/away")).respond_with(away).mount(&server).await;
        assert!(look_up(&format!("{}/big", server.uri())).await.unwrap_err().contains("longer"));
        assert!(look_up(&format!("{}/away", server.uri())).await.unwrap_err().contains("HTTP 302"));
    }
}
