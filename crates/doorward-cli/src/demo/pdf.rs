//! A book of 200 pages, the same in every run: so that there is a document of
//! which a reader asks for parts. Each page has its number, a band of its own
//! colour, a drawn landscape, and text. Nothing in it is compressed.

/// How many pages.
const PAGES: u32 = 200;
/// A4, in points.
const WIDTH: i32 = 595;
const HEIGHT: i32 = 842;
/// Letters in a line.
const LINE: usize = 100;
/// Lines on a page.
const LINES: usize = 32;

const SENTENCES: [&str; 20] = [
    "A door is a wall that has learned to say yes.",
    "The old latch lifts without a sound, if it is lifted by somebody who lives here.",
    "Nobody knocked for a hundred years, and the hinges did not mind.",
    "Between two rooms there is always a third, as wide as the threshold.",
    "She carried the lamp in one hand and kept the other free for the handle.",
    "The keeper counts the keys at dusk and counts them again at dawn.",
    "What is locked twice is opened once.",
    "Behind the garden gate the path turns left, whatever the map says.",
    "A stranger may ask; only a guest may enter.",
    "There is a draught where the frame has warped, and the candle knows it.",
    "The letterbox takes what fits and returns the rest.",
    "Every spring the paint is scraped off, and every spring it is green again.",
    "He tried the handle first, as people do who have never owned a key.",
    "The bell has no clapper; it is polite to wait.",
    "On the inside of the door somebody has drawn a smaller door.",
    "Rain wrote on the panes, and the wind turned the page.",
    "The porter forgets every face and remembers every footstep.",
    "From the hill you can see which windows are lit, but not by whom.",
    "A key that opens everything is called a hammer.",
    "When the last guest had gone, the house breathed out and went dark.",
];

