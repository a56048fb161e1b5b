//! Scratch objects made at the same time: some servers lose one of several such calls, and say that all were done.
//!
//! Nothing is concluded from one that is missing until it was made once more, alone, and is there then.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use serde_json::json;

use super::{Not, PAUSE, Trial};
use crate::{
    domain::{ResourceType, text::clean_line},
    mcp::{
        Connection,
        binding::prove::{Finding, Left, Level, Scratch, Watch, edit, parsed},
    },
};

/// How often it is tried: that two calls meet is a matter of luck.
const ROUNDS: usize = 2;

/// How long it is waited until what was made is shown.
const SETTLE: Duration = Duration::from_secs(2);

/// What came of it.
pub struct Together {
    /// The file as it should be.
    pub text: String,
    /// What was found out.
    pub finding: Finding,
    /// What is left on the server.
    pub left: Vec<Left>,
    /// It was stopped in the middle.
    pub stopped: bool,
}

/// What came of one of the creates.
enum Made {
    /// It says that it was done.
    Done,
    /// It says no, in these words.
    Refused(String),
    /// Nothing that says anything about the server.
    Nothing(String),
}

/// Makes several at the same time, sees whether all are there, and takes them away; twice, for it is a matter of luck. `text` is a file
/// whose type was proven.
pub async fn together(
    connection: &Arc<Connection>,
    (name, file, text): (&str, &str, &str),
    kind: &ResourceType,
    scratches: &[Scratch],
    watch: &dyn Watch,
    patience: Duration,
) -> Result<Together, String> {
    let mut ended = (Level::Holds, String::new());
    let mut left = Vec::new();
    for _ in 0..ROUNDS {
        let trial = |s| Trial::new(connection, (name, file, text), kind, s, watch).map(|t| t.patience(patience));
        let mut all = scratches.iter().map(trial).collect::<Result<Vec<_>, _>>()?;
        let made: Result<Vec<Made>, Not> = join_all(all.iter_mut().map(Trial::make_one)).await.into_iter().collect();
        let seen = match made {
            Ok(made) => judge(&mut all, made).await,
            Err(_) => Seen::Stopped,
        };
        for trial in &mut all {
            trial.settle_name().await;
            left.extend(trial.leave().await);
        }
        ended = match seen {
            Seen::All => (Level::Holds, format!("{} that are made at the same time are all there", scratches.len())),
            Seen::Lost(how) => {
                (Level::Written, format!("of {} that were made at the same time {how}: one call at a time", scratches.len()))
            }
            Seen::Unclear(why) => {
                let why = clean_line(&why, 200);
                (Level::Holds, format!("whether calls at the same time all count was not found out: {why}"))
            }
            Seen::Stopped => (Level::Fails, "it was stopped before the end".to_owned()),
        };
        if ended.0 != Level::Holds || !left.is_empty() {
            break;
        }
    }
    let (level, found) = ended;
    let (mut written, mut at) = (text.to_owned(), vec!["types".to_owned(), kind.to_string()]);
    if level == Level::Written {
        written = limited(text);
        parsed(name, file, &written)?;
        at = vec!["max_calls".to_owned()];
    }
    let path: Vec<&str> = at.iter().map(String::as_str).collect();
    let line = edit::line_of(&written, &path);
    Ok(Together { finding: Finding { level, text: found, line, at: Vec::new() }, text: written, left, stopped: level == Level::Fails })
}

/// What one round has shown.
enum Seen {
    /// All are there.
    All,
    /// One was lost, and made alone it is there.
    Lost(String),
    /// Nothing that says anything about calls at the same time.
    Unclear(String),
    /// The person wants to stop.
    Stopped,
}

/// What the answers and what is there afterwards mean.
async fn judge(all: &mut [Trial<'_>], made: Vec<Made>) -> Seen {
    let mut lost = None;
    for (n, made) in made.into_iter().enumerate() {
        let words = match made {
            Made::Nothing(why) => return Seen::Unclear(why),
            Made::Refused(words) => format!("one was refused ({})", clean_line(&words, 120)),
            Made::Done => match all[n].is_there().await {
                Some(true) => continue,
                Some(false) => "one is not there, and its answer says that it was done".to_owned(),
                None => return Seen::Unclear("what is there cannot be read".to_owned()),
            },
        };
        lost.get_or_insert((n, words));
    }
    let Some((n, words)) = lost else { return Seen::All };
    match all[n].make_one().await {
        Ok(Made::Done) => match all[n].is_there().await {
            Some(true) => Seen::Lost(format!("{words}; made alone it is there")),
            _ => Seen::Unclear(format!("{words}, and made alone it is not there either")),
        },
        Ok(Made::Refused(again) | Made::Nothing(again)) => Seen::Unclear(format!("{words}, and made alone: {again}")),
        Err(_) => Seen::Stopped,
    }
}

/// The file with the limit, before its types.
fn limited(text: &str) -> String {
    let lines = "# Found out by `swell bindings prove`: of two changes at the same time one is lost.\nmax_calls: 1\n";
    match text.find("\ntypes:") {
        Some(at) => format!("{}\n{lines}{}", &text[..at], &text[at + 1..]),
        None => edit::set(text, &["max_calls"], &json!(1)),
    }
}

impl Trial<'_> {
    /// One create; an error means that the person wants to stop.
    async fn make_one(&mut self) -> Result<Made, Not> {
        Ok(match self.make().await {
            Ok(done) => {
                self.id = done.id;
                Made::Done
            }
            Err(Not::Refused { words, .. }) => Made::Refused(words),
            Err(Not::Unsent(why) | Not::Unknown(why)) => Made::Nothing(why),
            Err(Not::Over) => Made::Nothing("the trial was over".to_owned()),
            Err(Not::Stopped) => return Err(Not::Stopped),
        })
    }

    /// Whether it is there, by its id or by its name; `None` if that cannot be read.
    async fn is_there(&mut self) -> Option<bool> {
        let (deadline, mut pause) = (tokio::time::Instant::now() + self.patience.min(SETTLE), PAUSE);
        loop {
            match self.seen(self.id.as_deref()).await {
                Ok(Some(live)) => {
                    self.id = Some(live.id);
                    return self.watch.there(&self.left()).is_ok().then_some(true);
                }
                Ok(None) if tokio::time::Instant::now() >= deadline => return Some(false),
                Ok(None) => {}
                Err(_) => return None,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}
