//! Values of a result as text. Types that are not listed here are shown by casting
//! them to text in the statement.

use chrono::{NaiveDate, TimeDelta};
use tokio_postgres::types::{FromSql, Kind, Type};

/// A value as text; none for NULL.
pub(super) struct Cell(pub(super) Option<String>);

/// Whether values of this type can be shown.
pub(super) fn is_shown(ty: &Type) -> bool {
    match ty.kind() {
        Kind::Enum(_) => true,
        Kind::Domain(of) => is_shown(of),
        Kind::Simple => matches!(
            *ty,
            Type::BOOL
                | Type::INT2
                | Type::INT4
                | Type::INT8
                | Type::OID
                | Type::FLOAT4
                | Type::FLOAT8
                | Type::NUMERIC
                | Type::TEXT
                | Type::VARCHAR
                | Type::BPCHAR
                | Type::NAME
                | Type::UNKNOWN
                | Type::JSON
                | Type::JSONB
                | Type::XML
                | Type::UUID
                | Type::BYTEA
                | Type::DATE
                | Type::TIME
                | Type::TIMESTAMP
                | Type::TIMESTAMPTZ
        ),
        Kind::Pseudo => *ty == Type::VOID,
        _ => false,
    }
}

fn shown(ty: &Type, raw: &[u8]) -> Option<String> {
    if let Kind::Domain(of) = ty.kind() {
        return shown(of, raw);
    }
    Some(match *ty {
        Type::BOOL => (*raw.first()? != 0).to_string(),
        Type::INT2 => i16::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::INT4 => i32::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::INT8 => i64::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::OID => u32::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::FLOAT4 => f32::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::FLOAT8 => f64::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::NUMERIC => numeric(raw)?,
        Type::JSONB => text(raw.strip_prefix(&[1])?),
        Type::UUID => uuid(raw)?,
        Type::BYTEA => format!("\\x{}", hex(raw)),
        Type::DATE => date(i32::from_be_bytes(raw.try_into().ok()?))?,
        Type::TIME => time(i64::from_be_bytes(raw.try_into().ok()?))?,
        Type::TIMESTAMP => moment(i64::from_be_bytes(raw.try_into().ok()?), "")?,
        Type::TIMESTAMPTZ => moment(i64::from_be_bytes(raw.try_into().ok()?), "Z")?,
        Type::VOID => String::new(),
        _ => text(raw),
    })
}

fn text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid(raw: &[u8]) -> Option<String> {
    let raw: [u8; 16] = raw.try_into().ok()?;
    let digits = hex(&raw);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    let parts: Option<Vec<_>> = parts.into_iter().map(|part| digits.get(part)).collect();
    parts.map(|parts| parts.join("-"))
}

fn epoch() -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(2000, 1, 1)
}

fn date(days: i32) -> Option<String> {
    match days {
        i32::MAX => Some("infinity".to_owned()),
        i32::MIN => Some("-infinity".to_owned()),
        days => {
            let date = epoch()?.checked_add_signed(TimeDelta::try_days(days.into())?)?;
            Some(date.to_string())
        }
    }
}

fn time(microseconds: i64) -> Option<String> {
    // The end of a day, which is a time of its own.
    if microseconds == 86_400_000_000 {
        return Some("24:00:00".to_owned());
    }
    let time = epoch()?
        .and_hms_opt(0, 0, 0)?
        .checked_add_signed(TimeDelta::microseconds(microseconds))?;
    Some(time.time().to_string())
}

fn moment(microseconds: i64, zone: &str) -> Option<String> {
    match microseconds {
        i64::MAX => Some("infinity".to_owned()),
        i64::MIN => Some("-infinity".to_owned()),
        microseconds => {
            let moment = epoch()?
                .and_hms_opt(0, 0, 0)?
                .checked_add_signed(TimeDelta::microseconds(microseconds))?;
            Some(format!("{moment}{zone}"))
        }
    }
}

