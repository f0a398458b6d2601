//! What lists look like: columns as wide as they need to be, no wider than the
//! terminal; or the API's own JSON.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use crate::style::{Colour, Style};

/// `--json`, the same for every command that lists.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct JsonArg {
    /// Print the API's own JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct Table {
    header: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &'static [&'static str]) -> Self {
        Self { header, rows: Vec::new() }
    }

    /// One cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| cell.replace(['\n', '\r'], " ")).collect());
    }

    /// Prints the table; if it has no row, `if_empty` on stderr.
    pub(crate) fn print(&self, if_empty: &str) -> anyhow::Result<()> {
        if self.rows.is_empty() {
            eprintln!("{if_empty}");
            return Ok(());
        }
        let stdout = std::io::stdout();
        let width = stdout.is_terminal().then(terminal_columns).flatten();
        stdout.lock().write_all(self.render(width, Style::of_stdout()).as_bytes())?;
        Ok(())
    }

    /// The last column takes what the others leave of `width`, and is cut there.
    fn render(&self, width: Option<usize>, style: Style) -> String {
        const GAP: usize = 2;
        const NARROWEST: usize = 10;
        let header: Vec<String> = self.header.iter().map(|name| (*name).to_owned()).collect();
        let last = header.len() - 1;
        let widths: Vec<usize> = (0..last)
            .map(|column| self.rows.iter().chain([&header]).map(|row| columns(&row[column])).max().unwrap_or(0))
            .collect();
        let before: usize = widths.iter().map(|width| width + GAP).sum();
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(before).max(NARROWEST));
        let mut text = String::new();
        for (number, row) in std::iter::once(&header).chain(&self.rows).enumerate() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width + GAP - columns(cell)));
            }
            line.push_str(&cut(&row[last], room));
            let line = line.trim_end();
            text.push_str(&if number == 0 { style.paint(Colour::Bold, line) } else { line.to_owned() });
            text.push('\n');
        }
        text
    }
}

/// One letter is taken for one column wide.
fn columns(text: &str) -> usize {
    text.chars().count()
}

fn cut(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

/// The width of the terminal behind stdout.
fn terminal_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// As the API gave it, in lines.
pub(crate) fn print_json(value: &Value) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    std::io::stdout().lock().write_all(&text)?;
    Ok(())
}

/// `key: value` lines, the values aligned.
pub(crate) fn print_fields(fields: &[(&str, String)]) -> anyhow::Result<()> {
    let width = fields.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in fields {
        text.push_str(&format!("{name}:{:space$}{value}\n", "", space = width - columns(name) + 2));
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "STATE", "COMMAND"]);
        table.row(["web.1", "up", "npm start"].map(str::to_owned));
        table.row(["wörker.12", "starting", "node worker.js --verbose"].map(str::to_owned));
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_blanks_at_their_end() {
        let expected = "NAME       STATE     COMMAND\n\
                        web.1      up        npm start\n\
                        wörker.12  starting  node worker.js --verbose\n";
        assert_eq!(table().render(None, Style::with(false)), expected);
    }

    #[test]
    fn the_last_column_is_cut_at_the_terminals_edge() {
        let text = table().render(Some(36), Style::with(false));
        assert!(text.lines().all(|line| line.chars().count() <= 36), "{text}");
        assert!(text.contains("node worker.js…"), "{text}");
        let narrow = table().render(Some(5), Style::with(false));
        assert!(narrow.contains("npm start"), "{narrow}");
    }

    #[test]
    fn a_line_end_in_a_cell_breaks_no_row() {
        let mut table = Table::new(&["KEY", "VALUE"]);
        table.row(["A".to_owned(), "one\ntwo".to_owned()]);
        assert_eq!(table.render(None, Style::with(false)), "KEY  VALUE\nA    one two\n");
    }
}
