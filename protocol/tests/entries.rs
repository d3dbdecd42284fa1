//! The fuzz targets' entry functions under proptest, so that stable builds run them too.

#[path = "../../fuzz/src/entries.rs"]
mod entries;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_break_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for (_, entry) in entries::ALL {
            entry(&bytes);
        }
    }

    /// Zeros are short lengths and terminators: packets get further than with noise.
    #[test]
    fn nor_do_sparse_ones(places in proptest::collection::vec((0..200usize, any::<u8>()), 0..30), len in 0..200usize) {
        let mut bytes = vec![0; len];
        for (at, byte) in places {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        for (_, entry) in entries::ALL {
            entry(&bytes);
        }
    }
}
