//! `hydrant init`

use super::{
    Exit, Problem,
    output::{DIM, GOOD},
};
use clap::Args;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The folder to write into; it is created if need be.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// A configuration that runs as it is, its query and its data.
const FILES: [(&str, &str); 3] = [
    ("hydrant.yml", include_str!("init/hydrant.yml")),
    ("models/customer_plans.sql", include_str!("init/customer_plans.sql")),
    ("data/customers.csv", include_str!("init/customers.csv")),
];

impl Init {
    pub(super) fn execute(self) -> Result<Exit, Problem> {
        // All or nothing: look first, so that a folder in use is not half filled.
        if let Some((name, _)) = FILES.iter().find(|(name, _)| self.folder.join(name).exists()) {
            return Err(Problem::Other {
                message: format!("{} exists already", self.folder.join(name).display()),
                advice: "choose another folder: hydrant init FOLDER; nothing was written".to_owned(),
                exit: Exit::Usage,
            });
        }
        for (name, text) in FILES {
            let path = self.folder.join(name);
            write_new(&path, text).map_err(|error| Problem::Other {
                message: format!("{} cannot be written: {error}", path.display()),
                advice: "choose a folder that can be written to".to_owned(),
                exit: Exit::Denied,
            })?;
            anstream::println!("{GOOD}wrote{GOOD:#} {}", path.display());
        }
        let config = self.folder.join("hydrant.yml");
        anstream::println!("{DIM}next: hydrant --config {} run{DIM:#}", config.display());
        Ok(Exit::Done)
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create_new(path)?.write_all(text.as_bytes())
}
