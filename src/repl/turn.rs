//! One line of the conversation: a slash command, a template that was pasted, or words.

use std::path::Path;

use indexmap::IndexMap;

use super::{
    session,
    slash::{self, Asked, Own, SLASHES},
    unfinished, why,
};
use crate::{
    app::{App, ParserKind},
    chat::{self, Conversation, Manner, Reply},
    cli::WantedArgs,
    commands::{self, Out},
    diagnostic::{Diagnostic, Failure},
    flow,
    ui::{
        self, Screen,
        lines::{Line, Page, Tone},
    },
};

/// Where the words stand in `/help`.
const HELP: usize = 31;
/// The longest turn that is taken, in bytes.
const LONGEST: usize = 1 << 20;

/// What a line came to.
pub(super) enum Did {
    /// Replies of a turn.
    Replied(Vec<Reply>),
    /// A command printed its data, and would exit with this.
    Printed(u8),
    /// Words of the REPL itself.
    Said(String),
    /// The conversation was replaced by the one before.
    WentOn,
    /// Forget the conversation.
    Reset,
    /// Leave.
    Leave,
}

fn manner(app: &App) -> Manner {
    if app.human().present() || app.flags().yes { Manner::Interactive } else { Manner::PlanOnly }
}

/// One line: a command, a template that was pasted, or words.
pub(super) async fn take(app: &App, out: &Out, talk: &mut Conversation, text: &str) -> Result<Did, Failure> {
    if text.len() > LONGEST {
        return Err(flow::usage("this is longer than a megabyte; put it into a file and say `/plan FILE`"));
    }
    if let Some(command) = slash::command(text) {
        return match slash::read(command)? {
            Asked::Own(own) => do_own(app, out, talk, own).await,
            Asked::Line(cli) => line(app, out, &cli).await,
            Asked::Words(words) => Ok(Did::Said(words)),
        };
    }
    if unfinished::is_template(text) {
        let template = crate::template::parse::parse("pasted", text, &IndexMap::new())?;
        let wanted = flow::of_template(template, crate::store::RunKind::Apply, "a template that was pasted".into());
        return Ok(Did::Replied(chat::take(app, talk, wanted, manner(app)).await?));
    }
    let text = chosen(talk, text);
    Ok(Did::Replied(chat::turn(app, talk, &text, manner(app)).await?))
}

/// The number of an answer that was offered stands for it.
fn chosen(talk: &Conversation, text: &str) -> String {
    let choices = talk.pending.as_ref().and_then(|f| f.question.as_ref()).map(|q| q.choices.as_slice()).unwrap_or_default();
    let numbers = choices.iter().any(|c| c.trim().parse::<f64>().is_ok());
    let picked = text.trim().parse::<usize>().ok().filter(|_| !numbers).and_then(|n| choices.get(n.checked_sub(1)?));
    // Below a question a letter is a yes or a no, as below a plan, unless it is one of the answers.
    let word = match text.trim() {
        "y" | "Y" => Some("yes"),
        "n" | "N" => Some("no"),
        _ => None,
    };
    let asked = !choices.is_empty() && !choices.iter().any(|c| c.eq_ignore_ascii_case(text.trim()));
    picked.cloned().or(word.filter(|_| asked).map(str::to_owned)).unwrap_or_else(|| text.to_owned())
}

/// A command of the command line.
async fn line(app: &App, out: &Out, cli: &crate::cli::Cli) -> Result<Did, Failure> {
    let Some(command) = &cli.command else { return Ok(Did::Said(String::new())) };
    let out = Out { screen: out.screen.clone(), json: out.json || cli.global.json, layout: out.layout };
    Ok(Did::Printed(commands::run(app, &out, command).await?))
}

async fn do_own(app: &App, out: &Out, talk: &mut Conversation, own: Own) -> Result<Did, Failure> {
    Ok(match own {
        Own::Help => Did::Said(help(&out.screen)),
        Own::Exit => Did::Leave,
        Own::Reset => Did::Reset,
        Own::Continue => Did::WentOn,
        Own::Plan(None) if talk.wanted.is_none() && talk.pending.is_none() => {
            Did::Said("No plan is open. Say what you want, or `/plan FILE` or `/plan DEPLOYMENT`.".into())
        }
        Own::Plan(None) => Did::Replied(chat::reopen(app, talk, Manner::PlanOnly).await?),
        Own::Plan(Some(what)) => {
            let is_file = Path::new(&what).is_file() || [".yaml", ".yml", ".json"].iter().any(|end| what.ends_with(end));
            let args = WantedArgs { file: is_file.then(|| what.clone().into()), ..WantedArgs::default() };
            let wanted = commands::wanted(app, (!is_file).then_some(what.as_str()), &args).await?;
            Did::Replied(chat::take(app, talk, wanted, Manner::PlanOnly).await?)
        }
        Own::Apply(None) if manner(app) == Manner::PlanOnly && talk.review.is_some() => {
            Did::Replied(talk.review.iter().map(|review| chat::not_here(review)).collect())
        }
        Own::Apply(None) => Did::Replied(chat::reopen(app, talk, manner(app)).await?),
        Own::Apply(Some(file)) => match slash::parse(vec!["apply".into(), file])? {
            Asked::Line(cli) => line(app, out, &cli).await?,
            _ => Did::Said(String::new()),
        },
        Own::Model(None) => Did::Said(model(app)),
        Own::Model(Some(which)) => {
            choose(app, &which)?;
            Did::Said(model(app))
        }
        Own::Why => Did::Said(match &talk.last {
            None => "Nothing was asked yet.".into(),
            Some(frame) => rows(&why::lines(frame), &out.screen),
        }),
        Own::Save(file) => Did::Said(save(app, talk, file)?),
    })
}

