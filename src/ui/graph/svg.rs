//! A picture as SVG, and a page around it. Self-contained: no scripts, no links, no fonts; light or dark as the viewer is.

use std::fmt::Write;

use super::{
    Node, Picture,
    layout::{self, Input},
    text::{class, shape},
};
use crate::{
    domain::Action,
    ui::lines::{fit, visible, width},
};

const BOX: f64 = 46.0;
const MARGIN: f64 = 32.0;
const HEAD: f64 = 108.0;
const PAD: f64 = 14.0;

/// Colours of the classes: name, then fill, line and text when light, and the same when dark.
const COLOURS: [(&str, [&str; 3], [&str; 3]); 12] = [
    ("create", ["#e9f8ee", "#2f9e57", "#1b6b39"], ["#12301d", "#3fb56b", "#8ee0ab"]),
    ("update", ["#fff6dc", "#c58a00", "#8a6100"], ["#33280a", "#d9a21b", "#f2cf74"]),
    ("replace", ["#f8ebfc", "#a54cc0", "#7a2d92"], ["#2d1736", "#c06fda", "#e2b3f0"]),
    ("delete", ["#fdecec", "#d23b3b", "#a02020"], ["#381616", "#e25757", "#f5a5a5"]),
    ("read", ["#e8f5fc", "#2289bd", "#12618a"], ["#0f2a38", "#3aa5da", "#93d2f1"]),
    ("adopt", ["#e6f7f5", "#1c968a", "#0f6a61"], ["#0c2e2b", "#2fb5a7", "#8fdfd6"]),
    ("plain", ["#f4f5f7", "#98a1ad", "#5c6570"], ["#22262c", "#6b7480", "#a9b2bd"]),
    ("server0", ["#e9f0fe", "#4472d8", "#2a4fa5"], ["#16223f", "#6b93ee", "#b3c8f8"]),
    ("server1", ["#fdf0e6", "#d9762b", "#9c4f14"], ["#36210f", "#e8924f", "#f6c9a3"]),
    ("server2", ["#e9f8ee", "#2f9e57", "#1b6b39"], ["#12301d", "#3fb56b", "#8ee0ab"]),
    ("server3", ["#f1ecfc", "#7c57c8", "#553693"], ["#231a3b", "#a085e2", "#d0c1f4"]),
    ("server4", ["#fdeaf2", "#cf4a83", "#96295a"], ["#381526", "#e2719f", "#f4b4ce"]),
];

/// A self-contained SVG.
pub fn svg(picture: &Picture) -> String {
    let servers = picture.servers();
    let widths: Vec<f64> = (0..picture.layers.len()).map(|l| column_width(picture, l)).collect();
    let input =
        Input { layer: picture.nodes.iter().map(|n| n.layer).collect(), edges: &picture.edges, layers: picture.layers.len(), height: BOX };
    let placed = layout::layout(&input);
    let gap = if placed.edges.len() > 60 { 120.0 } else { 84.0 };
    let lefts: Vec<f64> = widths
        .iter()
        .scan(MARGIN + PAD, |x, w| {
            let here = *x;
            *x += w + gap;
            Some(here)
        })
        .collect();
    let right = lefts.last().zip(widths.last()).map_or(MARGIN, |(x, w)| x + w + PAD);
    let legend = legend(picture, &servers, HEAD + placed.height + 2.0 * PAD + 34.0, right.max(560.0));
    let total_width = (right.max(520.0) + MARGIN).ceil();
    let total_height = (legend.1 + MARGIN).ceil();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total_width} {total_height}\" width=\"{total_width}\" height=\"{total_height}\" role=\"img\" aria-label=\"{}\">\n",
        xml(&format!("{}: {}", picture.title, picture.subtitle))
    );
    out.push_str(&style());
    let _ = write!(
        out,
        "<defs><marker id=\"swell-arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"head\" d=\"M0.5 0.8 7.5 4 0.5 7.2Z\"/></marker></defs>\n<rect class=\"page\" width=\"{total_width}\" height=\"{total_height}\"/>\n"
    );
    let _ = writeln!(out, "<text class=\"title\" x=\"{MARGIN}\" y=\"40\">{}</text>", xml(&picture.title));
    let _ = writeln!(out, "<text class=\"sub\" x=\"{MARGIN}\" y=\"60\">{}</text>", xml(&picture.subtitle));
    for (l, name) in picture.layers.iter().enumerate() {
        let (x, w) = (lefts[l] - PAD, widths[l] + 2.0 * PAD);
        let h = placed.height + 2.0 * PAD;
        let _ = writeln!(out, "<rect class=\"band\" x=\"{x:.1}\" y=\"{HEAD}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"12\"/>");
        let _ = writeln!(out, "<text class=\"layer\" x=\"{:.1}\" y=\"{}\">{}</text>", x + w / 2.0, HEAD - 8.0, xml(name));
    }
    let y = |n: usize| HEAD + PAD + placed.y[n];
    for (a, b, passes) in &placed.edges {
        let (from, to) = (picture.nodes[*a].layer, picture.nodes[*b].layer);
        let mut here = (lefts[from] + widths[from], y(*a));
        let mut path = format!("M{:.1} {:.1}", here.0, here.1);
        for (k, pass) in passes.iter().enumerate() {
            let layer = from + 1 + k;
            let at = (lefts[layer] - PAD, HEAD + PAD + pass);
            curve(&mut path, here, at);
            here = (lefts[layer] + widths[layer] + PAD, at.1);
            let _ = write!(path, "H{:.1}", here.0);
        }
        curve(&mut path, here, (lefts[to] - 1.0, y(*b)));
        let tone = picture.nodes[*b].action.map_or("plain", class);
        let _ = writeln!(out, "<path class=\"edge e-{tone}\" d=\"{path}\" marker-end=\"url(#swell-arrow)\"/>");
    }
    for (n, node) in picture.nodes.iter().enumerate() {
        out.push_str(&draw(node, &servers, lefts[node.layer], y(n) - BOX / 2.0, widths[node.layer]));
    }
    out + &legend.0 + "</svg>\n"
}