/// Groups of four decimal digits, the first of which counts 10000^weight.
fn numeric(raw: &[u8]) -> Option<String> {
    let mut words = raw.chunks_exact(2).map(|pair| match *pair {
        [high, low] => u16::from_be_bytes([high, low]),
        _ => 0,
    });
    let count = usize::from(words.next()?);
    let weight = i32::from(words.next()?.cast_signed());
    let sign = match words.next()? {
        0x0000 => "",
        0x4000 => "-",
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    let scale = usize::from(words.next()?);
    let groups: Vec<u16> = words.collect();
    // Zeros are left out at both ends, and a number may be all of them.
    if groups.len() != count || scale > 0x3fff {
        return None;
    }
    let group = |at: i32| {
        usize::try_from(at)
            .ok()
            .and_then(|at| groups.get(at))
            .copied()
            .unwrap_or(0)
    };
    let mut text = sign.to_owned();
    if weight < 0 {
        text.push('0');
    }
    for at in 0..=weight {
        match at {
            0 => text.push_str(&group(0).to_string()),
            at => text.push_str(&format!("{:04}", group(at))),
        }
    }
    if scale > 0 {
        let mut fraction = String::new();
        // Groups before the first are zeros as well.
        for _ in 0..-weight - 1 {
            fraction.push_str("0000");
        }
        let mut at = (weight + 1).max(0);
        while fraction.len() < scale {
            fraction.push_str(&format!("{:04}", group(at)));
            at += 1;
        }
        text.push('.');
        text.push_str(fraction.get(..scale)?);
    }
    Some(text)
}

// === impl Cell ===

impl FromSql<'_> for Cell {
    fn from_sql(ty: &Type, raw: &[u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        shown(ty, raw)
            .map(|text| Self(Some(text)))
            .ok_or_else(|| format!("a value of {ty} that is none").into())
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_are_shown_as_the_server_would() {
        for (raw, shown) in [
            (&[0, 0, 0, 0][..], "0"),
            (&[0, 0, 0, 2], "0.00"),
            (&[2, 0, 0, 2, 12, 3400], "12.34"),
            (&[1, 1, 0, 0, 5], "50000"),
            (&[3, 1, 0x4000, 4, 1, 2, 3], "-10002.0003"),
            (&[1, 0xffff, 0, 4, 7], "0.0007"),
            (&[1, 0xfffe, 0, 8, 7], "0.00000007"),
            (&[1, 0xfffe, 0, 6, 700], "0.000007"),
            (&[0, 0, 0xC000, 0], "NaN"),
        ] {
            assert_eq!(numeric(&words(raw)).as_deref(), Some(shown), "{raw:?}");
        }
        for broken in [&[][..], &[1, 0, 0, 0], &[0, 0, 7, 0], &[2, 0, 0, 0, 1]] {
            assert_eq!(numeric(&words(broken)), None, "{broken:?}");
        }
    }

    #[test]
    fn times_count_from_2000() {
        assert_eq!(date(0).unwrap(), "2000-01-01");
        assert_eq!(date(-1).unwrap(), "1999-12-31");
        assert_eq!(date(i32::MAX).unwrap(), "infinity");
        assert_eq!(
            moment(86_400_000_001, "Z").unwrap(),
            "2000-01-02 00:00:00.000001Z"
        );
        assert_eq!(moment(i64::MIN, "").unwrap(), "-infinity");
        assert!(moment(i64::MAX - 1, "").is_none());
        assert_eq!(time(3_600_000_000).unwrap(), "01:00:00");
        assert_eq!(time(86_400_000_000).unwrap(), "24:00:00");
    }

    #[test]
    fn a_value_that_is_none_is_an_error_and_no_panic() {
        for ty in [
            Type::BOOL,
            Type::INT8,
            Type::UUID,
            Type::NUMERIC,
            Type::JSONB,
            Type::DATE,
            Type::TIMESTAMPTZ,
        ] {
            for raw in [&[][..], &[0], &[9; 3], &[9; 17]] {
                let cell = Cell::from_sql(&ty, raw);
                assert!(cell.is_err() || ty == Type::BOOL, "{ty} {raw:?}");
            }
        }
        assert!(!is_shown(&Type::INT4_ARRAY) && !is_shown(&Type::POINT));
        assert!(is_shown(&Type::VOID) && !is_shown(&Type::RECORD));
    }
}
