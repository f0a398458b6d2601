//! The table of `docs/benchmarks.md`.

use std::process::Command;

use anyhow::Context;

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

#[derive(Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    /// At most this much, in the same unit.
    goal: Option<f64>,
}

impl Report {
    /// A figure that has no goal: context for others.
    pub(super) fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.rows.push(Row { what: what.into(), value, unit, goal: None });
    }

    /// A figure that should be at most `goal`.
    pub(super) fn add_with_goal(&mut self, what: impl Into<String>, value: f64, unit: &'static str, goal: f64) {
        self.rows.push(Row { what: what.into(), value, unit, goal: Some(goal) });
    }

    pub(super) fn table(&self) -> String {
        let mut text = String::from("| What | Measured | Goal | |\n| --- | ---: | ---: | --- |\n");
        for row in &self.rows {
            let (goal, verdict) = match row.goal {
                None => (String::new(), String::new()),
                Some(goal) => (format!("≤ {}", shown(goal, row.unit)), verdict(row.value, goal)),
            };
            text += &format!("| {} | {} | {goal} | {verdict} |\n", row.what, shown(row.value, row.unit));
        }
        text
    }

    /// Puts the table, with the machine and the day, into the document.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let path = e2e::workspace_root().join("docs/benchmarks.md");
        let document =
            std::fs::read_to_string(&path).with_context(|| format!("could not read `{}`", path.display()))?;
        let (before, rest) = document.split_once(BEGIN).context("docs/benchmarks.md has lost its marker")?;
        let (_, after) = rest.split_once(END).context("docs/benchmarks.md has lost its marker")?;
        let text = format!("{before}{BEGIN}\n{}\n\n{}{END}{after}", machine()?, self.table());
        std::fs::write(&path, text).with_context(|| format!("could not write `{}`", path.display()))?;
        Ok(())
    }
}

fn shown(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}

fn verdict(value: f64, goal: f64) -> String {
    if value <= goal { "met".to_owned() } else { format!("**missed by {:.0} %**", (value / goal - 1.0) * 100.0) }
}

/// "Measured on 2026-11-21: 2 CPUs, 24 GiB, Linux 6.18".
fn machine() -> anyhow::Result<String> {
    let said = |program: &str, arguments: &[&str]| -> anyhow::Result<String> {
        let output = Command::new(program).args(arguments).output().with_context(|| format!("no {program}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kib: f64 = memory.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    let cgroups = if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { 2 } else { 1 };
    Ok(format!(
        "Measured on {} with {cpus} CPUs, {:.0} GiB, Linux {}, cgroups version {cgroups}, commit {}. Medians; load \
         generator, router and dynos share the CPUs.",
        said("date", &["-u", "+%F"])?,
        kib / 1024.0 / 1024.0,
        said("uname", &["-r"])?.split('-').next().unwrap_or_default(),
        said("git", &["rev-parse", "--short", "HEAD"])?,
    ))
}

/// The middle one; 0 of none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    quantile(&mut values, 0.5)
}

/// The value at this share of the sorted list; 0 of none.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_or_missed_by_so_much() {
        let mut report = Report::default();
        report.add_with_goal("start", 250.0, "ms", 300.0);
        report.add_with_goal("memory", 90.0, "MiB", 60.0);
        report.add("requests", 12_345.6, "/s");
        let lines: Vec<String> = report.table().lines().skip(2).map(str::to_owned).collect();
        assert_eq!(lines[0], "| start | 250 ms | ≤ 300 ms | met |");
        assert_eq!(lines[1], "| memory | 90.0 MiB | ≤ 60.0 MiB | **missed by 50 %** |");
        assert_eq!(lines[2], "| requests | 12346 /s |  |  |");
    }

    #[test]
    fn quantiles_are_values_of_the_list() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(&mut [1.0, 2.0, 3.0, 4.0], 0.99), 4.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
