//! What a file is, by its first bytes; names and declared types are not asked.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
    WebP,
    Heic,
    Pdf,
    Other,
}

pub fn sniff(file: &[u8]) -> Kind {
    match file {
        [0xFF, 0xD8, 0xFF, ..] => Kind::Jpeg,
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Kind::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::WebP,
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] if brand.len() >= 4 => match &brand[..4] {
            b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1" | b"avif" => Kind::Heic,
            _ => Kind::Other,
        },
        _ if file[..file.len().min(1024)].windows(5).any(|w| w == b"%PDF-") => Kind::Pdf,
        _ => Kind::Other,
    }
}
