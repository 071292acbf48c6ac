//! The two forms of the protocol against each other, and against forms made up here.

use super::{
    binary::Binary,
    text::Text,
    wire::{Unfit, Units, Wire},
};
use proptest::prelude::*;

/// A number as the server sends it, made from its plain digits by cutting them into groups of four.
fn sent(text: &str) -> Vec<u8> {
    let (sign, digits) = text.strip_prefix('-').map_or((0, text), |digits| (0x4000_u16, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let filled = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let mut weight = i16::try_from(whole.len() / 4).unwrap() - 1;
    let all = format!("{whole}{filled}");
    let mut groups: Vec<u16> =
        (0..all.len() / 4).map(|at| all[4 * at..4 * at + 4].parse().unwrap()).collect();
    while groups.last() == Some(&0) {
        groups.pop();
    }
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    let mut bytes = Vec::new();
    bytes.extend(u16::try_from(groups.len()).unwrap().to_be_bytes());
    bytes.extend(weight.to_be_bytes());
    bytes.extend(sign.to_be_bytes());
    bytes.extend(u16::try_from(fraction.len()).unwrap().to_be_bytes());
    groups.iter().for_each(|group| bytes.extend(group.to_be_bytes()));
    bytes
}

fn plain(text: &str, scale: i8) -> Option<String> {
    let units = Binary::numeric(&sent(text), scale).expect("a number")?;
    Some(units.wide().to_string())
}

#[test]
fn numbers_are_read_exactly_or_not_at_all() {
    assert_eq!(plain("0", 2).as_deref(), Some("0"));
    assert_eq!(plain("-0.5", 2).as_deref(), Some("-50"));
    assert_eq!(plain("12345.6789", 4).as_deref(), Some("123456789"));
    assert_eq!(plain("12345.6789", 3), None, "a digit too many");
    assert_eq!(plain("0.00000001", 8).as_deref(), Some("1"));
    assert_eq!(plain("1200", -2).as_deref(), Some("12"));
    assert_eq!(plain("1250", -2), None);
    assert_eq!(plain("0.5000", 1).as_deref(), Some("5"), "zeros at the end are no digits");
    // The most digits that there is room for, as unlucky as they can lie in groups of four.
    let most = format!("{}.{}", "9".repeat(38), "9".repeat(38));
    assert_eq!(plain(&most, 38), Some("9".repeat(76)));
    assert_eq!(plain(&format!("1{}", "0".repeat(75)), 0), Some(format!("1{}", "0".repeat(75))));
    assert_eq!(plain(&format!("1{}", "0".repeat(200)), 0), None);
}

#[test]
fn what_is_no_number_is_told_from_what_is_damaged() {
    for sign in [0xC0, 0xD0, 0xF0] {
        assert_eq!(Binary::numeric(&[0, 0, 0, 0, sign, 0, 0, 0], 2), Err(Unfit::NotANumber));
    }
    for damaged in [&[0_u8, 1, 0, 0, 0, 0, 0, 0][..], &[0; 7], &[0, 0, 0, 0, 0x12, 0, 0, 0]] {
        assert_eq!(Binary::numeric(damaged, 2), Err(Unfit::Malformed));
    }
}

proptest! {
    #[test]
    fn both_forms_of_a_number_are_one_number(
        negative: bool,
        whole in "[1-9][0-9]{0,37}|0",
        fraction in "[0-9]{0,38}",
        scale in 0_i8..=38,
    ) {
        let sign = if negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        let text = format!("{sign}{whole}{point}{fraction}");
        let of = |read: Result<Option<Units>, Unfit>| read.map(|units| units.map(Units::wide));
        prop_assert_eq!(
            of(Binary::numeric(&sent(&text), scale)),
            of(Text::numeric(text.as_bytes(), scale)),
            "{} in units of 10^-{}", text, scale
        );
    }
}

#[test]
fn vectors_are_read_in_both_forms() {
    let mut bytes = vec![0, 2, 0, 0];
    bytes.extend(1.5_f32.to_be_bytes());
    bytes.extend((-2.0_f32).to_be_bytes());
    let mut numbers = Vec::new();
    Binary::vector(&bytes, &mut |number| numbers.push(number)).expect("a vector");
    Text::vector(b"[1.5,-2]", &mut |number| numbers.push(number)).expect("a vector");
    assert_eq!(numbers, [1.5, -2.0, 1.5, -2.0]);
    assert_eq!(Binary::vector(&bytes[..7], &mut |_| ()), Err(Unfit::Malformed));
}
