//! Frames: a length and that many bytes.

use std::io;

use serde::Serialize;

/// A frame that claims more is a fault, not a request.
const MOST_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// A whole frame with a JSON body.
pub(crate) fn json_frame(body: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = frame_of(0);
    serde_json::to_writer(&mut frame, body)?;
    let length = frame.len() - 4;
    if length > MOST_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the dyno's environment and files are too large"));
    }
    frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(frame)
}

/// Takes the first whole frame's body off the buffer.
pub(crate) fn take_frame(buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some(head) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head) as usize;
    if length > MOST_FRAME_BYTES {
        return Err(malformed());
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    let rest = buffer.split_off(4 + length);
    let mut frame = std::mem::replace(buffer, rest);
    frame.drain(..4);
    Ok(Some(frame))
}

pub(super) fn frame_of(length: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(4 + length);
    frame.extend_from_slice(&(length as u32).to_be_bytes());
    frame
}

pub(super) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame that makes no sense")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_frame_is_awaited_and_a_giant_one_refused() {
        let mut half = vec![0, 0, 0, 9, b'x'];
        assert!(take_frame(&mut half).unwrap().is_none());
        assert!(take_frame(&mut vec![255, 0, 0, 0]).is_err());
    }
}
