//! A program over a temporary folder and the in-process sandbox, for tests of the read-only branch.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Strength},
    app::{Allowed, App, Identity, Parts},
    approval::{Consent, approve},
    config::{Config, Layer, Origin, Registered, ServerSetting},
    domain::{Clock, Timestamp},
    event::{RunSummary, Silent},
    flow::{self, RunOptions},
    intent::{Facet, Frame, Intent, Question, Target},
    review::{Human, Level, Review},
    sandbox::{Fault, Poke, World},
    store::{EntryFilter, RunKind},
};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }
}

struct Nobody;

#[async_trait]
impl Human for Nobody {
    fn present(&self) -> bool {
        false
    }

    async fn approve(&self, _: &Review) -> crate::review::Answer {
        crate::review::Answer::No
    }

    async fn show(&self, _: &Review, _: Level) {}

    async fn ask(&self, _: &Question) -> Option<String> {
        None
    }
}

/// Swell over a folder that goes when this does.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
    pub(crate) app: App,
}

fn sandboxed(name: &str) -> ServerSetting {
    serde_json::from_value(json!({"sandbox": name})).unwrap()
}

async fn open(folder: &std::path::Path, docker: ServerSetting) -> App {
    let mut servers: IndexMap<_, _> = ["opnsense", "aws", "kubernetes"].iter().map(|n| (n.parse().unwrap(), sandboxed(n))).collect();
    servers.insert("docker".parse().unwrap(), docker);
    let user = |name: &crate::domain::ServerName, setting: &ServerSetting| {
        let origin = Origin { layer: Layer::User, file: "config.toml".into(), line: 1 };
        Registered::new(name.clone(), origin, setting.clone())
    };
    let config = Config {
        registered: servers.iter().map(|(name, setting)| user(name, setting)).collect(),
        sandbox: Some(false),
        trust: folder.join("trust.json"),
        problems: Vec::new(),
        project: None,
        data: folder.join("data"),
        user: folder.join("user"),
        servers,
        model: None,
        per_server: 4,
        overall: 8,
        call_idle: 1,
        call_total: 2,
        read_idle: 30,
        read_total: 60,
        auto_approve: Vec::new(),
        sandbox_latency: false,
        notices: None,
        settings: Vec::new(),
    };
    let (_, stop) = tokio::sync::watch::channel(0);
    App::open(Parts {
        config,
        environment: BTreeMap::new(),
        allowed: Allowed::default(),
        identity: Identity { who: "test@desk".into(), host: "desk".into(), pid: 1 },
        clock: Arc::new(Fixed),
        sink: Arc::new(Silent),
        human: Arc::new(Nobody),
        parser: None,
        stop,
    })
    .await
    .unwrap()
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("data")).unwrap();
        let app = open(folder.path(), sandboxed("docker")).await;
        Self { folder, app }
    }

    /// The same state in a new process.
    pub(crate) async fn again(self) -> Self {
        let Self { folder, app } = self;
        app.close().await;
        drop(app);
        let app = open(folder.path(), sandboxed("docker")).await;
        Self { folder, app }
    }

    /// The same state, and docker cannot be started.
    pub(crate) async fn without_docker(self) -> Self {
        let Self { folder, app } = self;
        app.close().await;
        drop(app);
        let gone = serde_json::from_value(json!({"command": folder.path().join("no-such-program"), "start_timeout": 2})).unwrap();
        let app = open(folder.path(), gone).await;
        Self { folder, app }
    }

    pub(crate) fn world(&self) -> World {
        World::open(self.app.world_folder()).unwrap()
    }

    pub(crate) fn poke(&self, address: &str, poke: Poke) {
        let a: crate::domain::Address = address.parse().unwrap();
        self.world().poke(a.server.as_str(), a.kind.as_str(), a.name.as_str(), poke).unwrap();
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.world().add_fault(fault).unwrap();
    }

    /// A database, and a site that needs it.
    pub(crate) fn shop() -> Value {
        json!({
            "name": "shop",
            "resources": [
                {"server": "docker", "type": "network", "name": "shop-net", "properties": {"driver": "bridge"}},
                {"server": "docker", "type": "container:run", "name": "shop-db", "properties": {
                    "image": "mariadb:11.4", "network": "${docker:network:shop-net.name}",
                    "secretEnvironment": {"MARIADB_ROOT_PASSWORD": "${secret:SHOP_DB}"}}},
                {"server": "docker", "type": "container:run", "name": "shop-web", "properties": {
                    "image": "wordpress:6.8", "network": "${docker:network:shop-net.name}", "memory": "512m",
                    "environment": {"WORDPRESS_DB_HOST": "${docker:container:run:shop-db.name}"}}},
            ],
            "outputs": {"db": "${docker:container:run:shop-db.name}"},
        })
    }

    pub(crate) async fn apply(&self, template: &Value) -> RunSummary {
        self.app.secrets().set("SHOP_DB", "canary-7f3c2a91").unwrap();
        let template = crate::template::parse::parse("shop.json", &template.to_string(), &IndexMap::new()).unwrap();
        let wanted = flow::of_template(template, RunKind::Apply, "swell apply -f shop.json".into());
        let review = flow::plan(&self.app, wanted).await.unwrap();
        let approved = approve(&review, Consent::Bounded { max_destroy: 9 }, self.app.now()).unwrap();
        flow::apply(&self.app, approved, RunOptions::default()).await.unwrap()
    }

    pub(crate) async fn apply_pattern(&self, name: &str, given: Value) -> RunSummary {
        let given = flow::given(given.as_object().unwrap().clone().into_iter().collect());
        let flow::Draft::Ready(wanted) = flow::from_pattern(&self.app, name, given, None, "test".into()).await.unwrap() else {
            panic!("something has to be asked")
        };
        let review = flow::plan(&self.app, *wanted).await.unwrap();
        let approved = approve(&review, Consent::Bounded { max_destroy: 0 }, self.app.now()).unwrap();
        flow::apply(&self.app, approved, RunOptions::default()).await.unwrap()
    }

    /// Everything that an answer must leave as it is: the journal, the world, and which plans were used.
    pub(crate) async fn state(&self) -> (usize, u64) {
        let entries = self.app.store().entries(&EntryFilter::default()).await.unwrap();
        (entries.len(), self.world().generation().unwrap())
    }

    /// Asks what is wrong, and checks that nothing was changed and that findings name evidence that is there.
    pub(crate) async fn why(&self, target: Option<&str>, text: &str) -> Answer {
        let frame = Frame { intent: Some(Intent::Troubleshoot), target: one(target), ..Frame::default() };
        let before = self.state().await;
        let answer = super::troubleshoot(&self.app, &frame, text).await.unwrap();
        assert_eq!(self.state().await, before, "an answer changed something");
        for finding in &answer.findings {
            assert!(!finding.evidence.is_empty(), "nothing stands behind {finding:?}");
            assert!(finding.evidence.iter().all(|id| answer.evidence.iter().any(|e| e.id == *id)), "{finding:?}");
        }
        answer
    }

    /// Asks something, and checks that nothing was changed.
    pub(crate) async fn ask(&self, facet: Facet, target: Option<&str>, text: &str) -> Answer {
        let frame = Frame { intent: Some(Intent::Query), facet: Some(facet), target: one(target), ..Frame::default() };
        let before = self.state().await;
        let answer = super::query(&self.app, &frame, text).await.unwrap();
        assert_eq!(self.state().await, before, "an answer changed something");
        answer
    }
}

fn one(target: Option<&str>) -> Target {
    target.map_or(Target::None, |t| Target::One(t.to_owned()))
}

/// The findings of one strength.
pub(crate) fn of(answer: &Answer, strength: Strength) -> Vec<&str> {
    answer.findings.iter().filter(|f| f.strength == strength).map(|f| f.text.as_str()).collect()
}

/// Everything that an answer says, for looking whether something is in it.
pub(crate) fn whole(answer: &Answer) -> String {
    serde_json::to_string(answer).unwrap()
}
