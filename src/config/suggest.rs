//! "Did you mean": help for a word that is none of those that could stand there.

use strsim::{damerau_levenshtein, jaro_winkler};

/// The known word that `typed` is probably a slip of.
pub(crate) fn closest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = typed.to_lowercase();
    known
        .iter()
        .map(|word| (*word, damerau_levenshtein(&lower, &word.to_lowercase()), jaro_winkler(&lower, word)))
        // A third of the letters may be wrong, so that short words are not taken for one another.
        .filter(|(word, slips, likeness)| *slips <= word.len().max(3) / 3 || *likeness > 0.9)
        .min_by(|a, b| a.1.cmp(&b.1).then(b.2.total_cmp(&a.2)))
        .map(|(word, ..)| word)
}

/// The help that suggests a word.
pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// The help that says which words there are.
pub(super) fn choose(words: &[&str]) -> String {
    match words {
        [word] => format!("write `{word}`"),
        _ => format!("write one of {}", listed(words)),
    }
}

/// The words in backquotes, separated by commas.
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_foreign_word_none() {
        let known = ["source", "model", "key", "target", "table", "mode", "deletes"];
        for (typed, word) in [
            ("sorce", "source"),
            ("Source", "source"),
            ("modle", "model"),
            ("keys", "key"),
            ("delete", "deletes"),
            ("tabel", "table"),
        ] {
            assert_eq!(closest(typed, &known), Some(word), "{typed}");
        }
        for typed in ["schedule", "password", "x", "columns"] {
            assert_eq!(closest(typed, &known), None, "{typed}");
        }
    }
}
