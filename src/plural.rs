//! Nouns in their number.

/// The noun for so many: "row" for one, "rows" for others. (A plural that ends in `s`.)
pub(crate) fn plural(number: u64, noun: &str) -> String {
    if number == 1 { noun.to_owned() } else { format!("{noun}s") }
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn only_one_is_singular() {
        assert_eq!([0, 1, 2].map(|number| plural(number, "row")), ["rows", "row", "rows"]);
    }
}