fn curve(path: &mut String, from: (f64, f64), to: (f64, f64)) {
    let bend = ((to.0 - from.0) * 0.5).max(12.0);
    let _ = write!(path, "C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}", from.0 + bend, from.1, to.0 - bend, to.1, to.0, to.1);
}

fn second_line(node: &Node) -> String {
    format!("{} · {}", node.address.server, node.address.kind)
}

fn column_width(picture: &Picture, layer: usize) -> f64 {
    let widest = picture
        .nodes
        .iter()
        .filter(|n| n.layer == layer)
        .map(|n| {
            let below = width(&second_line(n)) + if n.loses_data { 17 } else { 0 };
            (width(n.address.name.as_str()) as f64 * 7.6).max(below as f64 * 6.0)
        })
        .fold(0.0, f64::max);
    (widest + 62.0).clamp(150.0, 290.0)
}

fn node_class(node: &Node, servers: &[&str]) -> String {
    node.action.map_or_else(|| format!("server{}", shape(servers, node) % 5), |a| class(a).to_owned())
}

fn draw(node: &Node, servers: &[&str], x: f64, y: f64, w: f64) -> String {
    let class = node_class(node, servers);
    let mut out = format!("<g class=\"node {class}\"><title>{}</title>", xml(&tooltip(node)));
    let _ = write!(out, "{}", outline(shape(servers, node), x, y, w, BOX));
    let sign = node.action.map_or("", |a| if a == Action::Keep { "·" } else { a.sign() });
    let sign = sign.replace("-/+", "±").replace('-', "−").replace("<=", "⇐");
    let text_x = if sign.is_empty() { x + 20.0 } else { x + 38.0 };
    if !sign.is_empty() {
        let _ = write!(out, "<text class=\"sign\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 23.0, y + BOX / 2.0 + 6.0, xml(&sign));
    }
    let room = w - (text_x - x) - 18.0;
    let name = fit(node.address.name.as_str(), (room / 7.3) as usize);
    let _ = write!(out, "<text class=\"name\" x=\"{text_x:.1}\" y=\"{:.1}\">{}</text>", y + 20.0, xml(&name));
    let lost = if node.loses_data { "data is lost " } else { "" };
    let below = fit(&second_line(node), ((room / 5.7) as usize).saturating_sub(width(lost)));
    let lost = if node.loses_data { format!("<tspan class=\"lost\">{}</tspan> · ", lost.trim()) } else { String::new() };
    let _ = writeln!(out, "<text class=\"type\" x=\"{text_x:.1}\" y=\"{:.1}\">{lost}{}</text></g>", y + 35.0, xml(&below));
    out
}

fn tooltip(node: &Node) -> String {
    let lost = if node.loses_data { "; its data is lost" } else { "" };
    node.action.map_or_else(|| node.address.to_string(), |a| format!("{a} {}{lost}", node.address))
}

/// The outline of a box; each server has its own.
fn outline(shape: usize, x: f64, y: f64, w: f64, h: f64) -> String {
    let points = |all: &[(f64, f64)]| {
        let text: Vec<String> = all.iter().map(|(px, py)| format!("{:.1},{:.1}", x + px, y + py)).collect();
        format!("<polygon class=\"box\" points=\"{}\"/>", text.join(" "))
    };
    let rect = |r: f64| format!("<rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{r}\"/>");
    match shape % 7 {
        0 => rect(h / 5.0),
        1 => rect(h / 2.0),
        2 => points(&[(0.0, h / 2.0), (12.0, 0.0), (w - 12.0, 0.0), (w, h / 2.0), (w - 12.0, h), (12.0, h)]),
        3 => rect(1.5),
        4 => points(&[(10.0, 0.0), (w - 10.0, 0.0), (w, 10.0), (w, h - 10.0), (w - 10.0, h), (10.0, h), (0.0, h - 10.0), (0.0, 10.0)]),
        5 => points(&[(12.0, 0.0), (w, 0.0), (w - 12.0, h), (0.0, h)]),
        _ => points(&[(0.0, 0.0), (w - 14.0, 0.0), (w, 14.0), (w, h), (0.0, h)]),
    }
}

/// What the colours and the shapes mean, and where it ends.
fn legend(picture: &Picture, servers: &[&str], top: f64, right: f64) -> (String, f64) {
    let mut out = String::new();
    let (mut x, mut y) = (MARGIN, top);
    let mut place = |wide: f64| {
        if x + wide > right && x > MARGIN {
            (x, y) = (MARGIN, y + 26.0);
        }
        let at = (x, y);
        x += wide;
        at
    };
    for action in
        [Action::Create, Action::Update, Action::Replace, Action::Delete, Action::Read, Action::Adopt, Action::Forget, Action::Keep]
    {
        let n = picture.nodes.iter().filter(|n| n.action == Some(action)).count();
        if n > 0 {
            let text = format!("{action} {n}");
            let (x, y) = place(44.0 + width(&text) as f64 * 7.0);
            let _ = writeln!(
                out,
                "<g class=\"{}\"><rect class=\"box\" x=\"{x:.1}\" y=\"{:.1}\" width=\"16\" height=\"16\" rx=\"4\"/><text class=\"key\" x=\"{:.1}\" y=\"{y:.1}\">{}</text></g>",
                class(action),
                y - 12.5,
                x + 23.0,
                xml(&text)
            );
        }
    }
    for (n, server) in servers.iter().enumerate() {
        let (x, y) = place(62.0 + width(server) as f64 * 7.0);
        let class = if picture.nodes.iter().any(|n| n.action.is_some()) { "plain".to_owned() } else { format!("server{}", n % 5) };
        let _ = writeln!(
            out,
            "<g class=\"{class}\">{}<text class=\"key\" x=\"{:.1}\" y=\"{y:.1}\">{}</text></g>",
            outline(n, x, y - 13.0, 30.0, 17.0),
            x + 37.0,
            xml(server)
        );
    }
    (out, y + 6.0)
}

fn style() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (name, l, d) in COLOURS {
        for (out, [fill, line, text]) in [(&mut light, l), (&mut dark, d)] {
            let _ = write!(out, ".{name} .box{{fill:{fill};stroke:{line}}}.{name} .sign{{fill:{text}}}.e-{name}{{stroke:{line}}}");
        }
    }
    format!(
        "<style>text{{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','DejaVu Sans',sans-serif}}\
         .page{{fill:#fff}}.title{{font-size:20px;font-weight:700;fill:#1b1f24}}.sub{{font-size:13px;fill:#606975}}\
         .band{{fill:#f8f9fb;stroke:#eceff3}}.layer{{font-size:12px;font-weight:600;fill:#79828e;text-anchor:middle;letter-spacing:.04em}}\
         .box{{stroke-width:1.4}}.name{{font-size:13px;font-weight:600;fill:#1b1f24}}.type{{font-size:10.5px;fill:#606975}}\
         .sign{{font-size:17px;font-weight:700;text-anchor:middle}}.lost{{fill:#d23b3b;font-weight:700}}.key{{font-size:12px;fill:#444c56}}\
         .edge{{fill:none;stroke-width:1.5;opacity:.5}}.head{{fill:#8a939e}}{light}.e-plain{{stroke:#8a939e}}\
         @media(prefers-color-scheme:dark){{.page{{fill:#14171b}}.title,.name{{fill:#eef1f4}}.sub,.type,.layer{{fill:#99a2ad}}\
         .band{{fill:#191d22;stroke:#242a31}}.key{{fill:#c4cbd3}}.lost{{fill:#f08a8a}}{dark}}}</style>\n"
    )
}

