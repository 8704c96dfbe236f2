//! Columns for people.

use std::io::{self, Write};

use anstyle::Style;

use crate::text;

/// A cell, and how it is shown.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Cell::styled(text, Style::new())
    }

    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Cell { text: text::one_line(&text.into()), style }
    }
}

/// Rows under a heading. Columns are as wide as they have to be; the last one takes what the terminal leaves.
pub(crate) struct Table {
    heading: &'static [Column],
    rows: Vec<Vec<Cell>>,
}

/// A column's name, and whether its cells stand to the right.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) right: bool,
    /// It is not made wider than this.
    pub(crate) at_most: usize,
}

impl Table {
    pub(crate) fn new(heading: &'static [Column]) -> Self {
        Table { heading, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let terminal = terminal_size::terminal_size_of(io::stdout());
        let terminal = terminal.map(|(terminal_size::Width(columns), _)| usize::from(columns));
        self.print_in(terminal, out)
    }

    fn print_in(&self, terminal: Option<usize>, out: &mut impl Write) -> io::Result<()> {
        let mut widths: Vec<usize> = Vec::new();
        for (at, column) in self.heading.iter().enumerate() {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| text::width(&cell.text));
            let widest = cells.max().unwrap_or(0);
            // Only on a terminal is anything cut: what a program reads is whole.
            let widest = if terminal.is_some() { widest.min(column.at_most) } else { widest };
            widths.push(widest.max(text::width(column.name)));
        }
        let before_last: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
        if let (Some(columns), Some(last)) = (terminal, widths.last_mut()) {
            *last = columns.saturating_sub(before_last).max(8);
        }
        let names: Vec<Cell> =
            self.heading.iter().map(|column| Cell::styled(column.name, crate::output::BOLD)).collect();
        for row in std::iter::once(&names).chain(&self.rows) {
            self.print_row(row, &widths, out)?;
        }
        Ok(())
    }

    fn print_row(&self, row: &[Cell], widths: &[usize], out: &mut impl Write) -> io::Result<()> {
        let last = self.heading.len().saturating_sub(1);
        for (at, ((cell, width), column)) in row.iter().zip(widths).zip(self.heading).enumerate() {
            let shown = text::cut(&cell.text, *width);
            let style = cell.style;
            let padding = " ".repeat(width.saturating_sub(text::width(&shown)));
            match (at == last, column.right) {
                (true, _) => write!(out, "{style}{shown}{style:#}")?,
                (false, true) => write!(out, "{padding}{style}{shown}{style:#}  ")?,
                (false, false) => write!(out, "{style}{shown}{style:#}{padding}  ")?,
            }
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column { name: "ID", right: false, at_most: 6 },
        Column { name: "N", right: true, at_most: 9 },
        Column { name: "TITLE", right: false, at_most: 99 },
    ];

    fn printed(terminal: Option<usize>) -> String {
        let mut table = Table::new(COLUMNS);
        table.push(vec![Cell::plain("abcdefgh"), Cell::plain("1"), Cell::plain("a rather long title")]);
        table.push(vec![Cell::plain("b"), Cell::plain("22"), Cell::plain("")]);
        let mut out = anstream::StripStream::new(Vec::new());
        table.print_in(terminal, &mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn a_table_fits_the_terminal() {
        assert_eq!(printed(Some(24)), "ID       N  TITLE\nabcde…   1  a rather lo…\nb       22  \n");
    }

    #[test]
    fn nothing_is_cut_for_a_program() {
        assert!(printed(None).contains("abcdefgh   1  a rather long title\n"));
    }
}
