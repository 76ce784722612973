//! The header of the PROXY protocol, versions 1 and 2: whom a proxy in front has at its other end.

use std::net::SocketAddr;

use bytes::BytesMut;
use memchr::memchr;
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest header of version 1, with its CRLF.
const V1_MAX_BYTES: usize = 107;
/// How a header of version 1 begins.
const V1_BEGIN: &[u8] = b"PROXY ";
/// How a header of version 2 begins.
const V2_BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Of version 2, before the addresses.
const V2_FIXED_BYTES: usize = 16;
/// Longest header of version 2 that is taken; addresses take 36 bytes, or 216 for Unix sockets, the rest are extensions.
const V2_MAX_BYTES: usize = 4096;

/// Whom the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// A client of the proxy's.
    Client(SocketAddr),
    /// The proxy itself, or somebody whom it does not name.
    Peer,
}

/// Why no header was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The other side left, without a byte or within the header.
    Gone,
    /// What came is none.
    Malformed,
}

/// Reads one header; what follows it may be left in `buffer`.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<From, Missing> {
    loop {
        if let Some(end) = end(buffer)? {
            return parse(&buffer.split_to(end));
        }
        if !matches!(stream.read_buf(buffer).await, Ok(read) if read > 0) {
            return Err(Missing::Gone);
        }
    }
}

/// Where the header ends; absent as long as that cannot be said.
fn end(begun: &[u8]) -> Result<Option<usize>, Missing> {
    let begins = |whole: &[u8]| whole.iter().zip(begun).all(|(expected, found)| expected == found);
    if begins(V1_BEGIN) {
        let line = memchr(b'\n', begun).map(|at| at + 1);
        let is_too_long = line.unwrap_or(begun.len()) > V1_MAX_BYTES;
        return if is_too_long { Err(Missing::Malformed) } else { Ok(line) };
    }
    if !begins(V2_BEGIN) {
        return Err(Missing::Malformed);
    }
    let Some([high, low]) = begun.get(V2_FIXED_BYTES - 2..V2_FIXED_BYTES) else { return Ok(None) };
    let length = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
    if length > V2_MAX_BYTES { Err(Missing::Malformed) } else { Ok((begun.len() >= length).then_some(length)) }
}

