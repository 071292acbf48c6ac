//! Values drawn at random come back exactly.

use crate::{Rig, Scene, Value};
use hydrant_contract::{Integer, Resolution::Micro, ValueType};

cases! {
    ExactOrRefused []:
        values_drawn_at_random_come_back_exactly;
}

/// The environment variable that repeats a run.
const SEED: &str = "HYDRANT_TEST_SEED";
const ROWS: i64 = 300;
const INT: ValueType = ValueType::Integer(Integer::I64);

async fn values_drawn_at_random_come_back_exactly(rig: &dyn Rig) {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().unwrap_or_else(|e| panic!("{SEED}={seed}: {e}")),
        Err(_) => std::time::UNIX_EPOCH.elapsed().map_or(1, |t| t.as_secs()),
    };
    // Printed by the runner if the case fails.
    eprintln_seed(seed);
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let types: Vec<ValueType> = vec![
        ValueType::Boolean,
        INT,
        ValueType::Integer(Integer::U32),
        ValueType::Float32,
        ValueType::Float64,
        ValueType::Decimal { precision: 38, scale: 10 },
        ValueType::Decimal { precision: 60, scale: 20 },
        ValueType::Text,
        ValueType::Bytes,
        ValueType::Date,
        ValueType::Time(Micro),
        ValueType::Timestamp(Micro),
        ValueType::Instant(Micro),
        ValueType::Uuid,
        ValueType::List(Box::new(ValueType::Text)),
        ValueType::List(Box::new(INT)),
        ValueType::Vector(4),
    ];
    let types: Vec<_> = types.into_iter().filter(|value| rig.holds(value)).collect();
    let names: Vec<String> = (0..types.len()).map(|i| format!("c{i}")).collect();
    let columns = names.iter().map(String::as_str).zip(types.iter().cloned());
    let columns: Vec<_> = std::iter::once(("id", INT)).chain(columns).collect();
    let scene = Scene::new(rig, "random", &columns, &["id"]).created().await;
    let mut rows = |from: i64| -> Vec<Vec<Value>> {
        let mut row = |id| {
            let values = types.iter().map(|value| match draw.below(10) {
                0 => Value::Null,
                _ => Some(draw.value(value)).filter(|v| rig.has_room(v, value)).unwrap_or(Value::Null),
            });
            std::iter::once(Value::from(id)).chain(values).collect()
        };
        (from..from + ROWS).map(&mut row).collect()
    };
    scene.write(&[], &rows(0), &[]).await;
    let (updates, inserts) = (rows(0), rows(ROWS));
    scene.write(&[], &inserts, &updates).await;
    scene.expect(&[updates, inserts].concat()).await;
}

#[allow(clippy::print_stderr)]
fn eprintln_seed(seed: u64) {
    eprintln!("to repeat: {SEED}={seed}");
}

/// A small generator (xorshift64*), so that a seed means the same for ever.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Small numbers as often as large ones.
    fn whole(&mut self) -> i64 {
        let shift = self.below(64);
        self.next().cast_signed() >> shift
    }

    fn digits(&mut self, whole: u64, fraction: u64) -> String {
        let mut part =
            |digits: u64| (0..digits).map(|_| char::from(b'0' + self.below(10) as u8)).collect::<String>();
        let (whole, fraction) = (part(whole), part(fraction));
        let sign = if self.below(2) == 0 { "-" } else { "" };
        format!("{sign}{whole}.{fraction}")
    }

    fn text(&mut self) -> String {
        let length = self.below(20);
        let one = |draw: &mut Self| {
            let end = [0x80, 0x250, 0x3000, 0x11_0000][draw.below(4) as usize];
            // NUL is a case of its own.
            char::from_u32(draw.below(end) as u32).filter(|c| *c != '\0').unwrap_or('\'')
        };
        (0..length).map(|_| one(self)).collect()
    }

    fn day(&mut self) -> String {
        format!("{:04}-{:02}-{:02}", 1 + self.below(9999), 1 + self.below(12), 1 + self.below(28))
    }

    fn time(&mut self) -> String {
        let (h, m, s, us) = (self.below(24), self.below(60), self.below(60), self.below(1_000_000));
        format!("{h:02}:{m:02}:{s:02}.{us:06}")
    }

    fn value(&mut self, value: &ValueType) -> Value {
        let text = match value {
            ValueType::Boolean => return Value::Bool(self.below(2) == 0),
            ValueType::Integer(Integer::U32) => self.below(1 << 32).to_string(),
            ValueType::Integer(_) => self.whole().to_string(),
            ValueType::Float32 => loop {
                let number = f32::from_bits(self.next() as u32);
                if number.is_finite() {
                    return Value::float32(number);
                }
            },
            ValueType::Float64 => loop {
                let number = f64::from_bits(self.next());
                if number.is_finite() {
                    return Value::float64(number);
                }
            },
            ValueType::Decimal { precision: 38, .. } => {
                let whole = self.below(29);
                self.digits(whole, 10)
            }
            ValueType::Decimal { .. } => {
                let whole = 1 + self.below(40);
                self.digits(whole, 20)
            }
            ValueType::Text => self.text(),
            ValueType::Bytes => {
                return Value::Bytes((0..self.below(40)).map(|_| self.next() as u8).collect());
            }
            ValueType::Date => self.day(),
            ValueType::Time(_) => self.time(),
            ValueType::Timestamp(_) => format!("{}T{}", self.day(), self.time()),
            ValueType::Instant(_) => format!("{}T{}Z", self.day(), self.time()),
            ValueType::Uuid => {
                let hex = format!("{:016x}{:016x}", self.next(), self.next());
                let group = |from, to| &hex[from..to];
                [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-")
            }
            ValueType::List(item) => {
                return Value::List((0..self.below(5)).map(|_| self.value(item)).collect());
            }
            // Halves have few digits in every base.
            ValueType::Vector(_) => {
                return Value::List(
                    (0..4).map(|_| Value::float32((self.whole() % 1000) as f32 / 2.0)).collect(),
                );
            }
            ValueType::Json | ValueType::Struct(_) | ValueType::Map(..) => unreachable!("not drawn: {value}"),
        };
        Value::parse(&text, value)
    }
}
