//! Who it is that speaks the protocol.

/// What answers, as far as hydrant must talk to it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// PostgreSQL, and what is made of it (AlloyDB, Greenplum, Yugabyte …).
    Postgres,
    /// Amazon Redshift: no `COPY … TO STDOUT`, and settings of its own.
    Redshift,
    /// CockroachDB: `COPY … TO STDOUT` as text only.
    CockroachDb,
    /// Materialize.
    Materialize,
}

impl Product {
    /// From what `version()` says.
    pub(super) fn of(version: &str) -> Self {
        // Redshift and Materialize begin with the version of PostgreSQL that they resemble.
        if version.contains("Redshift") {
            Self::Redshift
        } else if version.starts_with("CockroachDB") {
            Self::CockroachDb
        } else if version.contains("Materialize") {
            Self::Materialize
        } else {
            Self::Postgres
        }
    }

    /// Whether the host is one of Redshift's, before anything was asked.
    pub(super) fn is_redshift(host: &str) -> bool {
        host.ends_with(".redshift.amazonaws.com") || host.ends_with(".redshift-serverless.amazonaws.com")
    }

    /// Whether it has binary `COPY … TO STDOUT`.
    pub(super) fn copies(self) -> bool {
        match self {
            Self::Postgres | Self::Materialize => true,
            Self::Redshift | Self::CockroachDb => false,
        }
    }

    /// Whether any value can be cast to text. Redshift has types that cannot (`SUPER`), and sends everything as text
    /// anyway.
    pub(super) fn casts_to_text(self) -> bool {
        match self {
            Self::Postgres | Self::Materialize | Self::CockroachDb => true,
            Self::Redshift => false,
        }
    }

    /// Product and version for people, from what `version()` says.
    pub(super) fn named(self, version: &str) -> String {
        let words: Vec<&str> = version.split_whitespace().collect();
        let after = |word: &str| {
            let at = words.iter().position(|w| w.trim_matches(['(', ',']).eq_ignore_ascii_case(word))?;
            Some(words.get(at + 1)?.trim_matches([')', ',']))
        };
        match self {
            Self::Redshift => format!("Redshift {}", after("Redshift").unwrap_or("(version unknown)")),
            Self::Materialize => format!("Materialize {}", after("Materialize").unwrap_or_default()),
            Self::CockroachDb => {
                let number = words.iter().find(|w| w.starts_with('v')).copied().unwrap_or_default();
                format!("CockroachDB {number}")
            }
            // `PostgreSQL 15.18 (Debian …) on x86_64 …`: the first two words name product and version.
            Self::Postgres => words.iter().take(2).copied().collect::<Vec<_>>().join(" "),
        }
        .trim_end()
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_recognised_by_their_version() {
        for (version, product, named) in [
            (
                "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc",
                Product::Postgres,
                "PostgreSQL 15.18",
            ),
            (
                "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.72031",
                Product::Redshift,
                "Redshift 1.0.72031",
            ),
            (
                "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/15, go1.22.2)",
                Product::CockroachDb,
                "CockroachDB v24.1.0",
            ),
            (
                "PostgreSQL 9.5.0 on x86_64-unknown-linux-gnu (Materialize v0.100.0)",
                Product::Materialize,
                "Materialize v0.100.0",
            ),
        ] {
            assert_eq!(Product::of(version), product, "{version}");
            assert_eq!(product.named(version), named);
        }
        assert!(Product::is_redshift("wh.abc123.eu-central-1.redshift.amazonaws.com"));
        assert!(!Product::is_redshift("redshift.amazonaws.com.example"));
    }
}
