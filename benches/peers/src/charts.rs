//! The report's charts: bars on a logarithmic scale, a panel for each kind of work.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contender::{Facts, Promise, Result, Role};
use crate::report::megabytes_per_second;
use crate::results::{Cell, Results};
use crate::rounds::number;
use crate::work::Size;

struct Panel {
    title: String,
    /// Best first.
    bars: Vec<(&'static Facts, f64)>,
}

const WIDTH: u32 = 900;
const NAMES: i32 = 300;
const ROW: i32 = 20;
const TITLE: i32 = 44;
const INK: RGBColor = RGBColor(40, 40, 40);

/// Draws all of them into this folder.
pub fn draw(results: &Results, folder: &Path) -> Result<()> {
    draw_panels(&folder.join("peers-append.svg"), &append_panels(results))?;
    draw_panels(&folder.join("peers-durable.svg"), &durable_panels(results))?;
    draw_panels(&folder.join("peers-read.svg"), &read_panels(results))
}

fn append_panels(results: &Results) -> Vec<Panel> {
    let panel = |size: Size| {
        let cell = Cell::Append(size);
        let ranked = results.ranked(cell, Promise::Process).into_iter();
        let keep = ranked.filter(|facts| results.survives(facts.name, Promise::Process));
        let bars = keep.filter_map(|facts| Some((facts, results.ns(cell, facts.name)?))).collect();
        let title = format!(
            "{}: nanoseconds per append that survives kill -9 (less is better; logarithmic)",
            size.name()
        );
        Panel { title, bars }
    };
    Size::ALL.map(panel).into()
}

fn durable_panels(results: &Results) -> Vec<Panel> {
    let cells = [(Size::B128, 1), (Size::B128, 16), (Size::KiB4, 1), (Size::KiB4, 16)];
    let panel = |(size, threads): (Size, usize)| {
        let cell = Cell::Durable(size, threads);
        let ranked = results.ranked(cell, Promise::Power).into_iter();
        let bars = ranked.filter_map(|facts| Some((facts, 1e9 / results.ns(cell, facts.name)?))).collect();
        let plural = if threads == 1 { "" } else { "s" };
        let title = format!(
            "{}, {threads} thread{plural}: durable appends per second (more is better; logarithmic)",
            size.name()
        );
        Panel { title, bars }
    };
    cells.map(panel).into()
}

fn read_panels(results: &Results) -> Vec<Panel> {
    let panel = |size: Size| {
        let facts = results.contenders.iter().map(|contender| contender.facts());
        let rate = |facts: &Facts| {
            Some(megabytes_per_second(results.get(Cell::Read(size), facts.name)?, size).median)
        };
        let mut bars: Vec<_> = facts.filter_map(|facts| Some((facts, rate(facts)?))).collect();
        bars.sort_by(|one, other| other.1.total_cmp(&one.1));
        let title = format!(
            "{}: megabytes per second, opened and read back, checked (more is better; logarithmic)",
            size.name()
        );
        Panel { title, bars }
    };
    Size::ALL.map(panel).into()
}

fn draw_panels(path: &Path, panels: &[Panel]) -> Result<()> {
    let height: i32 = panels.iter().map(height_of).sum();
    let root = SVGBackend::new(path, (WIDTH, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut top = 0;
    for panel in panels {
        draw_panel(&root, panel, top)?;
        top += height_of(panel);
    }
    root.present()?;
    Ok(())
}

fn height_of(panel: &Panel) -> i32 {
    TITLE + ROW * panel.bars.len() as i32
}

fn draw_panel(root: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel, top: i32) -> Result<()> {
    let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
    root.draw(&Text::new(panel.title.clone(), (12, top + 16), font(18)))?;
    let values = panel.bars.iter().map(|(_, value)| *value);
    let (least, most) =
        values.fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)));
    // The shortest bar has a length too.
    let scale = f64::from(WIDTH as i32 - NAMES - 90) / (most / least * 2.0).ln();
    for (row, (facts, value)) in panel.bars.iter().enumerate() {
        let y = top + TITLE - 4 + ROW * row as i32;
        let length = ((value / least * 2.0).ln() * scale) as i32;
        let colour = match facts.role {
            Role::Us => RGBColor(214, 90, 40),
            Role::UsToo => RGBColor(236, 170, 130),
            Role::Limit => RGBColor(190, 190, 190),
            Role::Plain | Role::Peer => RGBColor(70, 120, 170),
        };
        let name = font(16).pos(Pos::new(HPos::Right, VPos::Top));
        root.draw(&Text::new(facts.name, (NAMES - 8, y), name))?;
        root.draw(&Rectangle::new([(NAMES, y), (NAMES + length, y + ROW - 6)], colour.filled()))?;
        root.draw(&Text::new(number(*value), (NAMES + length + 6, y), font(16)))?;
    }
    Ok(())
}
