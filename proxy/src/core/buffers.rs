//! Byte buffers of one core: lent for the length of one command, so that idle sessions hold none.

use std::cell::RefCell;

/// Large enough that a usual command or reply is one read and a partial read clears readiness.
pub const BUFFER_LEN: usize = 16 * 1024;
/// Buffers kept for reuse by one core; more than this many commands are rarely in flight on it.
const KEPT: usize = 256;

/// Bytes read and not yet consumed, in the middle of a block.
#[derive(Debug, Default)]
pub struct Buf {
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buf {
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.start..self.end]
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room behind the filled bytes, for a read.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.data[self.end..]
    }

    pub fn advance_end(&mut self, n: usize) {
        self.end = (self.end + n).min(self.data.len());
    }

    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Makes room to read into, towards `total` bytes from the first filled one on. A full buffer is doubled at most: memory
    /// goes to whoever sends bytes, not to a header that promises them.
    pub fn make_room(&mut self, total: usize) {
        if self.start > 0 && (self.start + total > self.data.len() || self.end == self.data.len()) {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.data.len() {
            let doubled = self.data.len().max(BUFFER_LEN) * 2;
            self.data.resize(total.clamp(self.end + 1, doubled), 0);
        }
    }
}

/// The free buffers of one core.
#[derive(Debug, Default)]
pub struct BufPool {
    /// As long as a buffer is, for reads.
    blocks: RefCell<Vec<Vec<u8>>>,
    /// Empty, for bytes that are put together. Kept apart: making one of the other kind would fill it with zeros.
    vecs: RefCell<Vec<Vec<u8>>>,
}

impl BufPool {
    pub fn take(&self) -> Buf {
        let data = self.blocks.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER_LEN]);
        Buf { data, start: 0, end: 0 }
    }

    /// Takes a buffer back; one that has grown for a large packet is freed instead.
    pub fn give(&self, buf: Buf) {
        let mut free = self.blocks.borrow_mut();
        if buf.data.len() == BUFFER_LEN && free.len() < KEPT {
            free.push(buf.data);
        }
    }

    /// An empty vector with a buffer's capacity, for bytes that are put together.
    pub fn take_vec(&self) -> Vec<u8> {
        self.vecs.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_LEN))
    }

    pub fn give_vec(&self, mut data: Vec<u8>) {
        if data.capacity() < BUFFER_LEN || data.capacity() > 2 * BUFFER_LEN {
            return;
        }
        let mut free = self.vecs.borrow_mut();
        if free.len() < KEPT {
            data.clear();
            free.push(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_of_many_bytes_takes_no_memory() {
        let mut buf = BufPool::default().take();
        for filled in [4, BUFFER_LEN, 2 * BUFFER_LEN] {
            let missing = filled - buf.len();
            buf.space()[..missing].fill(7);
            buf.advance_end(missing);
            buf.make_room(16 << 20);
            assert!(!buf.space().is_empty() && buf.data.len() <= 2 * filled.max(BUFFER_LEN / 2));
        }
    }

    #[test]
    fn a_packet_larger_than_the_buffer_is_gathered_whole() {
        let pool = BufPool::default();
        let mut buf = pool.take();
        let mut expected = Vec::new();
        for i in 0..100_000_u32 {
            buf.make_room(400_000);
            let bytes = i.to_le_bytes();
            buf.space()[..4].copy_from_slice(&bytes);
            buf.advance_end(4);
            expected.extend_from_slice(&bytes);
        }
        assert_eq!(buf.filled(), expected);
        buf.consume(399_996);
        buf.make_room(10);
        assert_eq!(buf.filled(), 99_999_u32.to_le_bytes());
        pool.give(buf);
        assert!(pool.blocks.borrow().is_empty(), "grown buffers are not kept");
    }
}
