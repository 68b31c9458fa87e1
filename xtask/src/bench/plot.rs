//! The table of targets as a picture.

use std::fmt::Write as _;

use anyhow::Result;

use super::book::{Book, short, spread};

const LEFT: f64 = 430.0;
const UNIT: f64 = 180.0;
const LINE: f64 = 22.0;
/// Further right than twice the goal is drawn there.
const MOST: f64 = 2.0;

/// A bar for each row: 1 is the target, longer is better, the thin line is the spread.
pub(super) fn svg(book: &Book) -> Result<String> {
    let height = LINE * book.rows.len() as f64 + 60.0;
    let width = LEFT + UNIT * MOST + 70.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"20\" font-weight=\"bold\">doorward against its targets: 1 is the target, longer is better</text>\n"
    );
    for (number, row) in book.rows.iter().enumerate() {
        let y = 34.0 + LINE * number as f64;
        let (least, value, most) = spread(row.ratios.clone());
        let at = |value: f64| LEFT + UNIT * row.score(value).clamp(0.0, MOST);
        let colour = if row.met() { "#2a7f62" } else { "#b3541e" };
        writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\"/>\n\
             <path d=\"M{:.1} {}H{:.1}\" stroke=\"#222\"/>\n\
             <text x=\"{}\" y=\"{}\">{}</text>",
            LEFT - 8.0,
            y + 11.0,
            row.work,
            at(value) - LEFT,
            at(least),
            y + 7.0,
            at(most),
            LEFT + UNIT * MOST + 8.0,
            y + 11.0,
            short(value)
        )?;
    }
    let x = LEFT + UNIT;
    writeln!(
        text,
        "<path d=\"M{x} 28V{}\" stroke=\"#222\" stroke-dasharray=\"3 3\"/>\n</svg>",
        height - 20.0
    )?;
    Ok(text)
}
