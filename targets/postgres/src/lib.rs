//! Postgres, and what speaks its protocol, as a hydrant target.
