//! Globs: `*` and `?` within one folder or file name, `**` over any number of folders, `[a-z]`, `[!a-z]` and `{a,b}`.

/// Whether a text has any character with a meaning in a glob.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// The pattern with every `{a,b}` written out.
pub(super) fn alternatives(pattern: &str) -> Vec<String> {
    let Some((before, inner, after)) = first_braces(pattern) else { return vec![pattern.to_owned()] };
    inner.iter().flat_map(|one| alternatives(&format!("{before}{one}{after}"))).collect()
}

/// The first pair of braces: what stands before, the alternatives in it, what stands behind.
fn first_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let open = pattern.find('{')?;
    let (mut depth, mut start, mut inner) = (0_usize, open + 1, Vec::new());
    for (at, char) in pattern.char_indices().skip_while(|(at, _)| *at < open) {
        match char {
            '{' => depth += 1,
            ',' if depth == 1 => {
                inner.push(&pattern[start..at]);
                start = at + 1;
            }
            '}' if depth == 1 => {
                inner.push(&pattern[start..at]);
                return Some((&pattern[..open], inner, &pattern[at + 1..]));
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    // Never closed: an ordinary character.
    None
}

/// Whether the name of one file or folder matches one segment of a pattern.
///
/// Names that begin with `.` or `_` are what tools leave behind (`_SUCCESS`, `.part-0.crc`): only a pattern that begins
/// so too matches them.
pub(super) fn matches_name(pattern: &str, name: &str) -> bool {
    if is_hidden(name) && pattern.chars().next() != name.chars().next() {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    matches(&pattern, &name)
}

/// Whether the folders and the file name of a path match the segments of a pattern.
pub(super) fn matches_path(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], _) if matches_path(rest, path) => true,
        (["**", ..], [name, names @ ..]) => !is_hidden(name) && matches_path(pattern, names),
        ([one, rest @ ..], [name, names @ ..]) => matches_name(one, name) && matches_path(rest, names),
        _ => false,
    }
}

/// Whether a tool left this behind, rather than data.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    // Where to go on when a `*` must take one character more; only the last `*` ever needs to.
    let mut retry: Option<(usize, usize)> = None;
    let (mut p, mut n) = (0, 0);
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n + 1));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => match class(&pattern[p + 1..], name[n]) {
                Some((true, length)) => Some(length + 1),
                Some((false, _)) => None,
                None => (name[n] == '[').then_some(1),
            },
            Some(char) => (*char == name[n]).then_some(1),
            None => None,
        };
        match (step, retry) {
            (Some(length), _) => (p, n) = (p + length, n + 1),
            (None, Some((after_star, at))) => {
                retry = Some((after_star, at + 1));
                (p, n) = (after_star, at);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|char| *char == '*')
}

/// Whether the class that begins here (behind its `[`) holds a character, and how long it is; `None` if it never ends.
fn class(pattern: &[char], char: char) -> Option<(bool, usize)> {
    let negated = pattern.first() == Some(&'!');
    let start = usize::from(negated);
    // A `]` in first place is an ordinary character.
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|c| *c == ']')?;
    let (mut at, mut found) = (start, false);
    while at < end {
        if at + 2 < end && pattern[at + 1] == '-' {
            found |= (pattern[at]..=pattern[at + 2]).contains(&char);
            at += 3;
        } else {
            found |= pattern[at] == char;
            at += 1;
        }
    }
    Some((found != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.parquet", "a.parquet", true),
            ("*.parquet", "a.parquet.tmp", false),
            ("part-*-*.csv", "part-1-2-3.csv", true),
            ("part-?.csv", "part-10.csv", false),
            ("part-[0-9].csv", "part-7.csv", true),
            ("part-[!0-9].csv", "part-7.csv", false),
            ("part-[]x].csv", "part-].csv", true),
            ("odd[name", "odd[name", true),
            ("*", "_SUCCESS", false),
            ("_*", "_SUCCESS", true),
            ("*", ".a.crc", false),
            ("*ü*", "grün", true),
            ("**", "abc", true),
            ("a*b*c", "abbbbbbbbb", false),
            ("", "", true),
        ] {
            assert_eq!(matches_name(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn two_stars_pass_over_folders() {
        for (pattern, path, expected) in [
            ("**/*.csv", "a.csv", true),
            ("**/*.csv", "x/y/a.csv", true),
            ("x/**/*.csv", "y/a.csv", false),
            ("**/y/*.csv", "x/y/a.csv", true),
            ("**/*.csv", "x/_tmp/a.csv", false),
            ("*/*.csv", "x/y/a.csv", false),
        ] {
            let split = |text: &'static str| text.split('/').collect::<Vec<_>>();
            assert_eq!(matches_path(&split(pattern), &split(path)), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn braces_are_written_out() {
        assert_eq!(
            alternatives("a{b,c{d,e}}f/{1,2}"),
            ["abf/1", "abf/2", "acdf/1", "acdf/2", "acef/1", "acef/2"]
        );
        assert_eq!(alternatives("a{b"), ["a{b"]);
    }
}
