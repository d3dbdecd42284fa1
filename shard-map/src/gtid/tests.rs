//! Tables for what servers print, and properties against sets of numbers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B: &str = "ffffffff-71ca-11e1-9e33-c80aa9429562";

fn mysql(text: &str) -> GtidSet {
    GtidSet::parse_mysql(text).unwrap()
}

fn mariadb(text: &str) -> GtidSet {
    GtidSet::parse_mariadb(text).unwrap()
}

#[test]
fn prints_what_it_reads() {
    for (text, printed) in [
        ("0-1-5".to_owned(), "0-1-5".to_owned()),
        ("1-2-3,0-1-5".to_owned(), "0-1-5,1-2-3".to_owned()),
        (" 0-1-5 , 0-2-7".to_owned(), "0-2-7".to_owned()),
        (String::new(), String::new()),
    ] {
        assert_eq!(mariadb(&text).to_string(), printed);
    }
    for (text, printed) in [
        (format!("{A}:1-5:7"), format!("{A}:1-5:7")),
        (format!("{A}:1-5:6-7:7"), format!("{A}:1-7")),
        (format!("{B}:1,\n{A}:2"), format!("{A}:2,{B}:1")),
        (format!("{}:1", A.to_uppercase()), format!("{A}:1")),
        (format!("{A}:1-5:backup:1-3:9:nightly:4"), format!("{A}:1-5,{A}:backup:1-3:9,{A}:nightly:4")),
        (format!("{A}:Backup:1"), format!("{A}:backup:1")),
        (String::new(), String::new()),
    ] {
        assert_eq!(mysql(&text).to_string(), printed);
    }
}

#[test]
fn refuses_other_text() {
    for text in
        ["0", "0-1", "0-1-", "0-1-x", "0-1-2-3", "0-+1-2", "0--1", "0-1-18446744073709551616", "4294967296-1-1", A]
    {
        assert!(GtidSet::parse_mariadb(text).is_err(), "{text}");
    }
    let bad = ["", ":", ":0", ":5-4", ":1-", ":x", ":tag", ":1:+2", ":é:1"];
    for text in bad.iter().map(|b| format!("{A}{b}")) {
        assert!(GtidSet::parse_mysql(&text).is_err(), "{text}");
    }
    assert!(GtidSet::parse_mysql("0-1-5").is_err());
    assert!(GtidSet::parse_mysql("gggggggg-71ca-11e1-9e33-c80aa9429562:1").is_err());
}

#[test]
fn contains_by_domain_and_by_interval() {
    assert!(mariadb("0-1-5").contains(&mariadb("0-2-5")));
    assert!(!mariadb("0-1-5").contains(&mariadb("0-1-6")));
    assert!(!mariadb("0-1-5").contains(&mariadb("1-1-1")));
    assert!(mysql(&format!("{A}:1-5:7-9")).contains(&mysql(&format!("{A}:2-3:7"))));
    assert!(!mysql(&format!("{A}:1-5:7-9")).contains(&mysql(&format!("{A}:5-7"))));
    assert!(!mysql(&format!("{A}:1-5")).contains(&mysql(&format!("{A}:tag:1"))));
    assert!(!mysql(&format!("{A}:1-5")).contains(&mariadb("0-1-1")));
    assert!(mysql(&format!("{A}:1-5")).contains(&mariadb("")));
}

#[test]
fn a_token_stays_small_and_asks_for_no_less() {
    let mut token = mysql("");
    for n in 1..100 {
        let written = mysql(&format!("{A}:{}", n * 10));
        token.absorb(&written);
        assert!(token.contains(&written));
    }
    assert_eq!(token.to_string(), format!("{A}:10-960:970:980:990"));
}

fn set_of(numbers: &BTreeSet<u64>) -> GtidSet {
    let mut set = mysql("");
    for n in numbers {
        set.merge(&mysql(&format!("{A}:{n}")));
    }
    set
}

proptest! {
    #[test]
    fn mysql_sets_behave_like_sets_of_numbers(
        a in prop::collection::btree_set(1u64..60, 0..40),
        b in prop::collection::btree_set(1u64..60, 0..40),
    ) {
        let (sa, sb) = (set_of(&a), set_of(&b));
        prop_assert_eq!(sa.contains(&sb), b.is_subset(&a));
        let mut merged = sa.clone();
        merged.merge(&sb);
        prop_assert_eq!(&merged, &set_of(&a.union(&b).copied().collect()));
        prop_assert!(merged.contains(&sa) && merged.contains(&sb));
        prop_assert_eq!(GtidSet::parse_mysql(&merged.to_string()).unwrap(), merged);
    }

    #[test]
    fn mariadb_merge_is_the_greatest_of_each_domain(
        a in prop::collection::btree_map(0u32..4, 1u64..50, 0..4),
        b in prop::collection::btree_map(0u32..4, 1u64..50, 0..4),
    ) {
        let text = |m: &std::collections::BTreeMap<u32, u64>| {
            m.iter().map(|(d, n)| format!("{d}-1-{n}")).collect::<Vec<_>>().join(",")
        };
        let (pa, pb) = (mariadb(&text(&a)), mariadb(&text(&b)));
        let mut merged = pa.clone();
        merged.merge(&pb);
        prop_assert!(merged.contains(&pa) && merged.contains(&pb));
        prop_assert_eq!(pa.contains(&pb), b.iter().all(|(d, n)| a.get(d).is_some_and(|have| have >= n)));
        prop_assert_eq!(GtidSet::parse_mariadb(&merged.to_string()).unwrap(), merged);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[0-9a-f:,\\- ]{0,60}|\\PC{0,60}") {
        let _ = GtidSet::parse_mariadb(&text);
        let _ = GtidSet::parse_mysql(&text);
    }
}
