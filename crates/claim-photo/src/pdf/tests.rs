use super::*;
use proptest::prelude::*;

fn plain(pages: usize, trailer: &str) -> Vec<u8> {
    let mut file = format!(
        "%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n2 0 obj << /Type /Pages /Kids [] /Count {pages} >> endobj\n"
    );
    for i in 0..pages {
        file += &format!(
            "{} 0 obj << /Type /Page /Parent 2 0 R /Resources << /Font << >> >> >> endobj\n",
            i + 3
        );
    }
    file += &format!("trailer << /Size 9 /Root 1 0 R {trailer} >>\nstartxref\n0\n%%EOF");
    file.into_bytes()
}

#[test]
fn pages_are_counted_and_locks_are_seen() {
    assert_eq!(
        inspect(&plain(3, "")),
        Ok(Pdf {
            pages: 3,
            locked: false
        })
    );
    assert_eq!(
        inspect(&plain(60, "/Info 5 0 R")),
        Ok(Pdf {
            pages: 60,
            locked: false
        })
    );
    assert_eq!(
        inspect(&plain(3, "/Encrypt 7 0 R")).map(|p| p.locked),
        Ok(true)
    );
    // The word in a page's text does not lock it.
    assert_eq!(
        inspect(&[plain(1, ""), b"(/Encrypt)".to_vec()].concat()).map(|p| p.locked),
        Ok(false)
    );
    assert_eq!(inspect(b"%PDF-1.7\n%%EOF"), Err(PhotoError::DamagedPdf));
}

#[test]
fn a_page_tree_in_an_object_stream_is_unpacked() {
    let objects =
        b"1 0 2 30 << /Type /Catalog /Pages 2 0 R >> << /Type/Pages/Kids[3 0 R]/Count 7 >>";
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(objects, 6);
    let mut file =
        format!("%PDF-1.5\n4 0 obj << /Type /ObjStm /N 2 /First 9 /Filter /FlateDecode /Length {} >>\nstream\n", packed.len()).into_bytes();
    file.extend(&packed);
    file.extend(b"\nendstream endobj\n5 0 obj << /Type /XRef /Size 6 /Root 1 0 R >>\nstream\nx\nendstream endobj");
    assert_eq!(
        inspect(&file),
        Ok(Pdf {
            pages: 7,
            locked: false
        })
    );
    let locked = String::from_utf8_lossy(&file).replace("/Size 6", "/Size 6 /Encrypt 9 0 R");
    assert_eq!(inspect(locked.as_bytes()).map(|p| p.locked), Ok(true));
}

/// In a file changed by appending, only the last revision counts (7.5.6).
#[test]
fn pages_of_the_last_revision_are_counted() {
    let tree = |kids: &str, count: usize| {
        format!("2 0 obj<</Type/Pages/Kids[{kids}]/Count {count}>>endobj\n")
    };
    let page = |n: usize| format!("{n} 0 obj<</Type/Page/Parent 2 0 R>>endobj\n");
    let end = "trailer<</Size 9/Root 1 0 R>>\nstartxref\n0\n%%EOF\n";
    let first = format!(
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n{}{}{}{end}",
        tree("3 0 R 4 0 R", 2),
        page(3),
        page(4)
    );
    let pages = |file: &str| inspect(file.as_bytes()).unwrap().pages;
    assert_eq!(pages(&first), 2);
    assert_eq!(
        pages(&format!(
            "{first}{}{}{}{end}",
            page(3),
            page(4),
            tree("3 0 R 4 0 R", 2)
        )),
        2,
        "rewritten"
    );
    assert_eq!(
        pages(&format!("{first}{}{end}", tree("4 0 R", 1))),
        1,
        "one page removed"
    );
    assert_eq!(
        pages(&format!("{first}5 0 obj<</Type/Annot>>endobj\n{end}")),
        2,
        "a note added"
    );
    let direct = format!(
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n{}{end}",
        tree("<</Type/Page/Parent 2 0 R>> <</Type/Page>>", 2)
    );
    assert_eq!(pages(&direct), 2, "pages in the array itself");
    let turning = format!(
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n{}{end}",
        tree("2 0 R 2 0 R", 2)
    );
    let _ = inspect(turning.as_bytes());
}

#[test]
fn object_streams_may_be_plain_or_named_short() {
    let objects = "1 0 2 32 ".to_owned()
        + "<</Type/Catalog/Pages 2 0 R>>   "
        + "<</Type/Pages/Kids[3 0 R]/Count 1>>";
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(objects.as_bytes(), 6);
    for (filter, body) in [
        ("", objects.clone().into_bytes()),
        ("/Filter/Fl", packed.clone()),
        ("/Filter[/FlateDecode]", packed),
    ] {
        let mut file = format!(
            "%PDF-1.5\n4 0 obj<</Type/ObjStm/N 2/First 9{filter}/Length {}>>stream\n",
            body.len()
        )
        .into_bytes();
        file.extend(body);
        file.extend(b"\nendstream endobj\n3 0 obj<</Type/Page/Parent 2 0 R>>endobj\n5 0 obj<</Type/XRef/Size 6/Root 1 0 R>>stream\nx\nendstream endobj");
        assert_eq!(
            inspect(&file),
            Ok(Pdf {
                pages: 1,
                locked: false
            }),
            "{filter}"
        );
    }
}

#[test]
fn an_object_stream_may_say_any_offset() {
    for offset in [
        "18446744073709551615",
        "99999999999999999999",
        "4294967296",
        "0",
    ] {
        let objects = format!("1 {offset} 2 {offset} <</Type/Page>>");
        let file = format!(
            "%PDF-1.5\n4 0 obj<</Type/ObjStm/N 2/First 9/Length {}>>stream\n{objects}\nendstream endobj\n5 0 obj<</Type/XRef/Size 6/Root 1 0 R>>stream\nx\nendstream endobj",
            objects.len()
        );
        assert_eq!(
            inspect(file.as_bytes()),
            Ok(Pdf {
                pages: 1,
                locked: false
            }),
            "{offset}"
        );
    }
}

