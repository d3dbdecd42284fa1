//! Frames: a three-byte length, a packet number, a payload; longer packets continue in further frames.

/// Bytes in front of each payload.
pub const HEADER_LEN: usize = 4;
/// A payload of exactly this length is continued by another frame (which may be empty).
pub const MAX_PAYLOAD: usize = 0xff_ffff;

/// A decoded frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub length: usize,
    pub sequence: u8,
}

impl Header {
    /// Reads the header at the front of `bytes`, if it is whole.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let h = bytes.first_chunk::<HEADER_LEN>()?;
        Some(Self { length: u32::from_le_bytes([h[0], h[1], h[2], 0]) as usize, sequence: h[3] })
    }

    #[must_use]
    pub fn encode(self) -> [u8; HEADER_LEN] {
        let l = (self.length as u32).to_le_bytes();
        [l[0], l[1], l[2], self.sequence]
    }
}

/// Appends `payload` as one packet, split into frames where it must be; gives the next packet number.
pub fn put_packet(out: &mut Vec<u8>, mut sequence: u8, mut payload: &[u8]) -> u8 {
    loop {
        let (head, tail) = payload.split_at(payload.len().min(MAX_PAYLOAD));
        out.extend_from_slice(&Header { length: head.len(), sequence }.encode());
        out.extend_from_slice(head);
        sequence = sequence.wrapping_add(1);
        if head.len() < MAX_PAYLOAD {
            return sequence;
        }
        payload = tail;
    }
}

/// Begins a packet of less than [`MAX_PAYLOAD`] bytes in place; [`end_packet`] fills in its length.
#[must_use]
pub fn begin_packet(out: &mut Vec<u8>, sequence: u8) -> usize {
    out.extend_from_slice(&[0, 0, 0, sequence]);
    out.len()
}

/// Ends the packet whose payload begins at `start`.
pub fn end_packet(out: &mut [u8], start: usize) {
    let length = out.len() - start;
    if let Some(header) = out.get_mut(start - HEADER_LEN..start - 1) {
        header.copy_from_slice(&(length as u32).to_le_bytes()[..3]);
    }
}

/// A whole packet at the front of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketSpan {
    /// Bytes of all its frames, headers included.
    pub wire_len: usize,
    /// Payload bytes in all.
    pub payload_len: usize,
    /// Number of its first frame.
    pub first_sequence: u8,
    /// Number of its last frame.
    pub last_sequence: u8,
    /// More than one frame: the payload is not contiguous.
    pub split: bool,
}

/// What a buffer holds at its front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    Whole(PacketSpan),
    /// At least this many bytes must be in the buffer before asking again.
    NeedBytes(usize),
}

/// Finds the whole packet at the front of `bytes`, following continuation frames.
#[must_use]
pub fn scan_packet(bytes: &[u8]) -> Scan {
    let mut at = 0;
    let mut payload_len = 0;
    let mut first_sequence = 0;
    loop {
        let Some(header) = Header::read(&bytes[at..]) else { return Scan::NeedBytes(at + HEADER_LEN) };
        if at == 0 {
            first_sequence = header.sequence;
        }
        payload_len += header.length;
        at += HEADER_LEN + header.length;
        if bytes.len() < at {
            return Scan::NeedBytes(at);
        }
        if header.length < MAX_PAYLOAD {
            let split = payload_len >= MAX_PAYLOAD;
            return Scan::Whole(PacketSpan {
                wire_len: at,
                payload_len,
                first_sequence,
                last_sequence: header.sequence,
                split,
            });
        }
    }
}

/// Copies the payload of a split packet together, without its frame headers.
#[must_use]
pub fn join_payload(mut wire: &[u8], payload_len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload_len);
    while let Some(header) = Header::read(wire) {
        let end = (HEADER_LEN + header.length).min(wire.len());
        out.extend_from_slice(&wire[HEADER_LEN..end]);
        wire = &wire[end..];
        if header.length < MAX_PAYLOAD {
            break;
        }
    }
    out
}
