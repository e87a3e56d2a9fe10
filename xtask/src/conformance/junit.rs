//! JUnit's XML reports: what JVM test runners and schemathesis leave behind.
//!
//! A scan for the few tags that matter and no XML parser: reports come from programs of known versions.

use super::expected::{Outcome, Verdict};

/// The test cases of a report. `name` makes a test's name from the attributes `classname` and `name`.
pub(super) fn outcomes(report: &str, name: impl Fn(&str, &str) -> String) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for case in report.split("<testcase ").skip(1) {
        let (opening, rest) = case.split_once('>').unwrap_or((case, ""));
        // A case without a child ends in its opening tag; another one has children up to its end tag.
        let children = if opening.ends_with('/') { "" } else { rest.split("</testcase>").next().unwrap_or_default() };
        let name = name(&attribute(opening, "classname"), &attribute(opening, "name"));
        let reason = |tag: &str| {
            let element = children.split(&format!("<{tag}")).nth(1)?;
            let (opening, text) = element.split_once('>').unwrap_or((element, ""));
            let message = attribute(opening, "message");
            let text = text.split("</").next().unwrap_or_default();
            let text = text.trim().trim_start_matches("<![CDATA[").split("]]>").next().unwrap_or_default();
            Some(if message.is_empty() { unescaped(text) } else { message })
        };
        let outcome = match (reason("failure").or_else(|| reason("error")), reason("skipped")) {
            (Some(reason), _) => Outcome::new(&name, Verdict::Fail, &reason),
            (None, Some(reason)) => Outcome::new(&name, Verdict::Skip, &reason),
            (None, None) => Outcome::new(&name, Verdict::Pass, ""),
        };
        outcomes.push(outcome);
    }
    outcomes
}

/// The value of an attribute of a tag, empty if it is not there.
fn attribute(tag: &str, name: &str) -> String {
    let start = format!("{name}=\"");
    let at = tag.match_indices(&start).find(|(at, _)| *at == 0 || tag[..*at].ends_with(char::is_whitespace));
    let value = at.and_then(|(at, _)| tag[at + start.len()..].split('"').next());
    unescaped(value.unwrap_or_default())
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&#10;", " ").replace("&#xa;", " ").replace("&#9;", " ").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(report: &str, verdict: Verdict, name: &str, reason: &str) {
        let found = outcomes(report, |class, name| format!("{class}.{name}"));
        assert_eq!(found, [Outcome::new(name, verdict, reason)]);
    }

    #[test]
    fn a_case_without_children_passes() {
        check(r#"<testcase name="a&lt;b" classname="C" time="1"/>"#, Verdict::Pass, "C.a<b", "");
        check("<testcase name=\"a\" classname=\"C\">\n<system-out>x</system-out></testcase>", Verdict::Pass, "C.a", "");
    }

    #[test]
    fn failures_errors_and_skipped_cases_have_their_reason() {
        let case = |child: &str| format!("<testcase name=\"a\" classname=\"C\">{child}</testcase>");
        check(
            &case(r#"<failure message="no &quot;x&quot;" type="T">trace</failure>"#),
            Verdict::Fail,
            "C.a",
            "no \"x\"",
        );
        check(&case(r#"<error type="T"><![CDATA[trace]]></error>"#), Verdict::Fail, "C.a", "trace");
        check(&case("<skipped><![CDATA[disabled]]></skipped>"), Verdict::Skip, "C.a", "disabled");
        check(&case(r#"<skipped message="why"/>"#), Verdict::Skip, "C.a", "why");
    }
}
