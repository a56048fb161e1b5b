//! The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere.

use super::{
    markup::escaped,
    report::{LABELS, Report},
    stats::{Bin, bins},
};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #d8dee4}\
td:first-child,th:first-child,.text{text-align:left}.bar{background:#d8dee4;width:12rem}.bar i{display:block;height:.7rem;background:#0b6bcb}\
.bad{color:#b42318;font-weight:600}pre{white-space:pre-wrap;background:#f6f8fa;padding:.7rem;overflow-x:auto}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td,th{border-color:#30363d}.bar{background:#30363d}pre{background:#161b22}.bad{color:#ff7b72}}";

impl Report {
    /// The whole report as a page: figures, confusion matrix, categories, and every case that is not exact with its answer.
    pub fn html(&self) -> String {
        let title = escaped(&format!("{} · {} · {} · {} cases", self.suite, self.parser, self.mode, self.rows.len()));
        let mut out = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
        );
        if !self.limit().is_empty() {
            out += &format!("<p>{}</p>", self.limit());
        }
        out += "<table><tr><th>metric<th>value<th>n<th>95 %<th class=\"text\"></tr>";
        for (name, r) in self.rates().into_iter().filter(|(_, r)| r.n > 0) {
            let class = if name == "unsafe" && r.k > 0 { " class=\"bad\"" } else { "" };
            let (share, low, high) = (r.rate * 100.0, r.ci95.0 * 100.0, r.ci95.1 * 100.0);
            out += &format!("<tr{class}><td>{name}<td>{share:.1} %<td>{}/{}<td>{low:.1} – {high:.1}", r.k, r.n);
            out += &format!("<td><div class=\"bar\"><i style=\"width:{share:.1}%\"></i></div></tr>");
        }
        let s = self.slots();
        out += &format!(
            "<tr><td>slots F1<td>{:.3}<td>{}<td colspan=\"2\">P {:.3} · R {:.3}</tr></table>",
            s.f1,
            s.tp + s.missed,
            s.precision,
            s.recall
        );
        out += "<h2>What was right, what was said</h2><table><tr><th>right";
        out += &LABELS.map(|l| format!("<th>{l}")).concat();
        for (g, (label, row)) in LABELS.iter().zip(self.confusion()).enumerate() {
            let cell = |(p, n): (usize, usize)| if n > 0 && p != g { format!("<td class=\"bad\">{n}") } else { format!("<td>{n}") };
            out += &format!("</tr><tr><td>{label}{}", row.into_iter().enumerate().map(cell).collect::<String>());
        }
        out += "</tr></table><h2>Exact by category</h2><table>";
        for (category, (k, n)) in self.by_category() {
            out += &format!("<tr><td>{}<td>{k}/{n}</tr>", escaped(&category));
        }
        out += "</table>";
        for (title, slices) in [("tag", self.exact_by(|r| r.tags.clone(), 5)), ("language", self.exact_by(|r| vec![r.lang.clone()], 1))] {
            out += &format!("<h2>Exact by {title}</h2><table>");
            for (name, (k, n)) in slices {
                let share = k as f64 / n as f64 * 100.0;
                out +=
                    &format!("<tr><td>{}<td>{k}/{n}<td><div class=\"bar\"><i style=\"width:{share:.1}%\"></i></div></tr>", escaped(&name));
            }
            out += "</table>";
        }
        let bins = bins(&self.sure());
        if !bins.is_empty() {
            out += &format!("<h2>How sure, how often right</h2>{}", diagram(&bins));
        }
        let wrong: Vec<_> = self.wrong().collect();
        out += &format!("<h2>Not exact ({})</h2>", wrong.len());
        for (row, why) in wrong {
            let answer = serde_json::to_string_pretty(&row.prediction).unwrap_or_default();
            out +=
                &format!("<details><summary>{} — {}</summary><pre>{}</pre></details>", escaped(&row.id), escaped(&why), escaped(&answer));
        }
        out + "</html>\n"
    }
}

/// The reliability diagram: a dot for each bin, as large as the share of answers in it. On the line, confidence is what it says.
fn diagram(bins: &[Bin]) -> String {
    let all: usize = bins.iter().map(|b| b.n).sum();
    let at = |share: f64| 40.0 + share * 240.0;
    let mut out = String::from(
        "<svg viewBox=\"0 0 300 300\" width=\"300\" height=\"300\" role=\"img\" aria-label=\"reliability\"><g stroke=\"currentColor\" fill=\"none\">\
         <path d=\"M40 20V260H280\"/><path d=\"M40 260L280 20\" stroke-dasharray=\"4\" opacity=\".5\"/></g><g fill=\"#0b6bcb\">",
    );
    for b in bins {
        let size = 3.0 + 12.0 * (b.n as f64 / all.max(1) as f64).sqrt();
        let (x, y) = (at(b.confidence), 300.0 - at(b.right));
        out += &format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size:.1}\"><title>{} answers: {:.0} % sure, {:.0} % right</title></circle>",
            b.n,
            b.confidence * 100.0,
            b.right * 100.0
        );
    }
    out + "</g><g fill=\"currentColor\" font-size=\"11\"><text x=\"130\" y=\"285\">how sure</text><text x=\"4\" y=\"14\">right</text></g></svg>"
}