/// The whole file.
pub(super) fn atlas() -> Vec<u8> {
    let mut book = Book::default();
    book.text
        .extend_from_slice(b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n");
    book.object("<< /Type /Catalog /Pages 2 0 R >>");
    let kids: Vec<_> = (0..PAGES)
        .map(|page| format!("{} 0 R", page_object(page)))
        .collect();
    book.object(&format!(
        "<< /Type /Pages /Count {PAGES} /Kids [{}] /MediaBox [0 0 {WIDTH} {HEIGHT}] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
        kids.join(" ")
    ));
    for font in ["Helvetica", "Helvetica-Bold"] {
        book.object(&format!(
            "<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>"
        ));
    }
    for page in 0..PAGES {
        let content = page_object(page).saturating_add(1);
        book.object(&format!(
            "<< /Type /Page /Parent 2 0 R /Contents {content} 0 R >>"
        ));
        let drawn = draw(page);
        book.object(&format!(
            "<< /Length {} >>\nstream\n{drawn}\nendstream",
            drawn.len()
        ));
    }
    book.object("<< /Title (An Atlas of Doors) /Creator (doorward serve --demo) >>");
    book.finish()
}

fn page_object(page: u32) -> u32 {
    page.saturating_mul(2).saturating_add(5)
}

/// Objects in order, and where each begins.
#[derive(Default)]
struct Book {
    text: Vec<u8>,
    starts: Vec<usize>,
}

impl Book {
    fn object(&mut self, body: &str) {
        self.starts.push(self.text.len());
        let number = self.starts.len();
        self.text
            .extend_from_slice(format!("{number} 0 obj\n{body}\nendobj\n").as_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        let table = self.text.len();
        let count = self.starts.len();
        let size = count.saturating_add(1);
        let mut end = format!("xref\n0 {size}\n0000000000 65535 f \n");
        for start in &self.starts {
            end.push_str(&format!("{start:010} 00000 n \n"));
        }
        end.push_str(&format!(
            "trailer\n<< /Size {size} /Root 1 0 R /Info {count} 0 R >>\nstartxref\n{table}\n%%EOF\n"
        ));
        self.text.extend_from_slice(end.as_bytes());
        self.text
    }
}

/// The content of one page, counted from zero.
fn draw(page: u32) -> String {
    let mut dice = Dice::new(page);
    let hue = f64::from(page) / f64::from(PAGES);
    let number = page.saturating_add(1);
    let mut text = String::with_capacity(12_000);
    text.push_str(&format!(
        "{} rg 0 742 {WIDTH} 100 re f\n1 g BT /F2 30 Tf 48 790 Td (Page {number}) Tj ET\n\
         BT /F1 12 Tf 48 766 Td (An Atlas of Doors, plate {number} of {PAGES}) Tj ET\n",
        colour(hue, 0.55, 0.52)
    ));
    landscape(&mut text, &mut dice, hue);
    text.push_str("0.16 g BT /F1 10.5 Tf 14.6 TL 48 500 Td\n");
    for line in lines(&mut dice) {
        text.push_str(&format!("({line}) Tj T*\n"));
    }
    text.push_str(&format!("ET\n0.5 g BT /F1 9 Tf 285 22 Td ({number}) Tj ET"));
    text
}

/// Six ridges, the nearest the darkest, under a pale sky.
fn landscape(text: &mut String, dice: &mut Dice, hue: f64) {
    const STEPS: u32 = 118;
    text.push_str(&format!(
        "{} rg 48 530 499 190 re f\n",
        colour(hue, 0.22, 0.95)
    ));
    for layer in 0..6_u32 {
        let depth = f64::from(layer) / 5.0;
        text.push_str(&format!(
            "{} rg 48 530 m\n",
            colour(hue + 0.04, 0.25 + 0.35 * depth, 0.85 - 0.6 * depth)
        ));
        let base = 665.0 - 24.0 * f64::from(layer);
        let waves = [(dice.part(), 2.0), (dice.part(), 5.0), (dice.part(), 11.0)];
        for step in 0..=STEPS {
            let along = f64::from(step) / f64::from(STEPS);
            let rise: f64 = waves
                .iter()
                .map(|(phase, pace)| {
                    ((along * pace + phase) * std::f64::consts::TAU).sin() * 22.0 / pace
                })
                .sum();
            text.push_str(&format!(
                "{:.1} {:.1} l\n",
                48.0 + 499.0 * along,
                (base + rise).max(530.0)
            ));
        }
        text.push_str("547 530 l f\n");
    }
}

fn lines(dice: &mut Dice) -> Vec<String> {
    let mut lines = vec![String::new()];
    while lines.len() <= LINES {
        let sentence = SENTENCES
            .get(dice.below(SENTENCES.len()))
            .copied()
            .unwrap_or_default();
        for word in sentence.split(' ') {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if line.len() + word.len() < LINE => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
    }
    lines.truncate(LINES);
    lines
}

/// As PDF operands: hue around the circle, all from 0 to 1.
fn colour(hue: f64, saturation: f64, value: f64) -> String {
    let channel = |shift: f64| {
        let k = (shift + hue * 6.0).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    format!(
        "{:.3} {:.3} {:.3}",
        channel(5.0),
        channel(3.0),
        channel(1.0)
    )
}

/// Chance that falls the same way in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn new(page: u32) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ (u64::from(page) << 17 | 1))
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(1).max(1);
        usize::try_from((self.roll() >> 11) % end).unwrap_or(0)
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        f64::from(u16::try_from(self.roll() >> 48).unwrap_or(0)) / 65_536.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_atlas_is_long_the_same_every_time_and_its_table_is_right() {
        let atlas = atlas();
        assert_eq!(atlas, super::atlas());
        assert!(atlas.len() > 2_000_000, "{}", atlas.len());
        let text = String::from_utf8_lossy(&atlas);
        let start: usize = text
            .rsplit("startxref\n")
            .next()
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let table = std::str::from_utf8(&atlas[start..]).unwrap();
        assert!(table.starts_with("xref\n0 406\n"));
        for (number, entry) in table.lines().skip(3).take(405).enumerate() {
            assert_eq!(entry.len(), 19);
            let at: usize = entry[..10].parse().unwrap();
            let object = format!("{} 0 obj\n", number + 1);
            assert!(atlas[at..].starts_with(object.as_bytes()), "{number}");
        }
        assert!(text.contains("(Page 200) Tj"));
    }

    #[test]
    fn every_page_has_a_band_of_its_own() {
        let bands: std::collections::BTreeSet<_> = (0..PAGES)
            .map(|page| draw(page).lines().next().unwrap().to_owned())
            .collect();
        assert_eq!(bands.len(), 200);
    }
}
