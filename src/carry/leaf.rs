//! Values without parts whose conversion can fail: those that do are noted with their rows.

use super::{
    column::exact_cast,
    error::{Fault, Misfits},
};
use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, UInt64Array},
    compute::take,
    datatypes::{
        ArrowTimestampType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
        Decimal256Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};
use std::sync::Arc;

const MILLIS_A_DAY: i64 = 86_400_000;

const NOT_A_DAY: &str =
    "the date has a time of day in it (Date64 counts milliseconds); cast it to a timestamp in the query";
const DATE_RANGE: &str =
    "the date is beyond the range of 32-bit days; look for a placeholder far in the future";
const TIME_RANGE: &str =
    "the time is beyond the range of 64-bit microseconds (years -290308 to 294247); look for a placeholder";
const DECIMAL_RANGE: &str =
    "the decimal has more digits than its type declares; cast it to a wider DECIMAL in the query";

/// Every value through `convert`; those for which it finds none are misfits.
fn checked<From: ArrowPrimitiveType, To: ArrowPrimitiveType>(
    from: &PrimitiveArray<From>,
    reason: &'static str,
    misfits: &mut Misfits,
    convert: impl Fn(From::Native) -> Option<To::Native>,
) -> PrimitiveArray<To> {
    from.try_unary(|value| convert(value).ok_or(())).unwrap_or_else(|()| {
        // The kernel does not say where; a second look is only paid by batches with such values.
        let mut value = |row| match from.is_valid(row).then(|| convert(from.value(row))) {
            Some(Some(value)) => value,
            Some(None) => {
                misfits.add(row, reason);
                To::Native::default()
            }
            None => To::Native::default(),
        };
        let values: Vec<To::Native> = (0..from.len()).map(&mut value).collect();
        PrimitiveArray::new(values.into(), from.nulls().cloned())
    })
}

/// Ticks of a coarser unit as ticks of a unit `factor` times finer.
fn finer<From, To>(array: &dyn Array, factor: i64, misfits: &mut Misfits) -> PrimitiveArray<To>
where
    From: ArrowPrimitiveType,
    From::Native: Into<i64>,
    To: ArrowPrimitiveType<Native = i64>,
{
    checked(array.as_primitive::<From>(), TIME_RANGE, misfits, |ticks| ticks.into().checked_mul(factor))
}

pub(super) fn date(array: &ArrayRef, misfits: &mut Misfits) -> ArrayRef {
    let millis = array.as_primitive::<Date64Type>();
    let in_a_day = |row: &usize| millis.is_valid(*row) && millis.value(*row) % MILLIS_A_DAY != 0;
    (0..millis.len()).filter(in_a_day).for_each(|row| misfits.add(row, NOT_A_DAY));
    let days =
        checked::<_, Date32Type>(millis, DATE_RANGE, misfits, |ms| i32::try_from(ms / MILLIS_A_DAY).ok());
    Arc::new(days)
}

pub(super) fn time(array: &ArrayRef, misfits: &mut Misfits) -> Result<ArrayRef, Fault> {
    Ok(match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            Arc::new(finer::<Time32SecondType, Time64MicrosecondType>(array, 1_000_000, misfits))
        }
        DataType::Time32(TimeUnit::Millisecond) => {
            Arc::new(finer::<Time32MillisecondType, Time64MicrosecondType>(array, 1_000, misfits))
        }
        // Microseconds and nanoseconds are carriers; anything else is for the kernel to refuse.
        _ => exact_cast(array, &DataType::Time64(TimeUnit::Microsecond))?,
    })
}

/// Arrow keeps a timestamp with a zone as an instant, and the zone as a wish for its display: dropping it is exact.
pub(super) fn timestamp(
    array: &ArrayRef,
    carrier: &DataType,
    misfits: &mut Misfits,
) -> Result<ArrayRef, Fault> {
    let zone = match carrier {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    fn zoned<T: ArrowTimestampType>(ticks: PrimitiveArray<T>, zone: Option<Arc<str>>) -> ArrayRef {
        Arc::new(ticks.with_timezone_opt(zone))
    }
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            zoned(finer::<TimestampSecondType, TimestampMicrosecondType>(array, 1_000_000, misfits), zone)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            zoned(finer::<TimestampMillisecondType, TimestampMicrosecondType>(array, 1_000, misfits), zone)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            zoned(array.as_primitive::<TimestampMicrosecondType>().clone(), zone)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            zoned(array.as_primitive::<TimestampNanosecondType>().clone(), zone)
        }
        _ => exact_cast(array, carrier)?,
    })
}

pub(super) fn decimal(
    array: &ArrayRef,
    precision: u8,
    scale: i8,
    misfits: &mut Misfits,
) -> Result<ArrayRef, Fault> {
    let unscaled: PrimitiveArray<Decimal128Type> = match array.data_type() {
        DataType::Decimal32(..) => array.as_primitive::<Decimal32Type>().unary(i128::from),
        DataType::Decimal64(..) => array.as_primitive::<Decimal64Type>().unary(i128::from),
        // Of 38 digits or fewer by its declaration, which Arrow does not enforce.
        DataType::Decimal256(..) => {
            checked(array.as_primitive::<Decimal256Type>(), DECIMAL_RANGE, misfits, |v| v.to_i128())
        }
        _ => array.as_primitive::<Decimal128Type>().clone(),
    };
    Ok(Arc::new(unscaled.with_precision_and_scale(precision, scale)?))
}

/// Texts and byte strings of every layout, as the one with 32-bit offsets.
pub(super) fn bytes(array: &ArrayRef, carrier: &DataType) -> Result<ArrayRef, Fault> {
    let (length, end) = match array.data_type() {
        DataType::LargeUtf8 => extent(array.as_string::<i64>().value_offsets()),
        DataType::LargeBinary => extent(array.as_binary::<i64>().value_offsets()),
        DataType::Utf8View => viewed(array.as_string_view().views()),
        DataType::BinaryView => viewed(array.as_binary_view().views()),
        _ => (0, 0),
    };
    let most = u64::from(i32::MAX.unsigned_abs());
    if length > most {
        return Err(Fault::too_large());
    }
    if end > most {
        // A small slice far inside a large buffer: the kernel keeps offsets as they are, so the slice must be copied.
        let rows = UInt64Array::from_iter_values(0..array.len() as u64);
        return exact_cast(&take(array, &rows, None)?, carrier);
    }
    exact_cast(array, carrier)
}

/// Bytes between the first and the last offset, and the last offset itself.
fn extent(offsets: &[i64]) -> (u64, u64) {
    let first = offsets.first().copied().unwrap_or_default();
    let last = offsets.last().copied().unwrap_or_default();
    ((last - first).unsigned_abs(), last.unsigned_abs())
}

/// The same for views, which the kernel always copies. A view's length is its lowest 32 bits.
fn viewed(views: &[u128]) -> (u64, u64) {
    #[allow(clippy::cast_possible_truncation)]
    let length = views.iter().map(|view| u64::from(*view as u32)).sum();
    (length, length)
}
