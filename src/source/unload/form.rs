//! What a warehouse writes into a file for a value, and how the value is got back from it, exactly or not at all.

use arrow::{
    array::{Array, ArrayRef, AsArray, FixedSizeBinaryBuilder},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Fields, TimeUnit},
};
use std::sync::Arc;

/// How a column's values stand in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the file's type for them.
    AsIs,
    /// A time of day or a timestamp as a whole number: so many of the unit that the source describes the column with, since
    /// midnight or since 1970.
    Count,
    /// A decimal as text, without an exponent.
    DecimalText,
    /// A signed integer of 128 bits as text. The source streams it as 16 bytes, the lowest first.
    Int128Text,
    /// The same, unsigned.
    UInt128Text,
}

/// What is to be done to a file's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// Nothing.
    Same,
    /// Another form of the same values; those that do not fit are noticed.
    Cast,
    /// A narrower form: it must lead back to the same values.
    CastAndBack,
}

/// A type without dictionaries, which only say how values are sent.
pub(super) fn plain(described: &DataType) -> DataType {
    match described {
        DataType::Dictionary(_, values) => plain(values),
        other => other.clone(),
    }
}

/// A file's column as the values that the source describes.
///
/// # Errors
///
/// What is wrong, as the end of a sentence that names the column. Values are not quoted: they may be secret.
pub(super) fn restore(form: Form, array: &ArrayRef, described: &DataType) -> Result<ArrayRef, String> {
    match form {
        Form::AsIs => convert(array, described),
        Form::Count => counted(array, described),
        Form::DecimalText => decimal(array, described),
        Form::Int128Text => wide(array, described, |text| text.parse().map(i128::to_le_bytes).ok()),
        Form::UInt128Text => wide(array, described, |text| text.parse().map(u128::to_le_bytes).ok()),
    }
}

fn convert(array: &ArrayRef, described: &DataType) -> Result<ArrayRef, String> {
    let file = array.data_type();
    let differs = || format!("holds {file}, and the source describes {described}");
    match change(file, described).ok_or_else(differs)? {
        Change::Same => Ok(Arc::clone(array)),
        Change::Cast => exact(array, described),
        Change::CastAndBack => {
            let narrow = exact(array, described)?;
            match exact(&narrow, file)?.as_ref() == array.as_ref() {
                true => Ok(narrow),
                false => Err(format!("holds values of {file} that have more digits than {described} has")),
            }
        }
    }
}

/// What makes the described values of the file's; `None` where that could lose something, or would be a guess.
fn change(file: &DataType, described: &DataType) -> Option<Change> {
    use DataType as T;
    let narrower = |is| Some(if is { Change::CastAndBack } else { Change::Cast });
    match (file, described) {
        _ if file == described => Some(Change::Same),
        (T::Dictionary(_, values), described) => change(values, described).map(at_least_cast),
        (
            T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView,
            // Some writers do not say of a text that it is one; what is no UTF-8 is noticed.
            T::Utf8 | T::LargeUtf8 | T::Utf8View,
        )
        | (
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_),
            T::Binary | T::LargeBinary | T::BinaryView,
        )
        // As the extension type arrow.bool8 has it.
        | (T::Boolean, T::Int8) => Some(Change::Cast),
        (file, described) if file.is_integer() && (described.is_integer() || described.is_decimal()) => {
            Some(Change::Cast)
        }
        (file, described) if file.is_decimal() && described.is_integer() => {
            (scale(file)? == 0).then_some(Change::Cast)
        }
        (file, described) if file.is_decimal() && described.is_decimal() => {
            narrower(scale(file)? > scale(described)?)
        }
        (T::Timestamp(from, a), T::Timestamp(to, b)) if a.is_some() == b.is_some() => {
            // A file that counts in a coarser unit has lost what the source would have streamed.
            (from >= to).then_some(())?;
            narrower(from > to)
        }
        (T::Time32(from) | T::Time64(from), T::Time32(to) | T::Time64(to)) => {
            (from >= to).then_some(())?;
            narrower(from > to)
        }
        (
            T::List(from) | T::LargeList(from) | T::FixedSizeList(from, _),
            T::List(to) | T::LargeList(to) | T::FixedSizeList(to, _),
        ) => change(from.data_type(), to.data_type()).map(at_least_cast),
        (T::Struct(from), T::Struct(to)) => fields(from, to, true),
        (T::Map(from, _), T::Map(to, _)) => match (from.data_type(), to.data_type()) {
            (T::Struct(from), T::Struct(to)) => fields(from, to, false),
            _ => None,
        },
        _ => None,
    }
}

