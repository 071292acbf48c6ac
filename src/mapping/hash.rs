//! A keyed hash in the place of a value that must not leave the warehouse, but must stay comparable with itself.
//!
//! Without a key the hash of an e-mail address or a telephone number is found by trying: there are few of them. HMAC is
//! the hash with a key that every database and language has, so that the same values can be made elsewhere.

use crate::secret::Secret;
use arrow::{
    array::{Array, StringArray},
    buffer::{Buffer, OffsetBuffer},
    error::ArrowError,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The shortest salt, in bytes. Shorter ones are found by trying.
pub const SALT_BYTES_MIN: usize = 16;

/// Digits of a hash: two for each of its 32 bytes.
const DIGITS: usize = 64;

/// The key of a hash.
#[derive(Clone, Debug)]
pub struct Salt(Secret);

impl Salt {
    /// A salt; `None` if it is shorter than [`SALT_BYTES_MIN`] bytes of UTF-8.
    pub fn new(salt: Secret) -> Option<Self> {
        (salt.expose().len() >= SALT_BYTES_MIN).then_some(Self(salt))
    }

    pub(super) fn hasher(&self) -> Hasher {
        Hasher(
            Hmac::new_from_slice(self.0.expose().as_bytes())
                .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")),
        )
    }
}

/// A hash that has taken its key in.
#[derive(Clone)]
pub(super) struct Hasher(Hmac<Sha256>);

/// What it has taken in is as good as the key.
impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Hasher {
    /// The hash of one text.
    pub(super) fn of(&self, text: &[u8]) -> [u8; DIGITS] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let hash = self.0.clone().chain_update(text).finalize().into_bytes();
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        digits
    }

    /// The hashes of these; NULL where there is none.
    pub(super) fn hash(&self, texts: &StringArray) -> Result<StringArray, ArrowError> {
        let length = (texts.len() - texts.null_count()).saturating_mul(DIGITS);
        if length > i32::MAX.unsigned_abs() as usize {
            return Err(ArrowError::OffsetOverflowError(length));
        }
        let mut digits = Vec::with_capacity(length);
        texts.iter().flatten().for_each(|text| digits.extend_from_slice(&self.of(text.as_bytes())));
        let lengths = (0..texts.len()).map(|row| if texts.is_null(row) { 0 } else { DIGITS });
        let offsets = OffsetBuffer::from_lengths(lengths);
        StringArray::try_new(offsets, Buffer::from_vec(digits), texts.nulls().cloned())
    }
}
