//! What can be said to `cargo xtask up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Bring everything down as soon as the example has answered.
    pub(crate) once: bool,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut options = Self { once: false, data_dir: None, listen: SocketAddr::from(([127, 0, 0, 1], 5000)) };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match *word {
                "--once" => options.once = true,
                "--data-dir" => options.data_dir = Some(PathBuf::from(value()?)),
                "--listen" => {
                    let text = value()?;
                    options.listen =
                        text.parse().with_context(|| format!("`{text}` is no address like 127.0.0.1:5000"))?;
                }
                other => bail!("`{other}` is not an option of `cargo xtask up`"),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_any_order_and_others_refused() {
        let options = Options::parse(&["--listen", "127.0.0.1:6000", "--once"]).unwrap();
        assert!(options.once);
        assert_eq!(options.listen.port(), 6000);
        assert!(Options::parse(&["--data-dir"]).is_err());
        assert!(Options::parse(&["--twice"]).is_err());
    }
}
