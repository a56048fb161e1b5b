use std::fs;

use serde_json::json;

use super::*;
use crate::llm::{
    Message, ReplySchema, Speaker,
    scripted::{Scripted, reply},
};

struct Fixed;
impl Clock for Fixed {
    fn now(&self) -> crate::domain::Timestamp {
        "2026-01-14T09:12:03Z".parse().unwrap()
    }
}

fn request(text: &str) -> Request {
    Request {
        prompt: "p@1".to_owned(),
        ..Request::new("t", "acme/model:1", vec![Message::new(Speaker::System, "be\nbrief"), Message::new(Speaker::User, text)])
    }
}

fn around(dir: &tempfile::TempDir, mode: Mode, replies: &[&str]) -> (Recordings, Arc<Scripted>) {
    let live = Arc::new(Scripted::saying(replies.iter().copied()));
    let recordings = Recordings::around(live.clone(), dir.path(), mode, Arc::new(Fixed));
    recordings.start_case("c-1", false);
    (recordings, live)
}

fn files(dir: &tempfile::TempDir) -> Vec<PathBuf> {
    file::all(dir.path()).unwrap().into_iter().map(|(p, _)| p).collect()
}

#[tokio::test]
async fn recorded_once_and_replayed_without_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let (r, live) = around(&dir, Mode::NewEpisodes, &["hello"]);
    assert_eq!(r.complete(request("hi")).await.unwrap().content, "hello");
    assert_eq!(r.complete(request("hi")).await.unwrap().content, "hello");
    assert_eq!(live.asked.lock().unwrap().len(), 1);

    let replay = Recordings::replay(dir.path());
    assert!(replay.source.is_none());
    let again = replay.complete(request("hi")).await.unwrap();
    assert_eq!((again.content.as_str(), again.model_reported.as_str()), ("hello", "scripted-1"));
    let (path, stored) = file::all(dir.path()).unwrap().remove(0);
    assert_eq!(path, Path::new("acme-model-1").join(&stored.key[..2]).join(format!("{}.json", stored.key)));
    assert_eq!((stored.origin.as_str(), stored.case_id.as_str()), ("scripted-1 2026-01-14", "c-1"));
}

#[tokio::test]
async fn recordings_age() {
    let dir = tempfile::tempdir().unwrap();
    let (r, _) = around(&dir, Mode::All, &["a"]);
    r.complete(request("1")).await.unwrap();
    assert_eq!(r.aged("2026-04-10T00:00:00Z".parse().unwrap(), 90).unwrap(), Vec::<PathBuf>::new());
    assert_eq!(r.aged("2026-05-10T00:00:00Z".parse().unwrap(), 90).unwrap(), files(&dir));
}

#[tokio::test]
async fn replay_mode_drops_the_model_it_is_handed() {
    let dir = tempfile::tempdir().unwrap();
    let (r, live) = around(&dir, Mode::None, &["x"]);
    assert!(matches!(r.complete(request("hi")).await, Err(LlmError::NoRecording { .. })));
    assert!(live.asked.lock().unwrap().is_empty());
    assert_eq!(Arc::strong_count(&live), 1);
}

#[tokio::test]
async fn a_miss_names_the_nearest_and_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let (r, _) = around(&dir, Mode::All, &["hello"]);
    r.complete(request("scale blog to 3")).await.unwrap();
    let replay = Recordings::replay(dir.path());
    replay.start_case("c-1", false);
    let mut other = request("scale blog to 4");
    other.max_tokens = 5;
    let Err(LlmError::NoRecording { nearest, case, .. }) = replay.complete(other).await else { panic!() };
    assert_eq!(case, "c-1");
    assert!(nearest.contains("max_tokens was 2048, is 5; message 1, line 1: was `scale blog to 3`, is `scale blog to 4`"), "{nearest}");
}

#[tokio::test]
async fn modes_differ_on_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (once, _) = around(&dir, Mode::Once, &["a", "b"]);
    once.complete(request("1")).await.unwrap();
    // The case has a recording now, so a new request means that something changed.
    assert!(matches!(once.complete(request("2")).await, Err(LlmError::NoRecording { .. })));
    let (all, _) = around(&dir, Mode::All, &["c"]);
    assert_eq!(all.complete(request("1")).await.unwrap().content, "c");
    assert_eq!(files(&dir).len(), 1);
    let (verify, _) = around(&dir, Mode::Verify, &["d"]);
    assert_eq!(verify.complete(request("1")).await.unwrap().content, "d");
    assert_eq!(verify.drift(), [Drift { case: "c-1".to_owned(), recorded: "c".to_owned(), now: "d".to_owned() }]);
    assert_eq!(Recordings::replay(dir.path()).complete(request("1")).await.unwrap().content, "c");
}

