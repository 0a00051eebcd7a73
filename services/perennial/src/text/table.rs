//! Tables and colours for people.
//!
//! Text is made with colours and written through [`anstream`], which takes them out where nobody
//! would see them: not on a terminal, or where the user asks for none (`NO_COLOR`).

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, presets};

/// What a piece of text is, which says how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A heading, or the total of a bill.
    Strong,
    /// What went well.
    Good,
    /// What did not.
    Bad,
    /// What wants attention.
    Notable,
    /// What need not be read.
    Quiet,
}

/// `text` in the look of what it is.
pub fn look(text: &str, look: Look) -> String {
    let style = match look {
        Look::Strong => Style::new().bold(),
        Look::Good => AnsiColor::Green.on_default(),
        Look::Bad => AnsiColor::Red.on_default(),
        Look::Notable => AnsiColor::Yellow.on_default(),
        Look::Quiet => Style::new().dimmed(),
    };
    format!("{style}{text}{style:#}")
}

/// Rows under headings, in columns that are aligned; amounts and counts to the right.
#[derive(Debug)]
pub struct Table {
    table: comfy_table::Table,
    right: Vec<usize>,
}

impl Table {
    /// A table with `headings`. One that begins with `>` is of a column aligned to the right.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        // Lines are never folded: a folded table is neither read nor searched with ease.
        table.load_preset(presets::NOTHING).force_no_tty();
        let right =
            (0..headings.len()).filter(|&column| headings[column].starts_with('>')).collect();
        let mut this = Self { table, right };
        if headings.iter().any(|heading| !heading.trim_start_matches('>').is_empty()) {
            let heading = |text: &&str| look(text.trim_start_matches('>'), Look::Strong);
            let header = this.cells(headings.iter().map(heading));
            this.table.set_header(header);
        }
        this
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let row = self.cells(cells.into_iter().map(Into::into));
        self.table.add_row(row);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The table as text: its columns two spaces apart, nothing after the last letter of a line.
    pub fn text(mut self) -> String {
        for column in self.table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines = self.table.lines().map(|line| line.trim_end().to_owned() + "\n");
        lines.collect()
    }

    fn cells(&self, cells: impl Iterator<Item = String>) -> Vec<Cell> {
        let align = |(column, text): (usize, String)| {
            let right = self.right.contains(&column);
            let alignment = if right { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(text).set_alignment(alignment)
        };
        cells.enumerate().map(align).collect()
    }
}

/// Names and values, one a line; values that are nothing are left out.
pub fn facts<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new(&["", ""]);
    for (name, value) in pairs {
        if value != super::show::NOTHING && !value.is_empty() {
            table.row([look(name, Look::Quiet), value]);
        }
    }
    table.text()
}

#[cfg(test)]
mod tests;
