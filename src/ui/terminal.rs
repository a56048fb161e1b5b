//! The person at a terminal: shows a review, reads the answer, and is the only maker of a [`KeyPress`].
//!
//! Lines come from a [`ReadLine`] that is handed in (the editor of the REPL). What was typed before the review stood on the
//! screen is thrown away, so a paste or an impatient key cannot approve what nobody has read.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Screen,
    answer::{ParsedAnswer, parse_answer},
    human::HumanSink,
    lines::{Line, Page, Tone, count},
    review as face,
};
use crate::{
    intent::Question,
    mcp,
    plan::Verdict,
    review::{Answer, Demand, Human, KeyPress, Level, Review},
};

/// The question below a review.
pub const PROMPT: &str = "Apply? [y]es  [n]o  [d]etails  [g]raph  [e]dit name=value  [s]ave  or say what to change: ";
/// The same where a policy denies the plan.
pub const PROMPT_DENIED: &str = "[n]o  [d]etails  [g]raph  [e]dit name=value  [s]ave  or say what to change: ";

/// How many columns a prompt leaves for the answer.
const ROOM_TO_TYPE: usize = 8;

/// Where a person's lines come from. Only something that reads a real terminal may implement it outside of tests.
#[async_trait]
pub trait ReadLine: Send + Sync {
    /// Reads one line; `None` at the end of input or when the person interrupts.
    async fn read_line(&self, prompt: &str) -> Option<String>;

    /// Throws away what was typed before now.
    fn forget_typed(&self) {}

    /// Names of the parameters that an edit may set, for completion.
    fn offer(&self, _parameters: Vec<String>) {}
}

/// A person at a terminal.
pub struct Terminal {
    screen: Screen,
    lines: Arc<dyn ReadLine>,
    live: Option<Arc<HumanSink>>,
    browser: Option<Opener>,
}

/// Opens a page in the person's browser. Says whether one could be started.
pub type Opener = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl Terminal {
    /// Makes the face. `live` is the sink that draws on the same screen, if there is one.
    pub fn new(screen: Screen, lines: Arc<dyn ReadLine>, live: Option<Arc<HumanSink>>) -> Self {
        Self { screen, lines, live, browser: None }
    }

    /// The same with a browser for pages that the person agrees to open.
    pub fn with_browser(mut self, opener: Opener) -> Self {
        self.browser = Some(opener);
        self
    }

    pub(super) fn browse(&self, url: &str) -> bool {
        self.browser.as_ref().is_some_and(|open| open(url))
    }

    pub(super) fn style(&self) -> super::Style {
        self.screen.style()
    }

    pub(super) fn lines(&self) -> &dyn ReadLine {
        self.lines.as_ref()
    }

    pub(super) fn write(&self, text: &str) {
        if let Some(live) = &self.live {
            live.clear();
        }
        self.screen.print(text);
    }

    pub(super) fn say(&self, tone: Tone, text: &str) {
        let mut page = Page::default();
        page.flow(Line::of(tone, text), &self.screen.style(), 2);
        self.write(&page.render(&self.screen.style()));
    }

    /// A prompt that would be broken at the edge loses what it offers to a line of its own.
    fn short(&self, prompt: String) -> String {
        let style = self.screen.style();
        if super::lines::width(&prompt) + ROOM_TO_TYPE <= style.width {
            return prompt;
        }
        let (asked, offered) = prompt.split_at(prompt.find('[').unwrap_or(0));
        let mut page = Page::default();
        page.flow(Line::of(Tone::Dim, offered.trim_end_matches([' ', ':'])), &style, 2);
        self.write(&page.render(&style));
        match asked.trim_end_matches(", or ").trim() {
            "" => "> ".to_owned(),
            asked => format!("{asked} "),
        }
    }

    /// What is asked, and what must be typed to approve.
    fn question(&self, review: &Review) -> Wanted {
        let denied = review.plan.policy.iter().filter(|p| p.verdict == Verdict::Deny).count();
        if denied > 0 {
            self.say(Tone::Bad, &format!("{} this plan, so it cannot be applied as it is.", deny(denied)));
            return Wanted::Nothing;
        }
        match review.demand() {
            Demand::Yes => Wanted::Yes,
            Demand::TypeName { name, lost } => {
                if !lost.is_empty() {
                    let names: Vec<String> = lost.iter().map(ToString::to_string).collect();
                    let text =
                        format!("The data of {} will be lost for good: {}.", count(lost.len(), "resource", "resources"), names.join(", "));
                    self.say(Tone::Bad, &text);
                }
                Wanted::Name(name.to_string())
            }
        }
    }

    /// Approves, or says why this answer does not.
    fn yes(&self, wanted: &Wanted, typed: &str) -> Option<Answer> {
        match wanted {
            Wanted::Yes => return Some(Answer::Yes(KeyPress::on_terminal(format!("typed `{typed}`")))),
            Wanted::Name(name) => self.say(Tone::Warn, &format!("A yes is not enough here: type the deployment's name, {name}.")),
            Wanted::Nothing => self.say(Tone::Warn, "A policy denies this plan; change it, or change the policy."),
        }
        None
    }
}

