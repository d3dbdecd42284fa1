//! A small picture of ratios: one bar each, with its confidence interval, and a line at one.

use std::fmt::Write as _;

use crate::pairs::Ratio;

const WIDTH: f64 = 760.0;
const LABELS: f64 = 330.0;
const ROW: f64 = 26.0;
const TOP: f64 = 44.0;
/// The right end of the scale.
const MOST: f64 = 1.5;

/// An SVG with light and dark readers in mind: no background, middle tones.
#[must_use]
pub fn svg(title: &str, rows: &[(&str, Ratio)]) -> String {
    let height = TOP + ROW * rows.len() as f64 + 14.0;
    let at = |ratio: f64| LABELS + ratio.clamp(0.0, MOST) / MOST * (WIDTH - LABELS - 60.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"#767676\">\n\
         <text x=\"8\" y=\"20\" font-size=\"15\">{title}</text>\n"
    );
    for (index, (name, ratio)) in rows.iter().enumerate() {
        let y = TOP + ROW * index as f64;
        let (middle, bar) = (y + 9.0, at(ratio.mean) - at(0.0));
        let (low, high) = (at(ratio.mean - ratio.half_width), at(ratio.mean + ratio.half_width));
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\n\
             <rect x=\"{}\" y=\"{y}\" width=\"{bar:.1}\" height=\"18\" fill=\"#4a90c2\"/>\n\
             <path d=\"M{low:.1} {middle}H{high:.1}\" stroke=\"#c2604a\" stroke-width=\"2\"/>\n\
             <text x=\"{:.1}\" y=\"{}\">{:.2}</text>\n",
            LABELS - 8.0,
            y + 14.0,
            at(0.0),
            high + 6.0,
            y + 14.0,
            ratio.mean
        );
    }
    let one = at(1.0);
    let _ = writeln!(
        out,
        "<path d=\"M{one:.1} {}V{}\" stroke=\"#767676\" stroke-dasharray=\"4 3\"/>\n</svg>",
        TOP - 8.0,
        height - 10.0
    );
    out
}
