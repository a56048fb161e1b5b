//! The words of a tool's name: what it does, and to what.
//!
//! Names are all that most servers say about what belongs together; the rules here know the usual verbs, wherever in a name they stand.

/// What a verb does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Makes one.
    Create,
    /// Makes one, or changes the one that is there.
    Upsert,
    /// Shows one.
    Read,
    /// Shows all.
    List,
    /// Changes one.
    Update,
    /// Takes one away.
    Delete,
    /// Does something else with it.
    Other,
}

/// The verbs, the usual ones first: of two tools that could make a thing, the earlier verb is taken.
const VERBS: [(Class, &[&str]); 7] = [
    (
        Class::Create,
        &[
            "create",
            "new",
            "add",
            "insert",
            "make",
            "register",
            "launch",
            "provision",
            "allocate",
            "define",
            "install",
            "subscribe",
            "deploy",
            "run",
        ],
    ),
    (Class::Upsert, &["upsert", "put", "write", "save", "store", "apply"]),
    (Class::Read, &["get", "read", "describe", "show", "inspect", "view", "fetch", "retrieve", "details", "detail"]),
    (Class::List, &["list", "ls", "search", "find", "enumerate"]),
    (Class::Update, &["update", "edit", "set", "modify", "change", "patch", "alter", "scale", "resize", "configure"]),
    (
        Class::Delete,
        &["delete", "remove", "drop", "destroy", "terminate", "rm", "deregister", "unregister", "uninstall", "unsubscribe", "release"],
    ),
    (
        Class::Other,
        &[
            "start", "stop", "restart", "reboot", "attach", "detach", "enable", "disable", "toggle", "test", "ping", "execute", "exec",
            "call", "invoke", "validate", "check", "analyze", "explain", "query", "generate", "suggest", "trigger", "move", "copy",
            "clone", "migrate", "cancel", "retry", "reset", "rollback", "restore", "import", "export", "block", "unblock", "fix", "send",
            "receive", "publish", "purge", "pull", "push", "build", "commit", "checkout", "download", "upload", "simulate", "convert",
            "confirm", "poll", "wait", "revoke", "renew", "sign", "play",
        ],
    ),
];

/// Words behind which a name says how and not what: `list_subscriptions_by_topic`.
const PREPOSITIONS: [&str; 9] = ["by", "in", "for", "with", "from", "to", "of", "on", "as"];

/// Words behind a noun that say which view of it a read gives: `get_instance_details`.
pub(super) const VIEWS: [&str; 12] = [
    "detail",
    "info",
    "information",
    "attribute",
    "config",
    "configuration",
    "document",
    "summary",
    "metadata",
    "property",
    "data",
    "overview",
];

/// Words that end in `s` and are not plurals.
const SINGULARS: [&str; 12] = ["dns", "status", "alias", "series", "sns", "sqs", "aws", "https", "kubernetes", "access", "bus", "address"];

/// What a name was taken to mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it does; none if no word of it is a known verb.
    pub verb: Option<(Class, String)>,
    /// To what: the last word in the singular.
    pub noun: Vec<String>,
    /// How many of the noun's words stand before the verb, or are the family of a `family_noun_verb`.
    pub family: usize,
    /// The noun stood in the plural.
    pub plural: bool,
    /// The noun was followed by a word such as `by` and more.
    pub qualified: bool,
}

