//! What is on disk: the column families, their keys and values. All integers are big-endian.

use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, Options};

use crate::entry::Log;

/// A column family. The names stay: a store of any age has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Entries that are not in a segment.
    /// Key: [`hot_key`] of the first. Value: entries that follow each other, see [`crate::hot`].
    Hot,
    /// Sealed segments.
    /// Key: [`crate::segment::part_key`]. Value: one part and its checksum.
    Seg,
    /// Subtrees of the Merkle trees, see [`crate::tree`]. They stay when their entries go.
    /// Key: log u8, first position u64, height u8. Value: root, and the roots of the tiles.
    Tree,
    /// Signed checkpoints.
    /// Key: log u8, size u64. Value: when it was signed, microseconds since 1970 as i64, and the note.
    /// Changes of the key that signs them: 0xfe, number u64, and the note. Anchors: 0xff, number u64, and the text.
    Note,
    /// Facts about the store, each under its own name.
    /// `format`: u32. `store`: UUID, 16 bytes. `id-key`: AES-128 key, 16 bytes. `probe`: written to see whether
    /// writing works. `first`, log u8: u64, the first position that is kept. `requests`: u64, above every counter of a
    /// request's id that was given out. `minute`, minutes since 1970 as u64 ([`minute_key`]): counters of the statistics, see [`crate::stats`]. `counted`: u64, the position
    /// before which all request entries are in them. `scrub`: log u8, position u64, how far the scrub is.
    /// `believed`: microseconds since 1970 as i64, the time by which entries were last removed.
    Meta,
    /// Rows that a later one stands for, see [`crate::hidden`].
    /// Key: log u8, page u64. Value: a bit for each of the page's rows.
    Over,
}

impl Column {
    pub(crate) const ALL: [Self; 6] = [Self::Hot, Self::Seg, Self::Tree, Self::Note, Self::Meta, Self::Over];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Seg => "seg",
            Self::Tree => "tree",
            Self::Note => "note",
            Self::Meta => "meta",
            Self::Over => "over",
        }
    }

    pub(crate) fn descriptor(self, cache: &Cache) -> ColumnFamilyDescriptor {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(cache);
        blocks.set_format_version(6);
        let mut options = Options::default();
        match self {
            Self::Hot => {
                blocks.set_block_size(16 << 10);
                options.set_compression_type(DBCompressionType::Lz4);
                // The sealer has it written out before it is full, when few rows of it are not sealed.
                options.set_write_buffer_size(128 << 20);
                options.set_max_write_buffer_number(2);
            }
            Self::Seg => {
                // Parts are compressed before they get here, and their keys ascend: nothing is ever rewritten.
                options.set_compression_type(DBCompressionType::None);
                options.set_target_file_size_base(64 << 20);
            }
            Self::Tree | Self::Note | Self::Meta | Self::Over => {
                options.set_compression_type(DBCompressionType::Lz4);
                options.set_write_buffer_size(4 << 20);
            }
        }
        options.set_block_based_table_factory(&blocks);
        ColumnFamilyDescriptor::new(self.name(), options)
    }
}

/// The byte of a log in keys.
pub(crate) const fn log_byte(log: Log) -> u8 {
    log.index() as u8
}

/// Key of a position: log u8, seq u64.
pub(crate) fn hot_key(log: Log, seq: u64) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = seq.to_be_bytes();
    [log_byte(log), a, b, c, d, e, f, g, h]
}

/// The position in a key of this log.
pub(crate) fn hot_seq(log: Log, key: &[u8]) -> Option<u64> {
    let (&first, seq) = key.split_first()?;
    (first == log_byte(log)).then_some(u64::from_be_bytes(seq.try_into().ok()?))
}

/// Key of the first position that a log keeps: `first`, log u8.
pub(crate) const fn first_key(log: Log) -> [u8; 6] {
    [b'f', b'i', b'r', b's', b't', log_byte(log)]
}

/// Key of the counters of one minute since 1970: `minute`, u64; the sign bit is turned, so that times before 1970 come
/// first.
pub(crate) fn minute_key(minute: i64) -> [u8; 14] {
    let [a, b, c, d, e, f, g, h] = (minute.cast_unsigned() ^ 1 << 63).to_be_bytes();
    [b'm', b'i', b'n', b'u', b't', b'e', a, b, c, d, e, f, g, h]
}

/// The minute in the key of its counters.
pub(crate) fn minute_of_key(key: &[u8]) -> Option<i64> {
    let minute = key.strip_prefix(b"minute")?;
    Some((u64::from_be_bytes(minute.try_into().ok()?) ^ 1 << 63).cast_signed())
}
