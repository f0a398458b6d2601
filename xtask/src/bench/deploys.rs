//! From `git push` to the new answer.

use super::report::{Report, median};
use super::subject::Subject;

const CHANGES: usize = 5;
/// An app's own boot comes on top of it.
const GOAL_S: f64 = 1.5;

pub(super) fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let node = subject.app("bench-node", "node-hello")?;
    let first = subject.push_to_live(&node, "bench-node", "/", "Hello")?;
    report.add("Push to live, Node with Express, first (packages from the registry)", first, "s");
    let server = node.read("server.js")?;
    let mut changed = Vec::new();
    for number in 0..CHANGES {
        let word = format!("Hello-{number}");
        node.change("server.js", &server.replace("Hello", &word))?;
        changed.push(subject.push_to_live(&node, "bench-node", "/", &word)?);
    }
    report.add_with_goal("Push to live, Node with Express, one line changed", median(changed), "s", GOAL_S);

    let site = subject.app("bench-static", "static-site")?;
    let index = site.read("public/index.html")?;
    // What the router's load asks for.
    site.change("public/kilobyte.txt", &"x".repeat(1024))?;
    let first = subject.push_to_live(&site, "bench-static", "/kilobyte.txt", "xxx")?;
    report.add("Push to live, static site, first", first, "s");
    let mut changed = Vec::new();
    for number in 0..CHANGES {
        let word = format!("change number {number}");
        site.change("public/index.html", &index.replace("</body>", &format!("{word}</body>")))?;
        changed.push(subject.push_to_live(&site, "bench-static", "/", &word)?);
    }
    report.add_with_goal("Push to live, static site, one line changed", median(changed), "s", GOAL_S);
    Ok(())
}
