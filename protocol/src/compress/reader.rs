//! From compressed frames back to the packet stream.

use std::fmt;

use super::engine::Inflate;
use super::{Algorithm, HEADER_LEN};
use crate::error::ProtocolError;

#[derive(Clone, Copy, Debug)]
enum State {
    /// The next frame's header, of which some bytes are here.
    Header {
        bytes: [u8; HEADER_LEN],
        have: usize,
    },
    /// A frame that is not compressed.
    Plain {
        left: usize,
    },
    Inflating {
        input_left: usize,
        output_left: usize,
    },
}

const BROKEN: ProtocolError = ProtocolError::Invalid("compressed data");
const FRESH: State = State::Header { bytes: [0; HEADER_LEN], have: 0 };

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that are done with.
    pub taken: usize,
    /// Bytes put into the output.
    pub given: usize,
}

/// Undoes one direction's compression.
///
/// Frame numbers are noted, not checked: servers differ in when they start again (MariaDB goes on where MySQL
/// resets), and the packets inside have their own.
pub struct Reader {
    algorithm: Algorithm,
    inflate: Option<Box<Inflate>>,
    state: State,
    last_sequence: Option<u8>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Reader {
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, inflate: None, state: FRESH, last_sequence: None }
    }

    /// The number of the last frame since the last call; a reply goes on counting from it.
    pub fn take_last_sequence(&mut self) -> Option<u8> {
        self.last_sequence.take()
    }

    /// Gives back the decompressor's memory until the next frame, unless it is within one.
    pub fn rest(&mut self) {
        if !self.is_inside_frame() {
            self.inflate = None;
        }
    }

    /// Whether a frame has begun and not ended.
    #[must_use]
    pub fn is_inside_frame(&self) -> bool {
        !matches!(self.state, State::Header { have: 0, .. })
    }

    /// Turns input into output until one of them is used up.
    pub fn read(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, ProtocolError> {
        let mut all = Progress { taken: 0, given: 0 };
        loop {
            let step = self.step(&input[all.taken..], &mut output[all.given..])?;
            all.taken += step.taken;
            all.given += step.given;
            if step.taken == 0 && step.given == 0 {
                return Ok(all);
            }
        }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, ProtocolError> {
        match self.state {
            State::Header { bytes, have } => self.read_header(bytes, have, input),
            State::Plain { left } => {
                let n = left.min(input.len()).min(output.len());
                output[..n].copy_from_slice(&input[..n]);
                self.state = if n == left { FRESH } else { State::Plain { left: left - n } };
                Ok(Progress { taken: n, given: n })
            }
            State::Inflating { input_left, output_left } => self.inflate(input_left, output_left, input, output),
        }
    }

    fn read_header(
        &mut self,
        mut bytes: [u8; HEADER_LEN],
        have: usize,
        input: &[u8],
    ) -> Result<Progress, ProtocolError> {
        let n = (HEADER_LEN - have).min(input.len());
        bytes[have..have + n].copy_from_slice(&input[..n]);
        self.state = State::Header { bytes, have: have + n };
        if have + n == HEADER_LEN {
            self.begin(bytes)?;
        }
        Ok(Progress { taken: n, given: 0 })
    }

    fn begin(&mut self, header: [u8; HEADER_LEN]) -> Result<(), ProtocolError> {
        let [a, b, c, sequence, x, y, z] = header;
        let input_left = u32::from_le_bytes([a, b, c, 0]) as usize;
        let output_left = u32::from_le_bytes([x, y, z, 0]) as usize;
        self.last_sequence = Some(sequence);
        self.state = match (input_left, output_left) {
            (0, 0) => FRESH,
            (left, 0) => State::Plain { left },
            (0, _) => return Err(ProtocolError::Invalid("compressed frame header")),
            _ => State::Inflating { input_left, output_left },
        };
        match &mut self.inflate {
            Some(inflate) => inflate.reset(),
            None if output_left == 0 => Ok(()),
            none => {
                *none = Some(Box::new(Inflate::new(self.algorithm)?));
                Ok(())
            }
        }
    }

    fn inflate(
        &mut self,
        mut input_left: usize,
        mut output_left: usize,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, ProtocolError> {
        let Some(inflate) = self.inflate.as_mut() else { return Err(BROKEN) };
        let input = &input[..input.len().min(input_left)];
        let room = output.len().min(output_left);
        if room == 0 && output_left > 0 || input.is_empty() && input_left > 0 {
            return Ok(Progress { taken: 0, given: 0 });
        }
        let mut step = match output_left {
            0 => inflate.step(input, &mut [0; 1])?,
            _ => inflate.step(input, &mut output[..room])?,
        };
        if step.taken == 0 && step.given == 0 {
            return Err(BROKEN);
        }
        input_left -= step.taken;
        output_left = output_left.checked_sub(step.given).ok_or(BROKEN)?;
        if (input_left, output_left) == (0, 0) && !step.ended {
            // All that was promised is there; the stream must agree, and have no surplus.
            let end = inflate.step(&[], &mut [0; 1])?;
            step.ended = end.ended && end.given == 0;
            if !step.ended {
                return Err(BROKEN);
            }
        }
        self.state = match (step.ended, input_left, output_left) {
            (true, 0, 0) => FRESH,
            (true, _, _) => return Err(BROKEN),
            (false, _, _) => State::Inflating { input_left, output_left },
        };
        Ok(Progress { taken: step.taken, given: step.given })
    }
}
