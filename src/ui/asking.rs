//! Questions of servers on a terminal: a form that is filled in field by field, and a page that the person may open.
//!
//! Everything a server says here is a guest: named as such, cleaned, and never mistaken for a question of Swell itself.

use super::{
    lines::{Line, Page, Tone},
    terminal::Terminal,
};
use crate::{
    domain::Properties,
    mcp::{
        self, Answer, Form, Question,
        form::{Field, Kind},
    },
};

/// How often a field is asked for before the form is given up.
const TRIES: usize = 3;

impl Terminal {
    /// Asks whether a form shall be answered, then for each field, then whether what was filled in shall be sent.
    pub(super) async fn fill_in(&self, question: &Question, form: &Form) -> Answer {
        let mut page = guest(question, &self.style());
        let fields: Vec<String> = form.fields.iter().map(|f| f.title.clone()).collect();
        page.flow(
            Line::of(Tone::Dim, &format!("It wants to know: {}. Do not give it passwords or keys.", fields.join(", "))),
            &self.style(),
            2,
        );
        self.write(&page.render(&self.style()));
        match self.pressed("Answer it? [y]es  [n]o, and it may know that  [c]ancel: ").await {
            'y' => {}
            'n' => return Answer::Decline,
            _ => return Answer::Cancel,
        }
        let mut values = Properties::new();
        for field in &form.fields {
            match self.field(field).await {
                Filled::Value(value) => drop(values.insert(field.name.clone(), value)),
                Filled::Nothing => {}
                Filled::GivenUp => return Answer::Cancel,
            }
        }
        let mut page = Page::default();
        page.flow(Line::of(Tone::Plain, &format!("This goes to `{}`:", question.server)), &self.style(), 2);
        for (name, value) in &values {
            page.flow(Line::of(Tone::Dim, &format!("  {name} = ")).add(Tone::Plain, &super::value::inline(value)), &self.style(), 4);
        }
        self.write(&page.render(&self.style()));
        match self.pressed("Send it? [y]es  [n]o, and it may know that  [c]ancel: ").await {
            'y' => Answer::Accept(values),
            'n' => Answer::Decline,
            _ => Answer::Cancel,
        }
    }

    async fn field(&self, field: &Field) -> Filled {
        let style = self.style();
        let mut page = Page::default();
        let must = if field.required { "" } else { " (may be left out)" };
        page.flow(Line::of(Tone::Bold, &field.title).add(Tone::Dim, &format!("{must}  {}", field.description)), &style, 2);
        if let Kind::One(choices) | Kind::Some { choices, .. } = &field.kind {
            for (n, choice) in choices.iter().enumerate() {
                page.flow(Line::of(Tone::Dim, &format!("  {}  ", n + 1)).add(Tone::Plain, &choice.title), &style, 5);
            }
        }
        self.write(&page.render(&style));
        let prompt = match &field.default {
            Some(default) => format!("[{}] > ", super::value::inline(default)),
            None => "> ".to_owned(),
        };
        for _ in 0..TRIES {
            let Some(typed) = self.lines().read_line(&prompt).await else { return Filled::GivenUp };
            if typed.trim().is_empty() {
                match (&field.default, field.required) {
                    (Some(default), _) => return Filled::Value(default.clone()),
                    (None, false) => return Filled::Nothing,
                    (None, true) => {}
                }
            }
            match field.read(&typed) {
                Ok(value) => return Filled::Value(value),
                Err(wanted) => self.say(Tone::Warn, &format!("It takes {wanted}.")),
            }
        }
        Filled::GivenUp
    }

    /// Shows which page would be opened, and opens it after a yes.
    pub(super) async fn open_page(&self, why: &str, to: &mcp::Page) -> bool {
        let style = self.style();
        let mut page = Page::default();
        why.lines().for_each(|line| page.flow(Line::of(Tone::Plain, line), &style, 2));
        page.flow(Line::of(Tone::Plain, "The page is on  ").add(Tone::Bold, &to.host), &style, 2);
        to.warnings.iter().for_each(|w| page.flow(Line::of(Tone::Bad, &format!("Careful: {w}.")), &style, 2));
        // In one piece, so that it can be copied.
        page.line(Line::of(Tone::Info, &to.url));
        self.write(&page.render(&style));
        if self.pressed("Open it in your browser? [y]es  [n]o: ").await != 'y' {
            return false;
        }
        if !self.browse(&to.url) {
            self.say(Tone::Warn, "No browser could be started. Open the address above yourself.");
        }
        true
    }

    /// The first letter of what is typed; `c` if nothing is.
    async fn pressed(&self, prompt: &str) -> char {
        self.lines().forget_typed();
        let typed = self.lines().read_line(prompt).await;
        typed.and_then(|t| t.trim().chars().next()).map_or('c', |c| c.to_ascii_lowercase())
    }
}

enum Filled {
    Value(serde_json::Value),
    Nothing,
    GivenUp,
}

fn guest(question: &Question, style: &super::Style) -> Page {
    let mut page = Page::default();
    page.flow(Line::of(Tone::Bold, &format!("The server `{}` asks you something. Its words:", question.server)), style, 2);
    question.message.lines().for_each(|line| page.flow(Line::of(Tone::Dim, "  │ ").add(Tone::Plain, line), style, 4));
    page
}
