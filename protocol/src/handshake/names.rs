//! Names of users and schemas in a login: they come in the client's character set, as its handshake says.

use crate::charset::{Collation, Family};
use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, ISO_8859_2, ISO_8859_7, ISO_8859_8, ISO_8859_13, KOI8_R,
    KOI8_U, MACINTOSH, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1254,
    WINDOWS_1256, WINDOWS_1257,
};

/// The name in UTF-8. What the character set does not have is replaced, as at a server, and names nothing then.
pub(super) fn name(bytes: &[u8], collation: u16) -> String {
    if bytes.is_ascii() {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    encoding(collation).decode_without_bom_handling(bytes).0.into_owned()
}

/// Both families call the character sets of clients by the same numbers, as far as both have them. UTF-8 stands for the
/// few that nobody decodes (dec8, hp8, cp850 ...).
fn encoding(collation: u16) -> &'static Encoding {
    match Collation::by_id(collation, Family::MySql).map_or("", |c| c.charset()) {
        "latin1" => WINDOWS_1252,
        "latin2" => ISO_8859_2,
        "latin5" => WINDOWS_1254,
        "latin7" => ISO_8859_13,
        "cp1250" => WINDOWS_1250,
        "cp1251" => WINDOWS_1251,
        "cp1256" => WINDOWS_1256,
        "cp1257" => WINDOWS_1257,
        "cp866" => IBM866,
        "koi8r" => KOI8_R,
        "koi8u" => KOI8_U,
        "greek" => ISO_8859_7,
        "hebrew" => ISO_8859_8,
        "tis620" => WINDOWS_874,
        "macroman" => MACINTOSH,
        "big5" => BIG5,
        "gb2312" | "gbk" => GBK,
        "gb18030" => GB18030,
        "sjis" | "cp932" => SHIFT_JIS,
        "ujis" | "eucjpms" => EUC_JP,
        "euckr" => EUC_KR,
        _ => UTF_8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_its_character_set() {
        for (bytes, collation, expected) in [
            (&b"pr\xc3\xbcfung"[..], 45, "pr\u{fc}fung"),
            (b"pr\xfcfung", 8, "pr\u{fc}fung"),
            (b"\xcf\xf0\xe8\xe2\xe5\xf2", 51, "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
            (b"\xd6\xd0\xce\xc4", 28, "\u{4e2d}\u{6587}"),
            (b"\x93\xfa", 13, "\u{65e5}"),
            (b"shop", 28, "shop"),
        ] {
            assert_eq!(name(bytes, collation), expected);
        }
    }
}
