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

/// The last column is not made narrower than this while another one can be left out.
const LAST_AT_LEAST: usize = 10;

/// Rows under a heading. Columns are as wide as they have to be; the last one takes what the terminal leaves. Where that is too
/// little, columns are left out, those of the highest rank first.
pub(crate) struct Table {
    heading: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column's name, and whether its cells stand to the right.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) right: bool,
    /// It is not made wider than this.
    pub(crate) at_most: usize,
    /// How easily it can be missed; 0 = it is always shown.
    pub(crate) rank: u8,
}

impl Table {
    pub(crate) fn new(heading: &[Column]) -> Self {
        Table { heading: heading.to_vec(), rows: Vec::new() }
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
        let last = self.heading.len().saturating_sub(1);
        let mut shown = vec![true; self.heading.len()];
        if let Some(columns) = terminal {
            let before_last = |shown: &[bool]| -> usize {
                let before = widths.iter().take(last).zip(shown);
                before.filter(|(_, shown)| **shown).map(|(width, _)| width + 2).sum()
            };
            while before_last(&shown) + LAST_AT_LEAST > columns {
                let candidates =
                    self.heading.iter().zip(&mut shown).filter(|(column, shown)| **shown && column.rank > 0);
                let Some((_, shown)) = candidates.max_by_key(|(column, _)| column.rank) else { break };
                *shown = false;
            }
            let room = columns.saturating_sub(before_last(&shown));
            if let Some(width) = widths.last_mut() {
                *width = room.max(1);
            }
        }
        let names: Vec<Cell> =
            self.heading.iter().map(|column| Cell::styled(column.name, crate::output::BOLD)).collect();
        for row in std::iter::once(&names).chain(&self.rows) {
            self.print_row(row, &widths, &shown, out)?;
        }
        Ok(())
    }

    fn print_row(
        &self,
        row: &[Cell],
        widths: &[usize],
        shown: &[bool],
        out: &mut impl Write,
    ) -> io::Result<()> {
        let last = self.heading.len().saturating_sub(1);
        let columns = row.iter().zip(widths).zip(&self.heading).zip(shown).enumerate();
        for (at, (((cell, width), column), _)) in columns.filter(|(_, (_, shown))| **shown) {
            let text = text::cut(&cell.text, *width);
            let style = cell.style;
            let padding = " ".repeat(width.saturating_sub(text::width(&text)));
            match (at == last, column.right) {
                (true, _) => write!(out, "{style}{text}{style:#}")?,
                (false, true) => write!(out, "{padding}{style}{text}{style:#}  ")?,
                (false, false) => write!(out, "{style}{text}{style:#}{padding}  ")?,
            }
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column { name: "ID", right: false, at_most: 6, rank: 0 },
        Column { name: "N", right: true, at_most: 9, rank: 1 },
        Column { name: "TITLE", right: false, at_most: 99, rank: 0 },
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
    fn columns_are_left_out_where_there_is_no_room() {
        assert_eq!(printed(Some(18)), "ID      TITLE\nabcde…  a rather …\nb       \n");
    }

    #[test]
    fn nothing_is_cut_for_a_program() {
        assert!(printed(None).contains("abcdefgh   1  a rather long title\n"));
    }
}