#[test]
fn a_scan_may_hold_any_bytes() {
    let scan: Vec<u8> = (0..200_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .chain(*b"<< /Type /Catalog <<")
        .collect();
    let mut file = format!(
        "%PDF-1.4\n9 0 obj << /Type /XObject /Length {} >>\nstream\n",
        scan.len()
    )
    .into_bytes();
    file.extend(scan);
    file.extend(b"\nendstream endobj\n");
    file.extend(plain(3, ""));
    assert_eq!(
        inspect(&file),
        Ok(Pdf {
            pages: 3,
            locked: false
        })
    );
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in "(<<|>>|/Type|/Pages|/Count|stream|endstream| |[0-9a-z\\[])+{0,40}") {
        let _ = inspect(bytes.as_bytes());
    }
}

fn seed(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/pdf/");
    std::fs::read(format!("{path}{name}.pdf")).unwrap()
}

/// Made with qpdf: every revision of the standard handler, with an owner's password and none to
/// open it.
#[test]
fn what_opens_without_a_password_is_not_locked() {
    for revision in ["r2", "r3", "r4aes", "r4clear", "r5", "r6"] {
        for streams in ["disable", "generate"] {
            assert_eq!(
                inspect(&seed(&format!("{revision}_{streams}"))),
                Ok(Pdf {
                    pages: 2,
                    locked: false
                }),
                "{revision} {streams}"
            );
        }
    }
    for owner in ["owner_r5", "owner_r6"] {
        assert_eq!(
            inspect(&seed(owner)),
            Ok(Pdf {
                pages: 2,
                locked: false
            }),
            "{owner}"
        );
    }
    for asks in ["asks_r2", "asks_r4", "asks_r6"] {
        assert_eq!(inspect(&seed(asks)).map(|p| p.locked), Ok(true), "{asks}");
    }
}

#[test]
fn who_made_a_document_is_blanked_in_its_place() {
    for name in ["plain", "packed"] {
        let file = seed(name);
        let plain = without_metadata(&file).unwrap();
        assert_eq!(
            (plain.len(), inspect(&plain)),
            (
                file.len(),
                Ok(Pdf {
                    pages: 2,
                    locked: false
                })
            ),
            "{name}"
        );
        let unpacked: Vec<u8> = object_streams(&plain, PLAIN)
            .flat_map(|(_, (_, _, bytes))| bytes)
            .collect();
        for told in [
            &b"Zhang"[..],
            b"xmpmeta",
            b"FEFF5F20",
            b"feff5f20",
            b"Invoice",
            b"20261101",
            b"\x5F\x20\x4F\x1F",
        ] {
            let found = |bytes: &[u8]| bytes.windows(told.len()).any(|w| w == told);
            assert!(
                found(&file) || name == "packed" || told[0] == b'f' || told[0] == 0x5F,
                "{name}: {told:?} was there"
            );
            assert!(!found(&plain) && !found(&unpacked), "{name}: {told:?}");
        }
        assert_eq!(without_metadata(&plain), None, "nothing is left to do");
    }
    let plain = seed("plain");
    assert_eq!(
        inspect_plain(&plain),
        Ok(Some((
            Pdf {
                pages: 2,
                locked: false
            },
            without_metadata(&plain)
        )))
    );
    for name in ["packed", "r6_disable", "asks_r4"] {
        assert_eq!(inspect_plain(&seed(name)), Ok(None), "{name}");
    }
    let mut signed = seed("plain");
    signed.extend(b"\n9 0 obj<</Type/Sig/ByteRange[0 10 20 30]>>endobj\n");
    assert_eq!(
        without_metadata(&signed),
        None,
        "a signature covers every byte"
    );
    for locked in ["r4aes_disable", "r6_disable"] {
        let plain = without_metadata(&seed(locked)).unwrap();
        assert_eq!(
            inspect(&plain),
            Ok(Pdf {
                pages: 2,
                locked: false
            })
        );
    }
}

/// A stream of spaces, whatever its length, is deflated as RFC 1950 has it.
#[test]
fn blanked_streams_inflate() {
    for length in [11, 12, 100, 65_535, 65_546, 65_547, 70_000, 140_000] {
        let mut file = format!(
            "%PDF-1.4\n4 0 obj<</Type/Metadata/Filter/FlateDecode/Length {length}>>stream\n"
        )
        .into_bytes();
        let start = file.len();
        file.extend(vec![b'x'; length]);
        file.extend(b"\nendstream\nendobj\n");
        let plain = without_metadata(&file).unwrap();
        let text =
            miniz_oxide::inflate::decompress_to_vec_zlib(&plain[start..start + length]).unwrap();
        assert!(text.iter().all(|b| *b == b' '), "{length}");
    }
}

/// A megabyte of strings that never end takes no longer than a megabyte of anything.
#[test]
fn strings_without_an_end_are_not_read_over_and_over() {
    for unit in ["(", "<<(", "<", "(<", "<</A("] {
        let file = format!(
            "%PDF-1.4\ntrailer<</Root 1 0 R/Size 1/Info 5 0 R>>\n5 0 obj<<{}",
            unit.repeat((1 << 20) / unit.len())
        );
        let began = std::time::Instant::now();
        let _ = (inspect(file.as_bytes()), without_metadata(file.as_bytes()));
        assert!(
            began.elapsed() < std::time::Duration::from_secs(20),
            "{unit}: {:?}",
            began.elapsed()
        );
    }
}
