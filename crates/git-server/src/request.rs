//! The body of a git request: unpacked, bounded, and with its first part read.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use flate2::write::GzDecoder;
use http_body::Body;
use http_body_util::BodyExt;

use crate::refs::{InvalidOid, InvalidRefName, Update};

/// Compressed input is unpacked in steps of this size, so that little of it
/// can't fill the memory.
const STEP_BYTES: usize = 4096;
/// The list of ref updates of a push: some 4,000 of them.
const COMMANDS_BYTES: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the request broke off: {0}")]
    Broken(String),
    #[error("the client sent nothing for {} seconds", .0.as_secs())]
    Idle(Duration),
    #[error("the request is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the request is not well compressed")]
    Compression(#[source] io::Error),
    #[error("the list of refs is not well-formed")]
    Malformed,
    #[error("signed pushes and push options are not supported")]
    Unsupported,
    #[error(transparent)]
    Oid(#[from] InvalidOid),
    #[error(transparent)]
    RefName(#[from] InvalidRefName),
}

/// A request's body, piece by piece.
pub(crate) struct RequestBody<B> {
    body: B,
    gunzip: Option<GzDecoder<Vec<u8>>>,
    /// Received and not unpacked.
    packed: Bytes,
    /// Read ahead and given back.
    ahead: Bytes,
    ended: bool,
    left: u64,
    limit: u64,
    idle: Duration,
}

impl<B> RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    pub(crate) fn new(body: B, gzip: bool, limit: u64, idle: Duration) -> Self {
        let gunzip = gzip.then(|| GzDecoder::new(Vec::new()));
        Self { body, gunzip, packed: Bytes::new(), ahead: Bytes::new(), ended: false, left: limit, limit, idle }
    }

    /// The next bytes; `None` at the end. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        if !self.ahead.is_empty() {
            return Ok(Some(std::mem::take(&mut self.ahead)));
        }
        loop {
            let piece = match &mut self.gunzip {
                Some(gunzip) if !self.packed.is_empty() => {
                    let step = self.packed.split_to(self.packed.len().min(STEP_BYTES));
                    gunzip.write_all(&step).map_err(RequestError::Compression)?;
                    Bytes::from(std::mem::take(gunzip.get_mut()))
                }
                Some(gunzip) if self.ended => {
                    gunzip.try_finish().map_err(RequestError::Compression)?;
                    let rest = Bytes::from(std::mem::take(gunzip.get_mut()));
                    if rest.is_empty() {
                        return Ok(None);
                    }
                    rest
                }
                None if self.ended => return Ok(None),
                Some(_) => {
                    self.packed = self.receive().await?;
                    continue;
                }
                None => self.receive().await?,
            };
            let length = piece.len() as u64;
            self.left = self.left.checked_sub(length).ok_or(RequestError::TooLarge(self.limit))?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// Bytes as they come from the network; empty at the end, too.
    async fn receive(&mut self) -> Result<Bytes, RequestError> {
        loop {
            let frame = tokio::time::timeout(self.idle, self.body.frame()).await;
            match frame.map_err(|_| RequestError::Idle(self.idle))? {
                None => {
                    self.ended = true;
                    return Ok(Bytes::new());
                }
                Some(Err(error)) => return Err(RequestError::Broken(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(data);
                    }
                }
            }
        }
    }

    /// Reads what a push wants to change: pkt-lines `old new ref` up to a flush
    /// (gitprotocol-pack(5)). The bytes stay in the body for git itself. An
    /// empty list is git's probe of whether it may push.
    pub(crate) async fn read_updates(&mut self) -> Result<Vec<Update>, RequestError> {
        let mut bytes = BytesMut::new();
        let updates = loop {
            match parse_updates(&bytes)? {
                Some(updates) => break updates,
                None if bytes.len() > COMMANDS_BYTES => return Err(RequestError::TooLarge(COMMANDS_BYTES as u64)),
                None => {}
            }
            match self.next().await? {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => return Err(RequestError::Malformed),
            }
        };
        self.ahead = bytes.freeze();
        Ok(updates)
    }
}

/// `None` while the flush has not come.
fn parse_updates(mut bytes: &[u8]) -> Result<Option<Vec<Update>>, RequestError> {
    let mut updates = Vec::new();
    while let Some(head) = bytes.get(..4) {
        let length = str::from_utf8(head).ok().and_then(|text| u16::from_str_radix(text, 16).ok());
        match length.map(usize::from).ok_or(RequestError::Malformed)? {
            0 => return Ok(Some(updates)),
            length @ 5.. => {
                let Some(line) = bytes.get(4..length) else { return Ok(None) };
                updates.extend(parse_update(line, updates.is_empty())?);
                bytes.advance(length);
            }
            _ => return Err(RequestError::Malformed),
        }
    }
    Ok(None)
}

/// One line: an update, or a `shallow` remark that git itself judges.
fn parse_update(line: &[u8], is_first: bool) -> Result<Option<Update>, RequestError> {
    let mut parts = line.splitn(2, |byte| *byte == 0);
    let command = parts.next().unwrap_or_default();
    let command = str::from_utf8(command).map_err(|_| RequestError::Malformed)?;
    let command = command.strip_suffix('\n').unwrap_or(command);
    let capabilities = parts.next().unwrap_or_default();
    if !capabilities.is_empty() && !is_first {
        return Err(RequestError::Malformed);
    }
    let has = |name: &[u8]| capabilities.split(|byte| *byte == b' ').any(|capability| capability == name);
    if command.starts_with("push-cert") || has(b"push-options") {
        return Err(RequestError::Unsupported);
    }
    if command.starts_with("shallow ") {
        return Ok(None);
    }
    let mut words = command.splitn(3, ' ');
    let (Some(old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) else {
        return Err(RequestError::Malformed);
    };
    Ok(Some(Update { old: old.parse()?, new: new.parse()?, name: name.parse()? }))
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    fn body(bytes: Vec<u8>, gzip: bool, limit: u64) -> RequestBody<Full<Bytes>> {
        RequestBody::new(Full::new(Bytes::from(bytes)), gzip, limit, Duration::from_secs(5))
    }

    async fn all(mut body: RequestBody<Full<Bytes>>) -> Result<Vec<u8>, RequestError> {
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn line(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    fn update(name: &str) -> String {
        format!("{} {} {name}", "0".repeat(40), "a".repeat(40))
    }

    #[tokio::test]
    async fn compressed_bodies_are_unpacked_and_bounded() {
        let text: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(all(body(gzip(&text), true, 1 << 20)).await.unwrap(), text);
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(matches!(all(body(bomb, true, 1 << 20)).await, Err(RequestError::TooLarge(_))));
        assert!(matches!(all(body(b"no gzip".to_vec(), true, 100)).await, Err(RequestError::Compression(_))));
        let cut = gzip(&text)[..1000].to_vec();
        assert!(matches!(all(body(cut, true, 1 << 20)).await, Err(RequestError::Compression(_))));
    }

    #[tokio::test]
    async fn the_list_of_updates_is_read_and_stays_in_the_body() {
        let first = format!("{}\0 report-status side-band-64k", update("refs/heads/main"));
        let text = line(&first) + &line(&update("refs/tags/v1")) + "0000PACK";
        let mut body = body(text.clone().into_bytes(), false, 1 << 20);
        let updates = body.read_updates().await.unwrap();
        let names: Vec<&str> = updates.iter().map(|update| update.name.as_str()).collect();
        assert_eq!(names, ["refs/heads/main", "refs/tags/v1"]);
        assert_eq!(all(body).await.unwrap(), text.into_bytes());
    }

    #[tokio::test]
    async fn a_probe_has_no_updates() {
        assert_eq!(body(b"0000".to_vec(), false, 100).read_updates().await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_no_list_of_updates_is_refused() {
        let evil = [
            "".to_owned(),
            "PACK".to_owned(),
            "0003".to_owned(),
            "0004".to_owned(),
            "zzzz".to_owned(),
            line(&update("refs/heads/main")),
            line(&update("refs/heads/a\nb")) + "0000",
            line(&update("HEAD")) + "0000",
            line(&update("refs/heads/--upload-pack=x")) + "0000",
            line("x y refs/heads/main") + "0000",
            line(&format!("{}\0 push-options", update("refs/heads/main"))) + "0000",
            line("push-cert\0x") + "0000",
        ];
        for text in evil {
            let refused = body(text.clone().into_bytes(), false, 1 << 20).read_updates().await;
            assert!(refused.is_err(), "{text:?}");
        }
    }
}