fn at_least_cast(change: Change) -> Change {
    change.max(Change::Cast)
}

/// The same for fields one by one. The parts of a map have names that nobody chose.
fn fields(from: &Fields, to: &Fields, by_name: bool) -> Option<Change> {
    let alike = from.len() == to.len()
        && (!by_name || from.iter().zip(to).all(|(from, to)| from.name() == to.name()));
    alike.then_some(())?;
    from.iter()
        .zip(to)
        .try_fold(Change::Cast, |most, (from, to)| Some(change(from.data_type(), to.data_type())?.max(most)))
}

fn scale(decimal: &DataType) -> Option<i8> {
    match decimal {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

/// Arrow's own kernel, told to fail where it would otherwise write NULL. Its message could quote a value.
fn exact(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options)
        .map_err(|_| format!("holds {}, of which some values do not fit {to}", array.data_type()))
}

fn counted(array: &ArrayRef, described: &DataType) -> Result<ArrayRef, String> {
    let file = array.data_type();
    let is_whole = file.is_integer() || (file.is_decimal() && scale(file) == Some(0));
    if !is_whole {
        return Err(format!("holds {file} where a whole number was to be written"));
    }
    match described {
        // Numbers and times are one and the same to the kernel, as long as the width is.
        DataType::Time32(_) => exact(&exact(array, &DataType::Int32)?, described),
        DataType::Time64(_) | DataType::Timestamp(_, None) => {
            exact(&exact(array, &DataType::Int64)?, described)
        }
        // By way of the type without a zone: from a number straight to one with a zone could be read as local time.
        DataType::Timestamp(unit, Some(_)) => {
            let instants = exact(&exact(array, &DataType::Int64)?, &utc(*unit))?;
            exact(&instants, described)
        }
        other => Err(format!("is counted, and {other} is nothing to count")),
    }
}

fn utc(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

fn decimal(array: &ArrayRef, described: &DataType) -> Result<ArrayRef, String> {
    let texts = exact(array, &DataType::Utf8)?;
    let Some(digits) = scale(described).and_then(|scale| usize::try_from(scale).ok()) else {
        return Err(format!("is a decimal as text, and the source describes {described}"));
    };
    // The kernel would round what has more digits.
    let fits = |text: &str| match text.trim_start_matches('-').split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction) && fraction.len() <= digits,
        None => is_digits(text.trim_start_matches('-')),
    };
    if texts.as_string::<i32>().iter().flatten().all(fits) {
        return exact(&texts, described);
    }
    Err(format!("holds texts that are no decimals of {described}"))
}

fn wide(
    array: &ArrayRef,
    described: &DataType,
    bytes: impl Fn(&str) -> Option<[u8; 16]>,
) -> Result<ArrayRef, String> {
    let texts = exact(array, &DataType::Utf8)?;
    let mut integers = FixedSizeBinaryBuilder::with_capacity(texts.len(), 16);
    for text in texts.as_string::<i32>() {
        match text.map(&bytes) {
            None => integers.append_null(),
            Some(Some(integer)) => integers.append_value(integer).map_err(|error| error.to_string())?,
            Some(None) => return Err("holds texts that are no integers of 128 bits".to_owned()),
        }
    }
    let integers: ArrayRef = Arc::new(integers.finish());
    match integers.data_type() == described {
        true => Ok(integers),
        false => Err(format!("is an integer as text, and the source describes {described}")),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
