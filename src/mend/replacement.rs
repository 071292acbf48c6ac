//! The value that a configuration wants instead: text, turned into the column's type exactly.

use super::limit;
use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
        FixedSizeBinaryArray, Float32Array, Float64Array, Int64Array, StringArray, Time64MicrosecondArray,
        Time64NanosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    },
    datatypes::i256,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use hydrant_contract::{Integer, Limits, Resolution, ValueType};
use std::{str::FromStr, sync::Arc};

/// An array of length 1 in the carrier of `value`, or why the text is none of its values, or does not fit the column.
pub(super) fn parse(text: &str, value: &ValueType, limits: &Limits) -> Result<ArrayRef, String> {
    let array = array(text, value)?;
    match limit::beyond(&array, value, limits) {
        Some(beyond) if beyond.value(0) => Err("the column does not hold it either".to_owned()),
        _ => Ok(array),
    }
}

fn array(text: &str, value: &ValueType) -> Result<ArrayRef, String> {
    let no = |example: &str| format!("it is not written as such a value is, for example {example}");
    Ok(match value {
        ValueType::Boolean => {
            let flag = bool::from_str(text).map_err(|_| no("true"))?;
            Arc::new(BooleanArray::from(vec![flag]))
        }
        ValueType::Integer(integer) => {
            let number = i128::from_str(text).map_err(|_| no("42"))?;
            let (low, high) = integer.range();
            if !(low..=high).contains(&number) {
                return Err(format!("the type reaches from {low} to {high}"));
            }
            let out = |_| no("42");
            match integer {
                Integer::U64 => Arc::new(UInt64Array::from(vec![u64::try_from(number).map_err(out)?])),
                _ => Arc::new(Int64Array::from(vec![i64::try_from(number).map_err(out)?])),
            }
        }
        ValueType::Float32 => Arc::new(Float32Array::from(vec![f32::from_str(text).map_err(|_| no("1.5"))?])),
        ValueType::Float64 => Arc::new(Float64Array::from(vec![f64::from_str(text).map_err(|_| no("1.5"))?])),
        ValueType::Decimal { precision, scale } => decimal(text, *precision, *scale)?,
        ValueType::Text => Arc::new(StringArray::from(vec![text])),
        ValueType::Json => {
            serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map_err(|error| format!("it is not JSON: {error}"))?;
            Arc::new(StringArray::from(vec![text]))
        }
        ValueType::Bytes => {
            let bytes = hexadecimal(text).ok_or_else(|| no("00ff (two hexadecimal digits a byte)"))?;
            Arc::new(BinaryArray::from_vec(vec![&bytes]))
        }
        ValueType::Uuid => {
            let uuid = uuid::Uuid::try_parse(text).map_err(|_| no("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))?;
            let one = FixedSizeBinaryArray::try_from_iter(std::iter::once(uuid.into_bytes()));
            Arc::new(one.map_err(|error| error.to_string())?)
        }
        ValueType::Date => {
            let date = NaiveDate::from_str(text).map_err(|_| no("2024-02-29"))?;
            let days =
                i32::try_from((date - NaiveDate::default()).num_days()).map_err(|_| no("2024-02-29"))?;
            Arc::new(Date32Array::from(vec![days]))
        }
        ValueType::Time(unit) => {
            let time = NaiveTime::from_str(text).map_err(|_| no("12:30:00"))?;
            let ticks = ticks(time - NaiveTime::MIN, *unit)?;
            match unit {
                Resolution::Micro => Arc::new(Time64MicrosecondArray::from(vec![ticks])),
                Resolution::Nano => Arc::new(Time64NanosecondArray::from(vec![ticks])),
            }
        }
        ValueType::Timestamp(unit) => {
            let iso = text.replacen(' ', "T", 1);
            let at = NaiveDateTime::from_str(&iso).map_err(|_| no("2024-02-29T12:30:00"))?;
            timestamp(at, *unit, None)?
        }
        ValueType::Instant(unit) => {
            let at = DateTime::parse_from_rfc3339(text).map_err(|_| no("2024-02-29T12:30:00Z"))?;
            timestamp(at.naive_utc(), *unit, Some("UTC"))?
        }
        ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..) => {
            return Err("such a value cannot be written in the configuration; use null".to_owned());
        }
    })
}

fn timestamp(at: NaiveDateTime, unit: Resolution, zone: Option<&str>) -> Result<ArrayRef, String> {
    let ticks = ticks(at - DateTime::UNIX_EPOCH.naive_utc(), unit)?;
    Ok(match unit {
        Resolution::Micro => Arc::new(TimestampMicrosecondArray::from(vec![ticks]).with_timezone_opt(zone)),
        Resolution::Nano => Arc::new(TimestampNanosecondArray::from(vec![ticks]).with_timezone_opt(zone)),
    })
}

fn ticks(since: TimeDelta, unit: Resolution) -> Result<i64, String> {
    match unit {
        Resolution::Micro if since.subsec_nanos() % 1000 != 0 => {
            Err("it has nanoseconds, and the type has microseconds".to_owned())
        }
        Resolution::Micro => since.num_microseconds().ok_or_else(|| "it is too far away".to_owned()),
        Resolution::Nano => {
            since.num_nanoseconds().ok_or_else(|| "nanoseconds end with the year 2262".to_owned())
        }
    }
}

/// The number with exactly the digits that are written down, or not at all.
fn decimal(text: &str, precision: u8, scale: i8) -> Result<ArrayRef, String> {
    let no = || "it is not written as such a value is, for example -12.50".to_owned();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(no());
    }
    let fraction = fraction.trim_end_matches('0');
    let all = format!("{}{fraction}", whole.trim_start_matches('0'));
    // As many digits after the point as the type has.
    let missing = i32::from(scale) - i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let unscaled = match usize::try_from(missing) {
        Ok(zeros) => format!("{all}{}", "0".repeat(zeros)),
        Err(_) => {
            let surplus = missing.unsigned_abs() as usize;
            let end = all.len().saturating_sub(surplus);
            if !all[end..].bytes().all(|byte| byte == b'0') {
                return Err(format!("it has more digits than the type, whose scale is {scale}"));
            }
            all[..end].to_owned()
        }
    };
    let unscaled = unscaled.trim_start_matches('0');
    if unscaled.len() > usize::from(precision) {
        return Err(format!("it has more than {precision} digits"));
    }
    let number = format!("{sign}{}", if unscaled.is_empty() { "0" } else { unscaled });
    let typed = |error: arrow::error::ArrowError| error.to_string();
    Ok(match precision {
        ..=38 => {
            let one = Decimal128Array::from(vec![i128::from_str(&number).map_err(|_| no())?]);
            Arc::new(one.with_precision_and_scale(precision, scale).map_err(typed)?)
        }
        39.. => {
            let one = Decimal256Array::from(vec![i256::from_string(&number).ok_or_else(no)?]);
            Arc::new(one.with_precision_and_scale(precision, scale).map_err(typed)?)
        }
    })
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}
