//! Pictures as text for other programs: Mermaid and DOT.

use super::{Node, Picture};
use crate::{domain::Action, ui::lines::visible};

/// Brackets around a Mermaid label, by server.
const MERMAID: [(&str, &str); 7] = [("(", ")"), ("([", "])"), ("{{", "}}"), ("[", "]"), ("[[", "]]"), ("[/", "/]"), ("[(", ")]")];
/// DOT shapes, by server.
const DOT: [&str; 7] = ["box", "oval", "hexagon", "note", "component", "parallelogram", "cylinder"];

/// A Mermaid flowchart, one subgraph for each layer.
pub fn mermaid(picture: &Picture) -> String {
    let servers = picture.servers();
    let mut out = format!("---\ntitle: \"{}\"\n---\nflowchart LR\n", escape_mermaid(&picture.title));
    for (layer, name) in picture.layers.iter().enumerate() {
        out.push_str(&format!("  subgraph L{layer}[\"{}\"]\n", escape_mermaid(name)));
        for (n, node) in picture.nodes.iter().enumerate().filter(|(_, n)| n.layer == layer) {
            let (open, close) = MERMAID[shape(&servers, node) % MERMAID.len()];
            let class = node.action.map_or("plain", class);
            out.push_str(&format!("    n{n}{open}\"{}\"{close}:::{class}\n", escape_mermaid(&label(node))));
        }
        out.push_str("  end\n");
    }
    for (a, b) in &picture.edges {
        out.push_str(&format!("  n{a} --> n{b}\n"));
    }
    for (class, fill, line) in [
        ("create", "#e6f6ec", "#2b8a4b"),
        ("update", "#fff4d6", "#b07d00"),
        ("replace", "#f7e8fb", "#9a3fb5"),
        ("delete", "#fdeaea", "#c92a2a"),
        ("read", "#e5f4fb", "#1c7fae"),
        ("adopt", "#e5f4fb", "#1c7fae"),
        ("plain", "#f1f3f5", "#868e96"),
    ] {
        out.push_str(&format!("  classDef {class} fill:{fill},stroke:{line},color:#1c1e21\n"));
    }
    out
}

/// A DOT graph, one cluster for each layer.
pub fn dot(picture: &Picture) -> String {
    let servers = picture.servers();
    let mut out = format!("digraph swell {{\n  label=\"{}\";\n  labelloc=t;\n  rankdir=LR;\n", escape_dot(&picture.title));
    out.push_str("  node [fontname=\"Helvetica\", fontsize=11, style=filled, fillcolor=\"#f1f3f5\"];\n");
    for (layer, name) in picture.layers.iter().enumerate() {
        out.push_str(&format!("  subgraph cluster_{layer} {{\n    label=\"{}\";\n    style=dashed;\n", escape_dot(name)));
        for (n, node) in picture.nodes.iter().enumerate().filter(|(_, n)| n.layer == layer) {
            let shape = DOT[shape(&servers, node) % DOT.len()];
            let fill = match node.action {
                Some(Action::Create) => "#e6f6ec",
                Some(Action::Update) => "#fff4d6",
                Some(Action::Replace) => "#f7e8fb",
                Some(Action::Delete) => "#fdeaea",
                Some(Action::Read | Action::Adopt) => "#e5f4fb",
                Some(Action::Keep | Action::Forget) | None => "#f1f3f5",
            };
            out.push_str(&format!("    n{n} [label=\"{}\", shape={shape}, fillcolor=\"{fill}\"];\n", escape_dot(&label(node))));
        }
        out.push_str("  }\n");
    }
    for (a, b) in &picture.edges {
        out.push_str(&format!("  n{a} -> n{b};\n"));
    }
    out + "}\n"
}

/// The number of the node's server among all servers.
pub(super) fn shape(servers: &[&str], node: &Node) -> usize {
    servers.iter().position(|s| *s == node.address.server.as_str()).unwrap_or(0)
}

/// The class of an action.
pub(super) fn class(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Read => "read",
        Action::Adopt => "adopt",
        Action::Forget | Action::Keep => "plain",
    }
}

fn label(node: &Node) -> String {
    let lost = if node.loses_data { " (data is lost)" } else { "" };
    match node.action {
        Some(Action::Keep) | None => format!("{}{lost}", node.address),
        Some(action) => format!("{} {}{lost}", action.sign(), node.address),
    }
}

/// Mermaid has entities of its own, written with `#`.
fn escape_mermaid(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '"' | '#' | '&' | '<' | '>' | ';' | '`' | '\\' | '{' | '}' | '%' => out.push_str(&format!("#{};", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn escape_dot(text: &str) -> String {
    visible(text).replace('\\', "\\\\").replace('"', "\\\"")
}
