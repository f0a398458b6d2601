//! The first bytes of the source: which compression tar is to undo.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Long enough for every magic number below.
const HEAD_BYTES: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

impl Compression {
    fn of(head: &[u8]) -> Self {
        let magics: [(&[u8], Self); 4] = [
            (&[0x1f, 0x8b], Self::Gzip),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Self::Xz),
            (&[0x28, 0xb5, 0x2f, 0xfd], Self::Zstd),
            (b"BZh", Self::Bzip2),
        ];
        magics.iter().find(|(magic, _)| head.starts_with(magic)).map_or(Self::None, |(_, kind)| *kind)
    }

    /// The option of GNU tar.
    pub(crate) const fn tar_option(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => "--gzip",
            Self::Xz => "--xz",
            Self::Zstd => "--zstd",
            Self::Bzip2 => "--bzip2",
        }
    }
}

type Source = Box<dyn AsyncRead + Send + Unpin>;

/// Looks at the first bytes, and gives the whole source back.
pub(crate) async fn recognise(mut source: Source) -> std::io::Result<(Compression, Source)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    while head.len() < HEAD_BYTES {
        let mut rest = (&mut source).take((HEAD_BYTES - head.len()) as u64);
        if rest.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let compression = Compression::of(&head);
    Ok((compression, Box::new(std::io::Cursor::new(head).chain(source))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn looking_at_the_source_loses_nothing_of_it() {
        let contents: [(&'static [u8], Compression); 5] = [
            (b"", Compression::None),
            (b"\x1f\x8b", Compression::Gzip),
            (b"pax_global_header and more", Compression::None),
            (b"\x28\xb5\x2f\xfd-------", Compression::Zstd),
            (b"BZh91AY", Compression::Bzip2),
        ];
        for (content, expected) in contents {
            let (found, mut source) = recognise(Box::new(content)).await.unwrap();
            let mut all = Vec::new();
            source.read_to_end(&mut all).await.unwrap();
            assert_eq!((found, all.as_slice()), (expected, content));
        }
    }
}
