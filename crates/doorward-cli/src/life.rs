//! How long a URL works.

use std::time::Duration;

use doorward::media::defaults::GRANT_LIFE_MOST;

/// Reads `90s`, `30m` or `1h`.
///
/// # Errors
///
/// A sentence: it is no such time, or longer than a URL may live.
pub(crate) fn parse_life(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a number of s, m or h, such as 90s, 30m or 1h".to_owned();
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(unit).map(Duration::from_secs) {
        Some(Duration::ZERO) => Err(wrong()),
        Some(life) if life <= GRANT_LIFE_MOST => Ok(life),
        _ => Err(format!(
            "a URL works for {} h at most",
            GRANT_LIFE_MOST.as_secs() / 3_600
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("30m", 1_800), ("12h", 43_200)] {
            assert_eq!(parse_life(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in [
            "",
            "h",
            "0s",
            "1",
            "-1h",
            "1.5h",
            "1d",
            "13h",
            "+1h",
            "é",
            "99999999999999999999h",
        ] {
            assert!(parse_life(wrong).is_err(), "{wrong}");
        }
    }
}
