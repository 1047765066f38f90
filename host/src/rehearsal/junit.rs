//! A report for CI servers: each step a suite, each check a case.
//! <https://github.com/testmoapp/junitxml>

use std::fmt::Write as _;

use super::report::{CheckReport, Report, Verdict};

/// The report as JUnit XML.
pub fn junit(report: &Report) -> String {
    let count = |verdict: Verdict| {
        report
            .checks()
            .filter(|check| check.verdict == verdict)
            .count()
    };
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a text cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"wasmigrate test\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{}\">",
        report.checks().count(),
        count(Verdict::Failed),
        count(Verdict::Skipped),
        seconds(report.milliseconds)
    );
    for step in &report.steps {
        let count = |verdict: Verdict| {
            step.checks
                .iter()
                .filter(|check| check.verdict == verdict)
                .count()
        };
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">",
            escaped(&step.step),
            step.checks.len(),
            count(Verdict::Failed),
            count(Verdict::Skipped)
        );
        for check in &step.checks {
            write_case(&mut xml, &step.step, check);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn write_case(xml: &mut String, step: &str, check: &CheckReport) {
    let _ = write!(
        xml,
        "    <testcase name=\"{}\" classname=\"{}\" time=\"{}\"",
        escaped(check.check.as_str()),
        escaped(step),
        seconds(check.milliseconds)
    );
    match check.verdict {
        Verdict::Passed => xml.push_str("/>\n"),
        Verdict::Skipped => {
            let _ = writeln!(
                xml,
                "><skipped message=\"{}\"/></testcase>",
                escaped(&check.summary)
            );
        }
        Verdict::Failed => {
            xml.push_str(">\n");
            for finding in &check.findings {
                let message = format!("{}: {}", finding.place, finding.message);
                let mut text = finding.details.join("\n");
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&finding.advice);
                let _ = writeln!(
                    xml,
                    "      <failure message=\"{}\">{}</failure>",
                    escaped(&message),
                    escaped(&text)
                );
            }
            xml.push_str("    </testcase>\n");
        }
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
}

/// Text as XML has it, without what XML 1.0 cannot hold: <https://www.w3.org/TR/xml/#charsets>
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
            }
            character => escaped.push(character),
        }
    }
    escaped
}
