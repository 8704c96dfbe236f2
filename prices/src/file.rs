//! The user's own list: `prices.toml` in the folder for configuration.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

use crate::list::{Price, Written};

/// What a new file says.
pub(crate) const TEMPLATE: &str = "\
# Prices of models in US dollars per million tokens. They go before those that are compiled in (`tracewal prices` shows both).
#
# [models]
# my-model = { input = 3.0, output = 15.0, cacheRead = 0.3, cacheWrite = 3.75 }
";

/// A longer file is none.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// What is wrong with the user's list.
#[derive(Debug)]
pub enum PricesError {
    /// It cannot be read or written.
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no list of prices.
    Wrong {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
}

impl fmt::Display for PricesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PricesError::Io { path, source } => write!(f, "{}: {source}", path.display()),
            PricesError::Wrong { path, what } => {
                write!(f, "{} is no list of prices: {what}; correct it, or remove it", path.display())
            }
        }
    }
}

impl std::error::Error for PricesError {}

/// Where the user's list is: `$TRACEWAL_PRICES`, else in the folder for configuration. `None`: there is no home folder.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("TRACEWAL_PRICES").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("tracewal").join("prices.toml"))
}

/// `None`: it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<Written>, PricesError> {
    let Some(text) = text(path)? else { return Ok(None) };
    parse(&text).map(Some).map_err(|what| PricesError::Wrong { path: path.to_owned(), what })
}

fn text(path: &Path) -> Result<Option<String>, PricesError> {
    let failed = |source| PricesError::Io { path: path.to_owned(), source };
    match fs::metadata(path) {
        // In a folder that may not be looked into, there is none of this user's.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
        Ok(file) if file.len() > FILE_MAX_BYTES => {
            return Err(PricesError::Wrong { path: path.to_owned(), what: "it is too large".to_owned() });
        }
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).map_err(failed)
}

/// The list that a text is, or what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Written, String> {
    let one_line = |error: toml_edit::de::Error| error.to_string().lines().collect::<Vec<_>>().join(" ");
    let written: Written = toml_edit::de::from_str(text).map_err(one_line)?;
    for (model, price) in written.models() {
        let all =
            [Some(price.input), Some(price.output), price.reasoning, price.cache_read, price.cache_write];
        if all.into_iter().flatten().any(|dollars| !dollars.is_finite() || dollars < 0.0) {
            return Err(format!("a price of {model} is not a number from 0 on"));
        }
    }
    Ok(written)
}

/// Sets the price of a model in the user's list, and leaves the rest of it as it is. The file is made if it is not there, and replaced as a whole.
///
/// # Errors
/// When the file is no list of prices, or cannot be written.
pub fn set(path: &Path, model: &str, price: &Price) -> Result<(), PricesError> {
    let wrong = |what: String| PricesError::Wrong { path: path.to_owned(), what };
    let before = text(path)?.unwrap_or_else(|| TEMPLATE.to_owned());
    parse(&before).map_err(wrong)?;
    let mut document: DocumentMut = before.parse().map_err(|error| wrong(format!("{error}")))?;
    let models = document.entry("models").or_insert_with(|| Item::Table(Table::new()));
    let Some(models) = models.as_table_like_mut() else { return Err(wrong("models is no table".to_owned())) };
    let mut written = InlineTable::new();
    let keys = ["input", "output", "reasoning", "cacheRead", "cacheWrite"];
    let values =
        [Some(price.input), Some(price.output), price.reasoning, price.cache_read, price.cache_write];
    for (key, value) in keys.into_iter().zip(values) {
        if let Some(value) = value {
            written.insert(key, Value::from(value));
        }
    }
    models.insert(model, Item::Value(Value::InlineTable(written)));
    let after = document.to_string();
    parse(&after).map_err(wrong)?;
    put(path, &after).map_err(|source| PricesError::Io { path: path.to_owned(), source })
}

/// Replaces the file as a whole.
pub(crate) fn put(path: &Path, text: &str) -> io::Result<()> {
    // What a link points to is replaced, and the link stays.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.clone().into_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Makes the file, with a word on what may stand in it, if it is not there.
///
/// # Errors
/// When it cannot be written.
pub fn make(path: &Path) -> Result<(), PricesError> {
    if path.exists() {
        return Ok(());
    }
    put(path, TEMPLATE).map_err(|source| PricesError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::{Prices, Used};

    const PRICE: Price =
        Price { input: 1.0, output: 2.0, reasoning: None, cache_read: Some(0.5), cache_write: None };

    #[test]
    fn an_own_price_goes_before_the_one_that_is_compiled_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("of/mine/prices.toml");
        assert_eq!(Prices::with(&file).unwrap(), Prices::compiled_in());
        set(&file, "gpt-5", &PRICE).unwrap();
        set(&file, "a \"model\"\nof.mine", &PRICE).unwrap();
        let prices = Prices::with(&file).unwrap();
        let used = Used { input: 2_000_000, ..Used::default() };
        assert_eq!(prices.estimate("gpt-5", used), Some(2.0));
        assert_eq!(prices.find("a \"model\"\nof.mine").unwrap().source, file.display().to_string());
        assert_eq!(prices.find("gpt-5-mini"), Prices::compiled_in().find("gpt-5-mini"));
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_somebody_wrote_into_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prices.toml");
        let own = "# mine\n[models]\nold = { input = 1, output = 2 } # as agreed\n\n[[group]]\nsource = \"contract\"\n[group.models]\nx = { input = 0.5, output = 1.0 }\n";
        fs::write(&file, own).unwrap();
        set(&file, "new", &PRICE).unwrap();
        let after = fs::read_to_string(&file).unwrap();
        for line in own.lines() {
            assert!(after.contains(line), "{line:?} in {after}");
        }
        let prices = Prices::with(&file).unwrap();
        assert_eq!(prices.find("old").unwrap().price.input, 1.0);
        assert_eq!(prices.find("x").unwrap().source, "contract");
        assert_eq!(prices.find("new").unwrap().price, PRICE);
    }

    #[test]
    fn a_file_that_is_no_list_is_said_to_be_none_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prices.toml");
        for wrong in [
            "[models",
            "models = 5",
            "[models]\nm = { input = 1 }",
            "[models]\nm = { input = -1, output = 2 }",
            "[models]\nm = { input = nan, output = 2 }",
            "[models]\nm = { input = inf, output = 2 }",
            "[models]\nm = { input = 1, output = 2, cache_read = 3 }",
            "[modles]\nm = { input = 1, output = 2 }",
        ] {
            fs::write(&file, wrong).unwrap();
            let said = Prices::with(&file).unwrap_err().to_string();
            assert!(said.contains("no list of prices") && said.lines().count() == 1, "{said}");
            assert!(set(&file, "m", &PRICE).is_err());
            assert_eq!(fs::read_to_string(&file).unwrap(), wrong);
        }
        fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(matches!(Prices::with(&file), Err(PricesError::Io { .. })));
    }

    #[test]
    fn the_template_is_a_list() {
        assert_eq!(parse(TEMPLATE).unwrap().models().count(), 0);
    }
}
