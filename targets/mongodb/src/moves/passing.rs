//! Values that nobody has.

use crate::encode::decimal::Decimal;
use hydrant_contract::{Integer, ValueType};
use mongodb::bson::{Binary, Bson, DateTime, Decimal128, spec::BinarySubtype};

/// A value of this type that no document has, drawn at random; `None` for types of too few values.
pub(super) fn value(value: &ValueType) -> Option<Bson> {
    let random = uuid::Uuid::new_v4();
    let bytes = random.into_bytes();
    let number = i64::from_le_bytes([
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[10], bytes[11],
    ]);
    Some(match value {
        ValueType::Text | ValueType::Json | ValueType::Time(_) => {
            Bson::String(format!("hydrant moves {random}"))
        }
        ValueType::Integer(Integer::U32 | Integer::U64 | Integer::I64) => Bson::Int64(number),
        ValueType::Integer(_) => {
            // The lower half of the random bits.
            #[allow(clippy::cast_possible_truncation)]
            let number = number as i32;
            Bson::Int32(number)
        }
        // Any double will do that is not NaN.
        #[allow(clippy::cast_precision_loss)]
        ValueType::Float32 | ValueType::Float64 => Bson::Double(number as f64 / 3.0),
        ValueType::Decimal { .. } => {
            Bson::Decimal128(Decimal128::from_bytes(Decimal::of_i128(number.into(), 0)?.bytes()))
        }
        ValueType::Bytes => Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }),
        ValueType::Uuid => Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: bytes.to_vec() }),
        // Within years that every driver can show.
        ValueType::Date | ValueType::Timestamp(_) | ValueType::Instant(_) => {
            Bson::DateTime(DateTime::from_millis(number % 200_000_000_000_000))
        }
        ValueType::Boolean
        | ValueType::List(_)
        | ValueType::Vector(_)
        | ValueType::Struct(_)
        | ValueType::Map(..) => return None,
    })
}
