//! The report as JUnit XML: a suite for each category, a case for each case. What fails says what is wrong with the answer.

use std::collections::BTreeMap;

use super::{
    markup::escaped,
    report::{Report, Row},
};

impl Report {
    /// The report for tools that read JUnit.
    pub fn junit(&self) -> String {
        let why: BTreeMap<&str, String> = self.wrong().map(|(row, why)| (row.id.as_str(), why)).collect();
        let mut groups: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        self.rows.iter().for_each(|r| groups.entry(&r.category).or_default().push(r));
        let seconds = |rows: &[&Row]| rows.iter().map(|r| r.latency_ms).sum::<f64>() / 1_000.0;
        let all: Vec<&Row> = self.rows.iter().collect();
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" time=\"{:.3}\">\n",
            escaped(&format!("{} {}", self.suite, self.parser)),
            all.len(),
            why.len(),
            seconds(&all)
        );
        for (category, rows) in groups {
            let failures = rows.iter().filter(|r| why.contains_key(r.id.as_str())).count();
            out += &format!(
                "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" time=\"{:.3}\">\n",
                escaped(category),
                rows.len(),
                seconds(&rows)
            );
            for row in rows {
                let head = format!(
                    "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.6}\"",
                    escaped(category),
                    escaped(&row.id),
                    row.latency_ms / 1_000.0
                );
                out += &match why.get(row.id.as_str()) {
                    None => format!("{head}/>\n"),
                    Some(why) => {
                        let answer = serde_json::to_string(&row.prediction).unwrap_or_default();
                        format!("{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n", escaped(why), escaped(&answer))
                    }
                };
            }
            out += "  </testsuite>\n";
        }
        out + "</testsuites>\n"
    }
}
