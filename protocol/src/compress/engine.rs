//! zlib and zstd behind one face. Their state is large (up to 300 KiB), so it is made when first needed.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::Algorithm;
use crate::error::ProtocolError;

const BROKEN: ProtocolError = ProtocolError::Invalid("compressed data");
/// A frame holds at most 16 MiB, so no honest window is larger; zstd's own default would allow 128 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;
/// zstd's and MySQL's default.
const ZSTD_DEFAULT_LEVEL: u8 = 3;
const ZSTD_LEVELS: std::ops::RangeInclusive<u8> = 1..=22;

/// What one step of inflation did.
pub(super) struct Step {
    pub taken: usize,
    pub given: usize,
    /// The stream said that it is complete.
    pub ended: bool,
}

pub(super) enum Inflate {
    Zlib(Decompress),
    Zstd(Decoder<'static>),
}

impl Inflate {
    pub(super) fn new(algorithm: Algorithm) -> Result<Self, ProtocolError> {
        match algorithm {
            Algorithm::Zlib => Ok(Self::Zlib(Decompress::new(true))),
            Algorithm::Zstd(_) => {
                let mut decoder = Decoder::new().map_err(|_| BROKEN)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).map_err(|_| BROKEN)?;
                Ok(Self::Zstd(decoder))
            }
        }
    }

    /// Prepares for the next frame, which is a stream of its own.
    pub(super) fn reset(&mut self) -> Result<(), ProtocolError> {
        match self {
            Self::Zlib(zlib) => {
                zlib.reset(true);
                Ok(())
            }
            Self::Zstd(zstd) => zstd.reinit().map_err(|_| BROKEN),
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, ProtocolError> {
        match self {
            Self::Zlib(zlib) => {
                let (taken, given) = (zlib.total_in(), zlib.total_out());
                let status = zlib.decompress(input, output, FlushDecompress::None).map_err(|_| BROKEN)?;
                let step = Step {
                    taken: (zlib.total_in() - taken) as usize,
                    given: (zlib.total_out() - given) as usize,
                    ended: status == Status::StreamEnd,
                };
                Ok(step)
            }
            Self::Zstd(zstd) => {
                let status = zstd.run_on_buffers(input, output).map_err(|_| BROKEN)?;
                Ok(Step { taken: status.bytes_read, given: status.bytes_written, ended: status.remaining == 0 })
            }
        }
    }
}

pub(super) enum Deflate {
    Zlib(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Deflate {
    /// `None` if zstd can't have its memory; frames then go out as they are.
    pub(super) fn new(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Zlib => Some(Self::Zlib(Compress::new(Compression::default(), true))),
            Algorithm::Zstd(level) => {
                let level = if ZSTD_LEVELS.contains(&level) { level } else { ZSTD_DEFAULT_LEVEL };
                zstd::bulk::Compressor::new(i32::from(level)).ok().map(Self::Zstd)
            }
        }
    }

    /// Appends the compressed form of `plain` to `out`, if it is shorter.
    pub(super) fn run(&mut self, plain: &[u8], out: &mut Vec<u8>) -> bool {
        let before = out.len();
        // One byte less than the input: what doesn't fit is not worth it.
        out.resize(before + plain.len().saturating_sub(1), 0);
        let written = match self {
            Self::Zlib(zlib) => {
                zlib.reset();
                let end = zlib.compress(plain, &mut out[before..], FlushCompress::Finish);
                matches!(end, Ok(Status::StreamEnd)).then(|| zlib.total_out() as usize)
            }
            Self::Zstd(zstd) => zstd.compress_to_buffer(plain, &mut out[before..]).ok(),
        };
        out.truncate(before + written.unwrap_or(0));
        written.is_some()
    }
}