/// Splits a name at `_`, `-`, `.`, `/`, spaces and humps, in lower case.
pub fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (n, c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = n.checked_sub(1).map(|p| chars[p]);
        let after = chars.get(n + 1);
        // `listDataSources`, `TopicArn`, but `SQSQueue` is `sqs queue`.
        let hump = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_numeric())
                || (before.is_some_and(char::is_uppercase) && after.is_some_and(|a| a.is_lowercase() && *a != 's')));
        if hump {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        word.extend(c.to_lowercase());
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// The singular of an English noun, as far as endings tell.
pub fn singular(word: &str) -> String {
    let cut = |n: usize| word[..word.len() - n].to_owned();
    if SINGULARS.contains(&word) || word.len() < 4 && word != "ids" {
        return word.to_owned();
    }
    match word {
        w if w.ends_with("ies") && w.len() > 4 => cut(3) + "y",
        w if ["sses", "shes", "ches", "xes", "zes"].iter().any(|e| w.ends_with(e)) => cut(2),
        w if w.ends_with('s') && !["ss", "us", "is"].iter().any(|e| w.ends_with(e)) => cut(1),
        w => w.to_owned(),
    }
}

/// A name without its separators, in lower case: `TopicArn`, `topic_arn` and `topic-arn` are the same.
pub fn bare(name: &str) -> String {
    split(name).concat()
}

fn verb_of(word: &str) -> Option<Class> {
    VERBS.iter().find(|(_, words)| words.contains(&word)).map(|(class, _)| *class)
}

/// How usual a verb is for its class; the smaller, the more.
pub fn rank(verb: &str) -> usize {
    VERBS.iter().find_map(|(_, words)| words.iter().position(|w| *w == verb)).unwrap_or(99)
}

/// Reads the words of a name, without the server's own word in front.
pub fn read(words: &[String]) -> Reading {
    let mut words: Vec<String> = words.to_vec();
    // `create_or_update` and its like are one verb.
    if let Some(at) = (0..words.len().saturating_sub(2)).find(|n| {
        words[n + 1] == "or" && verb_of(&words[*n]) == Some(Class::Create) && matches!(verb_of(&words[n + 2]), Some(Class::Update))
    }) {
        words.splice(at..at + 3, ["upsert".to_owned()]);
    }
    let last = words.len().saturating_sub(1);
    let lifecycle = |w: &String| verb_of(w).filter(|c| *c != Class::Other);
    let (at, style) = if words.first().is_some_and(|w| verb_of(w).is_some()) {
        (Some(0), Style::First)
    } else if words.len() > 1 && lifecycle(&words[last]).is_some() {
        (Some(last), Style::Last)
    } else if let Some(n) = (1..last).find(|n| lifecycle(&words[*n]).is_some()) {
        (Some(n), Style::Between)
    } else if words.len() > 1 && verb_of(&words[last]).is_some() {
        (Some(last), Style::Last)
    } else {
        (None, Style::First)
    };
    let verb = at.map(|n| (verb_of(&words[n]).unwrap_or(Class::Other), words[n].clone()));
    let mut noun: Vec<String> = words.iter().enumerate().filter(|(n, _)| Some(*n) != at).map(|(_, w)| w.clone()).collect();
    let start = if style == Style::Between { at.unwrap_or(0) } else { 0 };
    let cut = (start.max(usize::from(style != Style::Between))..noun.len()).find(|n| PREPOSITIONS.contains(&noun[*n].as_str()));
    if let Some(cut) = cut {
        noun.truncate(cut);
    }
    let family = match style {
        Style::Between => at.unwrap_or(0).min(noun.len().saturating_sub(1)),
        Style::Last if noun.len() > 1 => 1,
        _ => 0,
    };
    let mut plural = false;
    if let Some(word) = noun.last_mut() {
        let one = singular(word);
        plural = one != *word;
        *word = one;
    }
    Reading { verb, noun, family, plural, qualified: cut.is_some() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    First,
    Last,
    Between,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, and what it means: verb class, noun with the family before a `:`, plural, qualified.
    const NAMES: [(&str, &str); 34] = [
        ("create_network", "create network"),
        ("createNetwork", "create network"),
        ("create-container", "create container"),
        ("list_networks", "list network*"),
        ("listDataSources", "list data_source*"),
        ("network_create", "create network"),
        ("haproxy_backend_create", "create haproxy:backend"),
        ("docker_container_list", "list docker:container"),
        ("pods_list", "list pod*"),
        ("pods_list_in_namespace", "list pod*?"),
        ("resources_create_or_update", "upsert resource*"),
        ("create_or_update_secret", "upsert secret"),
        ("monit_add_service", "create monit:service"),
        ("nat_create_port_forward", "create nat:port_forward"),
        ("write_file", "upsert file"),
        ("put_user_policy", "upsert user_policy"),
        ("read_text_file", "read text_file"),
        ("get_instance_details", "read instance_detail*"),
        ("describe_table", "read table"),
        ("providerDetails", "read provider"),
        ("moduleSearch", "list module"),
        ("set_topic_attributes", "update topic_attribute*"),
        ("kubectl_scale", "update kubectl"),
        ("terminate_instance", "delete instance"),
        ("drop_table", "delete table"),
        ("remove_volume", "delete volume"),
        ("add_user_to_group", "create user?"),
        ("list_subscriptions_by_topic", "list subscription*?"),
        ("start_container", "other container"),
        ("create_entities", "create entity*"),
        ("describe_addresses", "read address*"),
        ("git_status", "- git_status"),
        ("deleteSQSQueue", "delete sqs_queue"),
        ("search_nodes", "list node*"),
    ];

    #[test]
    fn names_are_read() {
        for (name, wanted) in NAMES {
            let r = read(&split(name));
            let class = r.verb.map_or("-".to_owned(), |(c, _)| format!("{c:?}").to_lowercase());
            let (family, rest) = r.noun.split_at(r.family);
            let noun = if family.is_empty() { rest.join("_") } else { format!("{}:{}", family.join("_"), rest.join("_")) };
            let marks = format!("{}{}", if r.plural { "*" } else { "" }, if r.qualified { "?" } else { "" });
            assert_eq!(format!("{class} {noun}{marks}"), wanted, "{name}");
        }
    }

    #[test]
    fn plurals_end_in_many_ways() {
        for (many, one) in [
            ("entities", "entity"),
            ("policies", "policy"),
            ("addresses", "address"),
            ("vpcs", "vpc"),
            ("boxes", "box"),
            ("status", "status"),
            ("dns", "dns"),
            ("classes", "class"),
            ("switches", "switch"),
            ("databases", "database"),
            ("images", "image"),
        ] {
            assert_eq!(singular(many), one);
        }
    }

    #[test]
    fn spelling_of_arguments_does_not_matter() {
        assert!(["TopicArn", "topic_arn", "topic-arn", "topicArn"].iter().all(|n| bare(n) == "topicarn"));
    }
}