fn deny(n: usize) -> String {
    if n == 1 { "A policy denies".into() } else { format!("{n} policies deny") }
}

/// What approves a plan.
enum Wanted {
    Yes,
    Name(String),
    Nothing,
}

#[async_trait]
impl Human for Terminal {
    fn present(&self) -> bool {
        true
    }

    /// Details and graph are shown here and the question is asked again; they are never returned.
    async fn approve(&self, review: &Review) -> Answer {
        self.show(review, Level::Brief).await;
        let wanted = self.question(review);
        let prompt = match &wanted {
            Wanted::Yes => PROMPT.to_owned(),
            Wanted::Name(name) => format!("Type {name} to go on, or {PROMPT_DENIED}"),
            Wanted::Nothing => PROMPT_DENIED.to_owned(),
        };
        let prompt = self.short(prompt);
        self.lines.offer(review.plan.parameters.iter().map(|p| p.name.clone()).collect());
        self.lines.forget_typed();
        while let Some(typed) = self.lines.read_line(&prompt).await {
            if matches!(&wanted, Wanted::Name(name) if typed.trim() == name) {
                return Answer::Yes(KeyPress::on_terminal(crate::review::typed(typed.trim())));
            }
            match parse_answer(&typed) {
                ParsedAnswer::Yes => {
                    if let Some(yes) = self.yes(&wanted, typed.trim()) {
                        return yes;
                    }
                }
                ParsedAnswer::No => return Answer::No,
                ParsedAnswer::Details => self.show(review, Level::Details).await,
                ParsedAnswer::Graph => self.show(review, Level::Graph).await,
                ParsedAnswer::Edit(pairs) if pairs.is_empty() => self.say(Tone::Dim, "Edit what? For example: e replicas=4"),
                ParsedAnswer::Edit(pairs) => return Answer::Edit(pairs),
                ParsedAnswer::Save(path) if path.is_empty() => return Answer::Save(format!("{}.json", review.plan.short())),
                ParsedAnswer::Save(path) => return Answer::Save(path),
                ParsedAnswer::Say(text) => return Answer::Say(text),
                ParsedAnswer::Again => {}
            }
        }
        Answer::No
    }

    async fn show(&self, review: &Review, level: Level) {
        self.write(&face::render(review, level, &self.screen.style()));
    }

    async fn ask(&self, question: &Question) -> Option<String> {
        let mut page = Page::default();
        page.flow(Line::of(Tone::Bold, &question.text), &self.screen.style(), 2);
        for (n, choice) in question.choices.iter().enumerate() {
            page.flow(Line::of(Tone::Dim, &format!("  {}  ", n + 1)).add(Tone::Plain, choice), &self.screen.style(), 5);
        }
        self.write(&page.render(&self.screen.style()));
        let typed = self.lines.read_line("> ").await?;
        let typed = typed.trim();
        if typed.is_empty() {
            return None;
        }
        let by_number = || typed.parse::<usize>().ok().and_then(|n| question.choices.get(n.checked_sub(1)?));
        let chosen = if question.choices.iter().any(|c| c == typed) { None } else { by_number() };
        Some(chosen.cloned().unwrap_or_else(|| typed.to_owned()))
    }

    async fn confirm(&self, text: &str, word: &str) -> bool {
        let mut page = Page::default();
        // Broken at the edge of the screen and never cut: what is not seen cannot be agreed to.
        text.lines().for_each(|line| page.flow(Line::of(Tone::Plain, line), &self.screen.style(), 4));
        self.write(&page.render(&self.screen.style()));
        self.lines.forget_typed();
        let Some(typed) = self.lines.read_line(&format!("Type {word} to go on; anything else is a no: ")).await else { return false };
        let typed = typed.trim();
        typed == word || (word == "yes" && typed.eq_ignore_ascii_case("y"))
    }

    async fn fill(&self, question: &mcp::Question, form: &mcp::Form) -> mcp::Answer {
        self.fill_in(question, form).await
    }

    async fn visit(&self, why: &str, page: &mcp::Page) -> bool {
        self.open_page(why, page).await
    }

    async fn go_on(&self, wave: usize) -> bool {
        self.write("");
        self.lines.forget_typed();
        loop {
            let typed = self.lines.read_line(&format!("Wave {wave} is done. Go on? [y/n] ")).await;
            match typed.as_deref().map(parse_answer) {
                Some(ParsedAnswer::Yes) => return true,
                Some(ParsedAnswer::No) | None => return false,
                Some(_) => self.say(Tone::Dim, "y goes on with the next wave; n ends the run here."),
            }
        }
    }
}

/// No terminal: reviews are shown, nothing is ever approved.
pub struct Nobody {
    screen: Screen,
}

impl Nobody {
    /// Makes the face.
    pub fn new(screen: Screen) -> Self {
        Self { screen }
    }
}

#[async_trait]
impl Human for Nobody {
    fn present(&self) -> bool {
        false
    }

    async fn approve(&self, review: &Review) -> Answer {
        self.show(review, Level::Brief).await;
        Answer::No
    }

    async fn show(&self, review: &Review, level: Level) {
        self.screen.print(&face::render(review, level, &self.screen.style()));
    }

    async fn ask(&self, _: &Question) -> Option<String> {
        None
    }
}