/// A page around the picture, with a table for those who cannot see it.
pub fn html(picture: &Picture) -> String {
    let title = xml(&picture.title);
    let mut rows = String::new();
    for (n, node) in picture.nodes.iter().enumerate() {
        let needs: Vec<String> =
            picture.edges.iter().filter(|(_, b)| *b == n).map(|(a, _)| xml(&picture.nodes[*a].address.to_string())).collect();
        let action = node.action.map_or_else(String::new, |a| a.to_string());
        let lost = if node.loses_data { " <b>(data is lost)</b>" } else { "" };
        let layer = picture.layers.get(node.layer).map_or("", String::as_str);
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{action}</td><td>{}{lost}</td><td>{}</td></tr>",
            xml(layer),
            xml(&node.address.to_string()),
            needs.join("<br>")
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>body{{margin:0;font:14px/1.5 ui-sans-serif,system-ui,sans-serif;background:#fff;color:#1b1f24}}.picture{{overflow:auto}}\
         table{{border-collapse:collapse;margin:8px 32px 48px}}th,td{{text-align:left;vertical-align:top;padding:5px 18px 5px 0;border-bottom:1px solid #e4e8ed}}\
         th{{color:#606975;font-weight:600}}@media(prefers-color-scheme:dark){{body{{background:#14171b;color:#eef1f4}}th,td{{border-color:#2a3038}}}}</style>\n\
         </head>\n<body>\n<div class=\"picture\">\n{}</div>\n<table>\n<thead><tr><th></th><th>action</th><th>resource</th><th>needs</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</body>\n</html>\n",
        svg(picture)
    )
}

/// Text within XML; what could hide or turn it is made visible.
fn xml(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