fn model(app: &App) -> String {
    match (&app.config().model, app.chosen()) {
        (None, _) => "The offline parser understands you. No model is configured; with one, set SWELL_MODEL_URL and SWELL_MODEL.".into(),
        (Some(m), Some(ParserKind::Offline)) => {
            format!("The offline parser understands you, as you chose; `/model llm` goes back to {}.", m.model)
        }
        (Some(m), _) => format!("{} at {} understands you; the offline parser is its fallback.", m.model, m.base_url),
    }
}

fn choose(app: &App, which: &str) -> Result<(), Failure> {
    match which {
        "offline" => app.choose(ParserKind::Offline),
        "llm" if app.model().is_some() => app.choose(ParserKind::Model),
        "llm" => {
            return Err(Diagnostic::error("model::none", "No model is configured")
                .detail("The offline parser goes on.")
                .next(
                    "Say which, for any OpenAI-compatible server, and start again:",
                    "export SWELL_MODEL_URL=http://localhost:11434/v1 SWELL_MODEL=llama3.1",
                )
                .into());
        }
        _ => return Err(flow::usage("a parser is `offline` or `llm`")),
    }
    Ok(())
}

/// The open plan, else the conversation.
fn save(app: &App, talk: &Conversation, file: Option<String>) -> Result<String, Failure> {
    if let Some(review) = &talk.review {
        let file = file.unwrap_or_else(|| format!("{}.json", review.plan.short()));
        flow::save(review, Path::new(&file))?;
        return Ok(format!("Plan {} is in {file}. Apply it with: swell apply {file}", review.plan.short()));
    }
    if talk.history.is_empty() {
        return Ok("There is nothing to save yet.".into());
    }
    let file = file.unwrap_or_else(|| format!("conversation-{}.txt", app.now().strftime("%Y%m%d-%H%M%S")));
    flow::write_file(Path::new(&file), session::transcript(talk).as_bytes())?;
    Ok(format!("The conversation is in {file}."))
}

fn rows(all: &[(String, String)], screen: &Screen) -> String {
    let style = screen.style();
    let label = all.iter().map(|(l, _)| ui::lines::width(l)).max().unwrap_or(0).min(24);
    let mut page = Page::default();
    for (name, text) in all {
        page.flow(Line::of(Tone::Dim, name).pad(label + 2).add(Tone::Plain, &ui::lines::visible(text)), &style, label + 2);
    }
    page.render(&style).trim_end().to_owned()
}

fn help(screen: &Screen) -> String {
    let style = screen.style();
    let mut page = Page::default();
    for s in SLASHES {
        let command = format!("  /{} {}", s.name, s.args);
        page.flow(Line::of(Tone::Bold, &command).pad(HELP).add(Tone::Plain, s.help), &style, HELP);
    }
    let table = page.render(&style);
    format!(
        "Say what you want, in your own words:\n\
         \x20 deploy WordPress with HA on blog.example.org      a plan, which you review\n\
         \x20 make it 3 replicas                                corrects the open plan\n\
         \x20 scale the web tier to 4 · destroy blog            the same road for changes\n\
         \x20 what is running? · why is blog unhealthy?         only looks\n\
         Or a command (all others of `swell --help` work here as well):\n{table}\
         Below a plan: y n d g, e name=value, s FILE, or say what to change.\n\
         A template can be pasted as it is. Ctrl-C gives up a line or a plan being made; in a run, once lets calls finish, twice cancels them."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::{AskReason, Frame, Question};

    #[test]
    fn a_letter_below_a_question_is_a_yes_or_a_no() {
        let asked = |choices: &[&str]| {
            let choices = choices.iter().map(|c| (*c).to_owned()).collect();
            let about = vec!["stack".to_owned()];
            let question = Some(Question { text: "Which stack?".to_owned(), about, choices, reason: AskReason::MissingRequired });
            Conversation { pending: Some(Frame { question, ..Frame::default() }), ..Conversation::default() }
        };
        let stack = asked(&["node", "go"]);
        assert_eq!([chosen(&stack, "n"), chosen(&stack, " Y "), chosen(&stack, "2"), chosen(&stack, "rust")], ["no", "yes", "go", "rust"]);
        assert_eq!(chosen(&asked(&["n", "m"]), "n"), "n");
        assert_eq!(chosen(&Conversation::default(), "n"), "n");
    }
}
