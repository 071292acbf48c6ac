//! Whether two mappings are the same, without keeping what they say.

use super::{Constant, Mapping, Wanted};
use sha2::{Digest, Sha256};
use std::fmt::Write;

impl Mapping {
    /// A digest of all that it says, as 64 hexadecimal digits: another one means that values may come out differently. A
    /// salt is in it by a hash under itself, so that the digest can be kept beside the rows.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        // Each part with its length, so that no two mappings run into the same bytes.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for wanted in &self.columns {
            match wanted {
                Wanted::Column { name, from, transforms } => {
                    part(b"column");
                    part(name.as_bytes());
                    part(from.as_bytes());
                    part(&[u8::from(transforms.trim), u8::from(transforms.lower)]);
                    match &transforms.hash {
                        Some(salt) => part(&salt.hasher().of(b"hydrant: the salt of a column")),
                        None => part(b""),
                    }
                }
                Wanted::Constant { name, value } => {
                    part(b"constant");
                    part(name.as_bytes());
                    part(&match value {
                        Constant::Text(text) => [b"t", text.as_bytes()].concat(),
                        Constant::Boolean(flag) => vec![b'b', u8::from(*flag)],
                        Constant::Integer(number) => [&b"i"[..], &number.to_le_bytes()].concat(),
                        Constant::Decimal { unscaled, precision, scale } => {
                            let [scale] = scale.to_le_bytes();
                            [&b"d"[..], &unscaled.to_le_bytes(), &[*precision, scale]].concat()
                        }
                    });
                }
                Wanted::Others { except } => {
                    part(b"others");
                    part(&(except.len() as u64).to_le_bytes());
                    except.iter().for_each(|name| part(name.as_bytes()));
                }
            }
        }
        let mut digits = String::with_capacity(64);
        for byte in hash.finalize() {
            let _ = write!(digits, "{byte:02x}");
        }
        digits
    }
}