fn parse(header: &[u8]) -> Result<From, Missing> {
    if header.starts_with(V1_BEGIN) {
        let header = v1::Header::try_from(header).map_err(|_| Missing::Malformed)?;
        return Ok(match header.addresses {
            v1::Addresses::Unknown => From::Peer,
            v1::Addresses::Tcp4(ends) => client(ends.source_address, ends.source_port),
            v1::Addresses::Tcp6(ends) => client(ends.source_address, ends.source_port),
        });
    }
    let header = v2::Header::try_from(header).map_err(|_| Missing::Malformed)?;
    Ok(match (header.command, header.protocol, header.addresses) {
        (v2::Command::Local, _, _) => From::Peer,
        (v2::Command::Proxy, v2::Protocol::Datagram, _) => return Err(Missing::Malformed),
        (v2::Command::Proxy, _, v2::Addresses::IPv4(ends)) => client(ends.source_address, ends.source_port),
        (v2::Command::Proxy, _, v2::Addresses::IPv6(ends)) => client(ends.source_address, ends.source_port),
        (v2::Command::Proxy, _, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => From::Peer,
    })
}

fn client(address: impl Into<std::net::IpAddr>, port: u16) -> From {
    From::Client(SocketAddr::new(address.into().to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::runtime::Builder;

    use super::*;

    /// What is found in bytes that come `step` at a time, before the other side leaves.
    fn found(bytes: &[u8], step: usize) -> Result<From, Missing> {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut theirs, mut ours) = tokio::io::duplex(step);
            let mut buffer = BytesMut::new();
            let write = async {
                // We may have found what we want by then.
                drop(theirs.write_all(bytes).await);
                drop(theirs);
            };
            let read = async {
                let found = read(&mut ours, &mut buffer).await;
                drop(ours);
                found
            };
            tokio::join!(write, read).1
        })
    }

    fn from(address: &str) -> Result<From, Missing> {
        Ok(From::Client(address.parse().unwrap()))
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2_BEGIN, &[0x20 | command, family], &length, rest].concat()
    }

    #[test]
    fn both_versions_name_the_client() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb];
        let mapped = [[0_u8; 10].as_slice(), &[0xff; 2], &[192, 0, 2, 7], &[0; 16], &[0x12, 0x34, 0x01, 0xbb]].concat();
        let with_extensions = [four.as_slice(), &[4, 0, 200], &[0; 200]].concat();
        for step in [1, 7, 5000] {
            let line = b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\nGET /";
            assert_eq!(found(line, step), from("192.0.2.7:4660"));
            assert_eq!(found(b"PROXY TCP6 2001:db8::7 ::1 4660 443\r\n", step), from("[2001:db8::7]:4660"));
            assert_eq!(found(b"PROXY UNKNOWN\r\n", step), Ok(From::Peer));
            assert_eq!(found(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", step), Ok(From::Peer));
            assert_eq!(found(&v2(1, 0x11, &four), step), from("192.0.2.7:4660"));
            assert_eq!(found(&v2(1, 0x11, &with_extensions), step), from("192.0.2.7:4660"));
            assert_eq!(found(&v2(1, 0x21, &mapped), step), from("192.0.2.7:4660"));
            assert_eq!(found(&v2(0, 0x00, &[]), step), Ok(From::Peer), "LOCAL");
            assert_eq!(found(&v2(0, 0x11, &four), step), Ok(From::Peer), "LOCAL with addresses");
            assert_eq!(found(&v2(1, 0x00, &[]), step), Ok(From::Peer), "of no family");
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_early_as_that_can_be_said() {
        let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
        for bad in [
            b"GET / HTTP/1.1\r\nHost: pub.test\r\n\r\n".as_slice(),
            b"\x16\x03\x01\x02\x00",
            b"\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4660\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 99999\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 4660 443\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\n",
            b"PROXY UDP4 192.0.2.7 10.0.0.1 4660 443\r\n",
            long.as_bytes(),
            &v2(1, 0x11, &[192, 0, 2, 7]),
            &v2(1, 0x12, &[0; 12]),
            &v2(2, 0x11, &[0; 12]),
            &v2(1, 0x41, &[0; 12]),
            &v2(1, 0x11, &[0; V2_MAX_BYTES]),
            &[V2_BEGIN, &[0x11, 0x11, 0, 12], &[0; 12]].concat(),
        ] {
            assert_eq!(found(bad, 1), Err(Missing::Malformed), "{}", bad.escape_ascii());
        }
        assert_eq!(found(b"", 1), Err(Missing::Gone));
        assert_eq!(found(b"PROXY TCP4", 1), Err(Missing::Gone));
        assert_eq!(found(&v2(1, 0x11, &[0; 12])[..20], 1), Err(Missing::Gone));
    }

    #[test]
    fn fuzz_a_header_is_one_or_none_however_it_comes() {
        let four = v2(1, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb]);
        let six = v2(1, 0x21, &[0x20; 36]);
        let seeds: [&[u8]; 5] = [
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\n",
            b"PROXY TCP6 2001:db8::7 ::1 4660 443\r\nGET / HTTP/1.1\r\n",
            b"PROXY UNKNOWN\r\n",
            &four,
            &six,
        ];
        let words: [&[u8]; 10] =
            [b"\r\n", b"\n", b" ", b"PROXY ", b"TCP4", b"TCP6", b"UNKNOWN", b"::ffff:1.2.3.4", b"0", V2_BEGIN];
        crate::fuzz::fuzz(&seeds, &words, |input| {
            let whole = end(input);
            // What is known of a beginning stays so, whatever comes after it.
            for cut in 0..input.len() {
                let begun = end(&input[..cut]);
                assert!(begun == Ok(None) || begun == whole, "after {cut} bytes");
            }
            let Ok(Some(end)) = whole else { return whole == Ok(None) };
            assert!(end <= input.len() && end <= V2_MAX_BYTES);
            let Ok(From::Client(client)) = parse(&input[..end]) else { return false };
            assert_eq!(client.ip(), client.ip().to_canonical());
            if input.starts_with(V1_BEGIN) {
                let line = std::str::from_utf8(&input[..end]).expect("a header of version 1 is text");
                let named: Vec<_> = line.trim_end_matches("\r\n").split(' ').collect();
                let (address, port) = (named[2].parse::<std::net::IpAddr>(), named[4].parse());
                assert_eq!((address.map(|address| address.to_canonical()), port), (Ok(client.ip()), Ok(client.port())));
                assert_eq!(named.len(), 6, "and nothing else");
            }
            true
        });
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..600), step in 1_usize..64) {
            prop_assert!(found(&bytes, step).is_err());
        }

        #[test]
        fn any_change_of_a_header_has_an_end(at in 0_usize..28, byte: u8, step in 1_usize..64) {
            let mut header = v2(1, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb]);
            header[at] = byte;
            // Whatever it says, it is one header or none.
            let _ = found(&header, step);
        }

        #[test]
        fn any_address_is_read_as_it_is_written(address: std::net::Ipv6Addr, port: u16, step in 1_usize..64) {
            let line = format!("PROXY TCP6 {address} ::1 {port} 443\r\n");
            let expected = SocketAddr::new(std::net::IpAddr::from(address).to_canonical(), port);
            prop_assert_eq!(found(line.as_bytes(), step), Ok(From::Client(expected)));
        }
    }
}
