//! A whole app over a temporary folder and its own simulated world. Approval is what a command line can give: `--yes --max-destroy`.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use indexmap::IndexMap;
use serde_json::{Value, json};
use swell::{
    app::{Allowed, App, Identity, Parts, SystemClock},
    config::{self, Flags},
    diagnostic::Failure,
    domain::DeploymentName,
    event::{Event, RunSummary, Sink},
    flow::{self, Decided, Draft, RunOptions, Wanted},
    plan::Plan,
    review::Review,
    sandbox::{Fault, World},
    ui::{Screen, Style, terminal::Nobody},
};
use tokio::sync::watch;

/// Keeps every event.
#[derive(Default)]
pub struct Kept(pub Mutex<Vec<Event>>);

impl Sink for Kept {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// An app, its folder and what it said.
pub struct Bench {
    pub app: App,
    pub events: Arc<Kept>,
    pub stop: watch::Sender<u8>,
    pub dir: Arc<tempfile::TempDir>,
    deployment: DeploymentName,
}

impl Bench {
    pub async fn new() -> Self {
        Self::over(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// With this configuration of the user.
    pub async fn configured(text: &str) -> Self {
        let user = config::FoundFile { path: "config.toml".into(), text: text.to_owned() };
        Self::with(Arc::new(tempfile::tempdir().unwrap()), Some(&user)).await
    }

    /// Another process over the same folder.
    pub async fn over(dir: Arc<tempfile::TempDir>) -> Self {
        Self::with(dir, None).await
    }

    async fn with(dir: Arc<tempfile::TempDir>, user: Option<&config::FoundFile>) -> Self {
        let env = BTreeMap::from([
            ("SWELL_DATA".to_owned(), dir.path().join("data").display().to_string()),
            ("SWELL_CALL_IDLE".to_owned(), "1".to_owned()),
        ]);
        let flags = Flags { directory: dir.path().to_owned(), profile: None };
        let config = config::load(&flags, &env, dir.path(), user, None).unwrap();
        let events = Arc::new(Kept::default());
        let (stop, stopped) = watch::channel(0);
        let parts = Parts {
            config,
            environment: env,
            allowed: Allowed { read_only: false, yes: true, max_destroy: Some(100) },
            identity: Identity { who: "tester@bench".into(), host: "bench".into(), pid: std::process::id() },
            clock: Arc::new(SystemClock),
            sink: events.clone(),
            human: Arc::new(Nobody::new(Screen::new(Box::new(std::io::sink()), Style::PLAIN, false))),
            parser: None,
            stop: stopped,
        };
        Self { app: App::open(parts).await.unwrap(), events, stop, dir, deployment: "shop".parse().unwrap() }
    }

    pub fn world(&self) -> World {
        World::open(self.app.world_folder()).unwrap()
    }

    pub fn fault(&self, fault: Value) {
        let fault: Fault = serde_json::from_value(fault).unwrap();
        self.world().add_fault(fault).unwrap();
    }

    pub fn template(&self, resources: Value) -> Wanted {
        let text = json!({"name": "shop", "resources": resources}).to_string();
        let template = swell::template::parse("shop.json", &text, &IndexMap::new()).unwrap();
        flow::of_template(template, swell::store::RunKind::Apply, "test".into())
    }

    pub async fn pattern(&self, name: &str, params: Value) -> Wanted {
        let params = params.as_object().unwrap().clone().into_iter().collect();
        match flow::from_pattern(&self.app, name, flow::given(params), Some(self.deployment.clone()), "test".into()).await.unwrap() {
            Draft::Ready(wanted) => *wanted,
            Draft::Ask(questions, diagnostics) => panic!("{questions:?} {diagnostics:?}"),
        }
    }

    pub async fn plan(&self, wanted: Wanted) -> Result<Review, Failure> {
        flow::plan(&self.app, wanted).await
    }

    pub async fn apply(&self, wanted: Wanted) -> Result<RunSummary, Failure> {
        let review = self.plan(wanted).await?;
        match flow::decide(&self.app, &review).await? {
            Decided::Approved(approved) => flow::apply(&self.app, *approved, RunOptions::default()).await,
            other => panic!("{other:?}"),
        }
    }

    /// Applies and expects every step to be done.
    pub async fn done(&self, wanted: Wanted) -> RunSummary {
        let summary = self.apply(wanted).await.unwrap();
        assert!(summary.failed.is_empty() && summary.unknown.is_empty() && summary.skipped.is_empty(), "{summary:#?}");
        summary
    }

    /// Finishes the last run, as `swell resume` does.
    pub async fn resume(&self) -> Option<RunSummary> {
        match flow::rest(&self.app, &self.deployment).await.unwrap() {
            flow::Resumed::Nothing(_) => None,
            flow::Resumed::Rest(review, _) if review.plan.is_empty() => {
                flow::close_interrupted(&self.app, &self.deployment).await.unwrap();
                None
            }
            flow::Resumed::Rest(review, consent) => {
                let approved = swell::approval::approve(&review, *consent, self.app.now()).unwrap();
                Some(flow::apply(&self.app, approved, RunOptions::default()).await.unwrap())
            }
        }
    }

    pub async fn destroy(&self) -> RunSummary {
        self.apply(flow::nothing(&self.deployment, "destroy".into())).await.unwrap()
    }

    pub async fn snapshot(&self) -> swell::store::Snapshot {
        self.app.store().latest(&self.deployment).await.unwrap().unwrap()
    }

    /// The two checks at the end of a test.
    pub async fn settled(&self, wanted: Wanted) {
        self.sound().await;
        let review = self.plan(wanted).await.unwrap();
        assert!(review.plan.is_empty(), "planning again wants {:#?}", steps(&review.plan));
    }

    /// The journal verifies.
    pub async fn sound(&self) {
        let report = self.app.store().verify().await.unwrap();
        assert_eq!(report.broken, None);
    }

    /// How many objects of this name a server holds.
    pub async fn count(&self, server: &str, name: &str) -> usize {
        let server = self.app.server(&server.parse().unwrap()).unwrap().clone();
        server.list(None).await.unwrap().into_iter().filter(|l| l.name == name).count()
    }
}

/// `action address` of each step, in the plan's order.
pub fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|s| format!("{}{} {}", s.action, if s.replace.is_some() { " (replace)" } else { "" }, s.address)).collect()
}

/// All files below a folder.
pub fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}
