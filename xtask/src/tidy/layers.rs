//! Dependencies point one way: each crate may use those of lower layers only,
//! and no neighbour of its own.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::steps::cargo;

/// From the ground up.
const LAYERS: [&[&str]; 7] = [
    &["domain", "supervise"],
    &["api-types", "fetch", "git-server", "images", "logs", "proxy", "runtime", "stack", "workflow"],
    &["builder", "configuration", "router", "runtime-local", "store"],
    &["backup", "listener", "platform"],
    &["api", "cli"],
    &["e2e", "server"],
    &["xtask"],
];

/// May be used by the tests of any crate.
const FOR_TESTS: &str = "test-support";

/// A dependency between two crates of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    from: String,
    /// `None`: the crate itself, which may depend on nothing of ours.
    to: Option<String>,
    is_for_tests: bool,
}

/// What `cargo metadata` knows.
pub(super) fn edges() -> anyhow::Result<Vec<Edge>> {
    let output =
        cargo(&["metadata", "--no-deps", "--format-version", "1"]).output().context("could not start cargo")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let from = package["name"].as_str().context("a package without a name")?;
        edges.push(Edge { from: from.to_owned(), to: None, is_for_tests: false });
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["path"].is_string() {
                let to = dependency["name"].as_str().map(str::to_owned);
                edges.push(Edge { from: from.to_owned(), to, is_for_tests: dependency["kind"] == "dev" });
            }
        }
    }
    Ok(edges)
}

pub(super) fn faults(edges: &[Edge]) -> Vec<String> {
    edges.iter().filter_map(fault).collect()
}

fn fault(Edge { from, to, is_for_tests }: &Edge) -> Option<String> {
    if from == FOR_TESTS || (*is_for_tests && to.as_deref() == Some(FOR_TESTS)) {
        return None;
    }
    let Some(own) = layer(from) else {
        return Some(format!("the crate {from} has no layer yet: give it one in xtask/src/tidy/layers.rs"));
    };
    let to = to.as_ref()?;
    match layer(to) {
        Some(other) if other < own => None,
        // Tests may try a crate with a real neighbour.
        Some(other) if *is_for_tests && other == own => None,
        _ => Some(format!("{from} depends on {to}, which is not below it (see xtask/src/tidy/layers.rs)")),
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str) -> Edge {
        Edge { from: from.to_owned(), to: Some(to.to_owned()), is_for_tests: false }
    }

    #[test]
    fn dependencies_point_down_only() {
        assert_eq!(fault(&edge("server", "domain")), None);
        assert_eq!(fault(&edge("platform", "store")), None);
        assert!(fault(&edge("store", "platform")).is_some());
        assert!(fault(&edge("router", "store")).is_some(), "neighbours do not know each other");
        assert!(fault(&edge("api", "api")).is_some());
    }

    #[test]
    fn a_new_crate_must_be_given_a_layer() {
        let alone = Edge { from: "telepathy".to_owned(), to: None, is_for_tests: false };
        assert!(fault(&alone).is_some_and(|text| text.contains("telepathy")));
    }

    #[test]
    fn tests_may_use_test_support() {
        assert_eq!(fault(&Edge { is_for_tests: true, ..edge("domain", FOR_TESTS) }), None);
        assert!(fault(&edge("domain", FOR_TESTS)).is_some());
    }

    #[test]
    fn tests_may_use_neighbours_but_nothing_above() {
        assert_eq!(fault(&Edge { is_for_tests: true, ..edge("builder", "runtime-local") }), None);
        assert!(fault(&Edge { is_for_tests: true, ..edge("store", "platform") }).is_some());
    }
}
