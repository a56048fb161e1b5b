//! Completion and hints: what could stand where the cursor is. Everything comes from a list that the conversation hands over before each
//! prompt, so that a Tab never waits for a server.

use super::slash::{SLASHES, Takes};

/// Which prompt it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// The conversation.
    #[default]
    Chat,
    /// An answer to a review, with the names of the plan's parameters.
    Answer(Vec<String>),
}

/// Names that can be completed.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Deployments.
    pub deployments: Vec<String>,
    /// Addresses that are recorded.
    pub addresses: Vec<String>,
    /// Patterns.
    pub patterns: Vec<String>,
    /// Parameters of what is talked about.
    pub parameters: Vec<String>,
    /// Servers.
    pub servers: Vec<String>,
}

/// Candidates for the word that begins at `start`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// In bytes.
    pub start: usize,
    /// In the order to show them.
    pub words: Vec<String>,
    /// Names of files fit as well.
    pub files: bool,
}

/// What is shown behind the cursor, and how much of it the right arrow takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// All of it.
    pub show: String,
    /// The part to insert.
    pub insert: String,
}

impl rustyline::hint::Hint for Hint {
    fn display(&self) -> &str {
        &self.show
    }

    fn completion(&self) -> Option<&str> {
        (!self.insert.is_empty()).then_some(self.insert.as_str())
    }
}

/// Words after which a parameter's name stands.
const BEFORE_PARAMETER: [&str; 4] = ["set", "change", "with", "and"];
/// Words that a request often begins with.
const OPENINGS: [&str; 10] = ["deploy", "scale", "show", "destroy", "why is", "what is running?", "roll back", "set", "upgrade", "drift"];
/// Answers to a review.
const ANSWERS: [&str; 6] = ["yes", "no", "details", "graph", "edit", "save"];

impl Words {
    /// What could stand at the end of `head`, the text before the cursor.
    pub fn complete(&self, head: &str, mode: &Mode) -> Found {
        let start = head.rfind(char::is_whitespace).map_or(0, |n| n + head[n..].chars().next().map_or(1, char::len_utf8));
        let word = &head[start..];
        let before: Vec<&str> = head[..start].split_whitespace().collect();
        let (candidates, files) = match mode {
            Mode::Answer(parameters) => self.answers(&before, word, parameters),
            Mode::Chat => match before.first() {
                None if word.starts_with('/') => (SLASHES.iter().map(|s| format!("/{}", s.name)).collect(), false),
                Some(first) if first.starts_with('/') => self.arguments(&first[1..], &before[1..], word),
                _ => (self.said(&before, word), false),
            },
        };
        let mut words: Vec<String> = Vec::new();
        for candidate in candidates {
            if candidate.starts_with(word) && candidate != word && !words.contains(&candidate) {
                words.push(candidate);
            }
        }
        Found { start, words, files }
    }

    /// The deployment's name, which approves a destroy, is not among them: it shall be typed.
    fn answers(&self, before: &[&str], word: &str, parameters: &[String]) -> (Vec<String>, bool) {
        match before {
            [] if word.is_empty() => (ANSWERS.map(str::to_owned).to_vec(), false),
            [] => (ANSWERS.map(str::to_owned).into_iter().chain(assignments(parameters)).collect(), false),
            ["e" | "edit" | "set", ..] => (assignments(parameters).collect(), false),
            ["s" | "save"] => (Vec::new(), true),
            _ => (parameters.to_vec(), false),
        }
    }

    /// Arguments of a slash command.
    fn arguments(&self, name: &str, before: &[&str], word: &str) -> (Vec<String>, bool) {
        let Some(slash) = SLASHES.iter().find(|s| s.name == name) else { return (Vec::new(), false) };
        if !before.is_empty() {
            return (Vec::new(), slash.takes == Takes::FileOrDeployment);
        }
        match slash.takes {
            Takes::Nothing => (Vec::new(), false),
            Takes::Deployment => (self.deployments.clone(), false),
            Takes::Resource if word.contains(':') => (self.addresses.clone(), false),
            Takes::Resource => (self.deployments.iter().chain(&self.addresses).cloned().collect(), false),
            Takes::FileOrDeployment => (self.deployments.clone(), true),
            Takes::File => (Vec::new(), true),
            Takes::Pattern => (self.patterns.clone(), false),
            Takes::Server => (self.servers.clone(), false),
            Takes::OneOf(words) => (words.iter().map(|w| (*w).to_owned()).collect(), false),
        }
    }

