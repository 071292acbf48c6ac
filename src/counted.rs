//! Numbers of things, in words.

use indicatif::HumanCount;

/// "1 row", "2,000 rows": the thousands parted, the noun in its number (a plural that ends in `s`).
pub(crate) fn counted(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", HumanCount(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn only_one_is_singular() {
        assert_eq!([0, 1, 2000].map(|n| counted(n, "row")), ["0 rows", "1 row", "2,000 rows"]);
    }
}
