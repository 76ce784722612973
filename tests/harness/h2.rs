//! HTTP/2 frame by frame, for what no library would send.

use std::io;

use crate::tls::Connection;

/// Types of frames.
pub const DATA: u8 = 0;
/// A head.
pub const HEADERS: u8 = 1;
/// The end of a stream, by one side.
pub const RST_STREAM: u8 = 3;
/// Each side's own limits.
pub const SETTINGS: u8 = 4;
/// A question that is answered at once.
pub const PING: u8 = 6;
/// The end of a connection.
pub const GOAWAY: u8 = 7;
/// Room for more of a body.
pub const WINDOW_UPDATE: u8 = 8;
/// The rest of a head.
pub const CONTINUATION: u8 = 9;

/// The head ends with this frame.
pub const END_HEADERS: u8 = 4;
/// Nothing follows on this stream.
pub const END_STREAM: u8 = 1;

/// What begins a connection: preface and empty settings.
pub fn begin() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat()
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields, each written out, in their order; names may be wrong on purpose.
pub fn fields(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        // Literal, never indexed.
        block.push(0x10);
        for text in [name.as_bytes(), value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// A `GET` with these fields on top.
pub fn get(stream: u32, host: &str, path: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let line: [(&str, &[u8]); 4] =
        [(":method", b"GET"), (":scheme", b"https"), (":authority", host.as_bytes()), (":path", path.as_bytes())];
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields(&[&line, more].concat()))
}

/// With a prefix of seven bits (RFC 7541, 5.1).
fn integer(block: &mut Vec<u8>, value: usize) {
    if value < 127 {
        return block.push(u8::try_from(value).unwrap());
    }
    block.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// As in [`HEADERS`].
    pub kind: u8,
    /// As in [`END_STREAM`].
    pub flags: u8,
    /// 0 for the connection.
    pub stream: u32,
    /// Without the frame's head.
    pub payload: Vec<u8>,
}

/// The next frame.
///
/// # Errors
/// When the other side closes.
pub fn read(from: &mut Connection) -> io::Result<Frame> {
    let mut head = [0; 9];
    from.read_exact(&mut head)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    from.read_exact(&mut payload)?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Ok(Frame { kind: head[3], flags: head[4], stream, payload })
}

/// The next frame of one of these kinds, passing over others.
///
/// # Errors
/// When the other side closes.
pub fn read_one_of(from: &mut Connection, kinds: &[u8]) -> io::Result<Frame> {
    loop {
        let frame = read(from)?;
        if kinds.contains(&frame.kind) {
            return Ok(frame);
        }
    }
}

/// The status in the head of an answer: of those that have a short form, or whose digits stand there.
pub fn status(frame: &Frame) -> u16 {
    match frame.payload.first() {
        Some(0x88) => 200,
        Some(0x89) => 204,
        Some(0x8c) => 400,
        Some(0x8d) => 404,
        Some(0x8e) => 500,
        _ => 0,
    }
}