#[tokio::test]
async fn stale_and_edited_recordings_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (r, _) = around(&dir, Mode::All, &["a"]);
    r.complete(request("1")).await.unwrap();
    let replay = Recordings::replay(dir.path());
    let newer = Request { prompt: "p@2".to_owned(), ..request("1") };
    assert!(matches!(replay.complete(newer).await, Err(LlmError::StaleRecording { .. })));
    let path = dir.path().join(&files(&dir)[0]);
    let edited = fs::read_to_string(&path).unwrap().replace("be\\nbrief", "be\\nlong");
    fs::write(&path, edited).unwrap();
    assert!(matches!(replay.complete(request("1")).await, Err(LlmError::BadRecording { .. })));
    fs::write(&path, "{").unwrap();
    assert!(matches!(replay.complete(request("1")).await, Err(LlmError::BadRecording { .. })));
}

#[tokio::test]
async fn secrets_do_not_reach_the_disk_and_do_not_change_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let (r, _) = around(&dir, Mode::NewEpisodes, &["fine, password: hunter2"]);
    r.complete(request("mysql, root pw S3cr3t!pw-42")).await.unwrap();
    let text = fs::read_to_string(dir.path().join(&files(&dir)[0])).unwrap();
    assert!(!text.contains("S3cr3t") && !text.contains("hunter2"), "{text}");
    assert!(Recordings::replay(dir.path()).complete(request("mysql, root pw 0ther!one")).await.is_ok());
    let leaky = Recording { case_id: "ghp_abcdefghijklmnopqrstuvwx0123".to_owned(), ..file::all(dir.path()).unwrap().remove(0).1 };
    assert!(matches!(file::write(dir.path(), Path::new("x.json"), &leaky), Err(LlmError::SecretInRecording { .. })));
}

#[tokio::test]
async fn bad_replies_are_kept_only_when_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let shaped = || Request {
        schema: Some(ReplySchema { name: "n".to_owned(), schema: json!({"type": "object", "required": ["a"]}) }),
        ..request("1")
    };
    let cut = Reply { finish_reason: Some("length".to_owned()), ..reply("{") };
    let script = || [Ok(cut.clone()), Ok(reply("{\"b\":1}")), Err(LlmError::RateLimited { detail: "slow".to_owned(), retry_after: None })];
    for wanted in [false, true] {
        let r = Recordings::around(Arc::new(Scripted::new(script())), dir.path(), Mode::All, Arc::new(Fixed));
        r.start_case("c-1", wanted);
        for n in 0..3 {
            let _ = r.complete(Request { repeat: n, ..shaped() }).await;
        }
        assert_eq!(files(&dir).len(), if wanted { 3 } else { 0 });
    }
    let replayed = Recordings::replay(dir.path()).complete(Request { repeat: 2, ..shaped() }).await;
    assert!(matches!(replayed, Err(LlmError::RateLimited { .. })));
}

#[tokio::test]
async fn replies_written_by_hand_move_to_the_keys_of_today() {
    let dir = tempfile::tempdir().unwrap();
    let seed = json!({"v": 1, "key": "", "case_id": "m-1", "turn": 0, "origin": BY_HAND, "response": {"status": 200, "content": "yes"}});
    fs::write(dir.path().join("seed.json"), seed.to_string()).unwrap();
    let pen = Recordings::rekey(dir.path(), Arc::new(Fixed)).unwrap();
    pen.start_case("m-1", false);
    assert_eq!(pen.complete(request("q")).await.unwrap().content, "yes");
    assert_eq!(pen.prune().unwrap(), [PathBuf::from("seed.json")]);
    assert_eq!(Recordings::replay(dir.path()).complete(request("q")).await.unwrap().content, "yes");
    // A second turn that nobody wrote.
    assert!(matches!(pen.complete(request("more")).await, Err(LlmError::Unfit(_))));
}
