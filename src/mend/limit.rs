//! Which values are beyond a column's limits.

use arrow::{
    array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray},
    buffer::BooleanBuffer,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type,
        Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampNanosecondType, UInt64Type, i256,
    },
};
use hydrant_contract::{Integer, Limits, Resolution, ValueType};

/// The rows whose value a column with these limits does not hold; none where no limit concerns the type.
pub(super) fn beyond(array: &ArrayRef, value: &ValueType, limits: &Limits) -> Option<BooleanBuffer> {
    let rows = |is_beyond: &dyn Fn(usize) -> bool| {
        let test = |row| if array.is_null(row) { limits.not_null } else { is_beyond(row) };
        Some(BooleanBuffer::collect_bool(array.len(), test))
    };
    match value {
        ValueType::Text if Texts::limited(limits) => {
            let texts = array.as_string::<i32>();
            rows(&|row| !Texts(limits).holds(texts.value(row)))
        }
        ValueType::Json if limits.no_nul => {
            let texts = array.as_string::<i32>();
            rows(&|row| has_escaped_nul(texts.value(row)))
        }
        ValueType::List(_) | ValueType::Struct(_) | ValueType::Map(..) if limits.no_nul => {
            rows(&|row| has_nul(array.as_ref(), value, row))
        }
        ValueType::Float32 if limits.no_nan => {
            let numbers = array.as_primitive::<Float32Type>();
            rows(&|row| numbers.value(row).is_nan())
        }
        ValueType::Float64 if limits.no_nan => {
            let numbers = array.as_primitive::<Float64Type>();
            rows(&|row| numbers.value(row).is_nan())
        }
        ValueType::Decimal { precision: 39.., .. } if Numbers::<i256>::limited(limits) => {
            let (numbers, limit) =
                (array.as_primitive::<Decimal256Type>(), Numbers::new(value, limits, i256::from_i128));
            rows(&|row| !limit.holds(numbers.value(row)))
        }
        _ if Numbers::<i128>::limited(limits) => {
            let (number, limit) = (whole(array.as_ref(), value)?, Numbers::new(value, limits, |n| n));
            rows(&|row| !limit.holds(number(row)))
        }
        _ if limits.not_null && array.null_count() > 0 => rows(&|_| false),
        _ => None,
    }
}

/// The number that a value is carried in, if it is carried in one of at most 128 bits.
pub(super) fn whole<'a>(array: &'a dyn Array, value: &ValueType) -> Option<Box<dyn Fn(usize) -> i128 + 'a>> {
    macro_rules! of {
        ($type:ty) => {{
            let values = array.as_primitive::<$type>().values();
            Box::new(move |row: usize| i128::from(values[row]))
        }};
    }
    Some(match (value, array.data_type()) {
        (ValueType::Integer(Integer::U64), _) => of!(UInt64Type),
        (ValueType::Integer(_), _) => of!(Int64Type),
        (ValueType::Decimal { .. }, DataType::Decimal128(..)) => of!(Decimal128Type),
        (ValueType::Date, _) => of!(Date32Type),
        (ValueType::Time(_), DataType::Time64(TimeUnit::Microsecond)) => of!(Time64MicrosecondType),
        (ValueType::Time(_), _) => of!(Time64NanosecondType),
        (_, DataType::Timestamp(TimeUnit::Microsecond, _)) => of!(TimestampMicrosecondType),
        (_, DataType::Timestamp(TimeUnit::Nanosecond, _)) => of!(TimestampNanosecondType),
        _ => return None,
    })
}

/// The limits of a text.
pub(super) struct Texts<'a>(pub(super) &'a Limits);

impl Texts<'_> {
    fn limited(limits: &Limits) -> bool {
        limits.characters.is_some() || limits.no_nul || limits.no_space_at_end
    }

    pub(super) fn characters(&self) -> usize {
        self.0.characters.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX)
    }

    fn holds(&self, text: &str) -> bool {
        let max = self.characters();
        // As many bytes as characters at the most: most texts need no counting.
        (text.len() <= max || text.chars().count() <= max)
            && !(self.0.no_nul && text.contains('\0'))
            && !(self.0.no_space_at_end && text.ends_with(' '))
    }
}

/// The limits of a number, in units of its carrier.
pub(super) struct Numbers<T> {
    range: Option<(T, T)>,
    step: Step<T>,
    /// Every number is nearer to zero than this.
    size: Option<T>,
    /// Time goes on in one direction: what is cut off of it leaves the earlier one.
    is_time: bool,
}