    /// Words of a request. Without a letter only what surely fits is offered.
    fn said(&self, before: &[&str], word: &str) -> Vec<String> {
        let Some(last) = before.last() else {
            return OPENINGS.iter().map(|w| (*w).to_owned()).filter(|_| !word.is_empty()).collect();
        };
        let parameter = BEFORE_PARAMETER.contains(&last.to_lowercase().as_str());
        if word.is_empty() {
            return if parameter { self.parameters.clone() } else { self.deployments.clone() };
        }
        let names = self.deployments.iter().chain(&self.patterns).chain(&self.servers).chain(&self.parameters).chain(&self.addresses);
        names.cloned().collect()
    }

    /// The rest of a slash command and what it takes, while it is typed.
    pub fn hint(line: &str) -> Option<Hint> {
        let typed = line.strip_prefix('/')?;
        if typed.is_empty() {
            return None;
        }
        if let Some(name) = typed.strip_suffix(' ') {
            let slash = SLASHES.iter().find(|s| s.name == name)?;
            return (!slash.args.is_empty()).then(|| Hint { show: slash.args.to_owned(), insert: String::new() });
        }
        let slash = SLASHES.iter().find(|s| s.name == typed).or_else(|| SLASHES.iter().find(|s| s.name.starts_with(typed)))?;
        let insert = slash.name[typed.len()..].to_owned();
        let gap = if slash.args.is_empty() { "" } else { " " };
        Some(Hint { show: format!("{insert}{gap}{}  {}", slash.args, slash.help), insert })
    }
}

fn assignments(parameters: &[String]) -> impl Iterator<Item = String> {
    parameters.iter().map(|p| format!("{p}="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        let own = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect();
        Words {
            deployments: own(&["blog", "shop"]),
            addresses: own(&["docker:container:run:blog-web-1"]),
            patterns: own(&["wordpress-ha"]),
            parameters: own(&["replicas", "domain"]),
            servers: own(&["docker", "aws"]),
        }
    }

    fn chat(head: &str) -> Vec<String> {
        words().complete(head, &Mode::Chat).words
    }

    #[test]
    fn commands_and_their_arguments() {
        assert_eq!(chat("/gr"), ["/graph"]);
        assert_eq!(chat("/graph "), ["blog", "shop"]);
        assert_eq!(chat("/show docker:"), ["docker:container:run:blog-web-1"]);
        assert_eq!(chat("/patterns w"), ["wordpress-ha"]);
        assert_eq!(chat("/servers "), ["docker", "aws"]);
        assert_eq!(chat("/model o"), ["offline"]);
        assert!(words().complete("/plan ", &Mode::Chat).files);
        assert!(chat("/graph blog ").is_empty());
    }

    #[test]
    fn names_in_a_request() {
        assert_eq!(chat("destroy "), ["blog", "shop"]);
        assert_eq!(chat("destroy sh"), ["shop"]);
        assert_eq!(chat("set "), ["replicas", "domain"]);
        assert_eq!(chat("set rep"), ["replicas"]);
        assert_eq!(chat("dep"), ["deploy"]);
        assert!(chat("").is_empty());
        assert_eq!(words().complete("größer als sh", &Mode::Chat), Found { start: 13, words: vec!["shop".into()], files: false });
    }

    #[test]
    fn a_review_offers_parameters_and_never_the_name_that_approves() {
        let mode = Mode::Answer(vec!["replicas".into(), "dbReplicas".into()]);
        assert_eq!(words().complete("e re", &mode).words, ["replicas="]);
        assert_eq!(words().complete("rep", &mode).words, ["replicas="]);
        assert!(words().complete("s ", &mode).files);
        assert!(words().complete("blo", &mode).words.is_empty());
    }

    #[test]
    fn hints_name_what_a_command_takes() {
        let hint = Words::hint("/gra").unwrap();
        assert_eq!(hint.insert, "ph");
        assert!(hint.show.starts_with("ph [DEPLOYMENT]"), "{}", hint.show);
        assert_eq!(Words::hint("/graph ").unwrap().show, "[DEPLOYMENT]");
        assert_eq!(Words::hint("deploy"), None);
        assert_eq!(Words::hint("/"), None);
    }
}