/// Every number is a multiple of something.
enum Step<T> {
    One,
    Of(T),
    /// Of more than the carrier can count to.
    Huge,
}

impl<T: ArrowNativeTypeOp> Numbers<T> {
    fn limited(limits: &Limits) -> bool {
        limits.range.is_some() || limits.digits.is_some() || limits.second_digits.is_some()
    }

    pub(super) fn new(value: &ValueType, limits: &Limits, of: impl Fn(i128) -> T) -> Self {
        let power = |exponent: i32| {
            let exponent = u32::try_from(exponent).unwrap_or_default();
            of(10).pow_checked(exponent).ok()
        };
        let step = |digits: i32| match digits {
            ..=0 => Step::One,
            digits => power(digits).map_or(Step::Huge, Step::Of),
        };
        let scale = |value: &ValueType| match value {
            ValueType::Decimal { scale, .. } => i32::from(*scale),
            _ => 0,
        };
        let has = match value {
            ValueType::Time(unit) | ValueType::Timestamp(unit) | ValueType::Instant(unit) => match unit {
                Resolution::Micro => Some(6),
                Resolution::Nano => Some(9),
            },
            _ => None,
        };
        let (step, size) = match (has, limits.second_digits, limits.digits) {
            (Some(has), Some(kept), _) => (step(has - i32::from(kept)), None),
            (None, _, Some(digits)) => {
                let beyond = scale(value) - digits.scale;
                (step(beyond), power(digits.precision + beyond))
            }
            _ => (Step::One, None),
        };
        let range = limits.range.map(|(low, high)| (of(low), of(high)));
        Self { range, step, size, is_time: has.is_some() }
    }

    pub(super) fn holds(&self, number: T) -> bool {
        let whole = match self.step {
            Step::One => true,
            Step::Of(step) => number.mod_wrapping(step).is_zero(),
            Step::Huge => number.is_zero(),
        };
        whole && self.reaches(number)
    }

    fn reaches(&self, number: T) -> bool {
        self.range.is_none_or(|(low, high)| number.is_ge(low) && number.is_le(high))
            && self.size.is_none_or(|size| number.is_lt(size) && number.is_gt(size.neg_wrapping()))
    }

    /// The number without the digits that are too fine, if the rest fits.
    pub(super) fn cut(&self, number: T) -> Option<T> {
        let Step::Of(step) = self.step else { return None };
        let rest = number.mod_wrapping(step);
        let rest = if self.is_time && rest.is_lt(T::ZERO) { rest.add_checked(step).ok()? } else { rest };
        number.sub_checked(rest).ok().filter(|number| self.reaches(*number))
    }
}

/// Whether a JSON text contains `\u0000` as an escape (and not as an escaped backslash and `u0000`).
pub(super) fn has_escaped_nul(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        if rest[at..].starts_with(super::cut::ESCAPED_NUL) {
            return true;
        }
        // The backslash and what it escapes, which may be longer than a byte in a text that is no JSON.
        let mut after = rest[at..].chars();
        after.nth(1);
        rest = after.as_str();
    }
    false
}

/// Whether a text somewhere in this value contains NUL.
fn has_nul(array: &dyn Array, value: &ValueType, row: usize) -> bool {
    if array.is_null(row) {
        return false;
    }
    let any = |offsets: &[i32], items: &dyn Array, item: &ValueType| {
        (offsets[row]..offsets[row + 1]).any(|at| has_nul(items, item, at.unsigned_abs() as usize))
    };
    match value {
        ValueType::Text => array.as_string::<i32>().value(row).contains('\0'),
        ValueType::Json => has_escaped_nul(array.as_string::<i32>().value(row)),
        ValueType::List(item) => {
            let list = array.as_list::<i32>();
            any(list.value_offsets(), list.values().as_ref(), item)
        }
        ValueType::Map(key, value) => {
            let map = array.as_map();
            any(map.value_offsets(), map.keys().as_ref(), key)
                || any(map.value_offsets(), map.values().as_ref(), value)
        }
        ValueType::Struct(fields) => {
            let columns = array.as_struct().columns();
            fields.iter().zip(columns).any(|((_, value), column)| has_nul(column.as_ref(), value, row))
        }
        _ => false,
    }
}
